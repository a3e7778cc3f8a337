// Stores that were set back to an earlier state: an image of the disk, a snapshot of the machine.
#include <gtest/gtest.h>

#include "backend/placement/progress.h"
#include "backend/placement/testing/many_stores_fixture.h"
#include "backend/placement/upkeep.h"

namespace backstay::backend::placement {
namespace {

class SetBack : public ChangingStores {
 protected:
  MemoryBackend::Objects disk(std::size_t i) { return (*many_)[i].memory.objects(); }
  void set_disk(std::size_t i, MemoryBackend::Objects objects) {
    (*many_)[i].memory.set_objects(std::move(objects));
  }
  std::string trouble_of(PlacementBackend& backend, std::size_t i) {
    return placement_status(backend)->stores[i].trouble;
  }
};

TEST_F(SetBack, AStoreOfBeforeTheLastBarrierCountsAsAway) {
  for (const std::string layout : {"copies: 2", "shards: 2+1"}) {
    names_.clear();
    make(layout, 4);
    fill(5);
    const MemoryBackend::Objects earlier = disk(1);
    ASSERT_TRUE(backend_->put("snapshots/new", as_bytes("snapshots/new")).has_value());
    ASSERT_TRUE(backend_->remove("snapshots/003").has_value());
    std::erase(names_, "snapshots/003");
    names_.emplace_back("snapshots/new");
    std::ranges::sort(names_);
    ASSERT_TRUE(backend_->barrier().has_value());
    set_disk(1, earlier);
    backend_ = many_->open().value();
    EXPECT_TRUE(trouble_of(*backend_, 1).contains("as it was some time ago"));
    expect_all(*backend_);
    EXPECT_EQ(code_of(backend_->get("snapshots/003", 100)), ErrorCode::kNotFound);
    // Emptied, it is filled anew, and whichever is lost next, nothing is missing.
    set_disk(1, {});
    const auto opened = many_->opener()("s1").value();
    const auto report = refill_store(*backend_, "s1", *opened, {});
    ASSERT_TRUE(report.has_value()) << report.error().describe();
    for (std::size_t away = 0; away < 4; ++away) {
      (*many_)[away].away = true;
      expect_all(*many_->open().value());
      (*many_)[away].away = false;
    }
  }
}

TEST_F(SetBack, AStoreThatNobodyElseSawSetBackFailsTheNextBarrier) {
  make("copies: 2", 3);
  fill(3);
  const MemoryBackend::Objects earlier = disk(0);
  for (int i = 0; i < 6; ++i)
    ASSERT_TRUE(backend_->put(bulk_name(100 + i), as_bytes("x")).has_value());
  ASSERT_TRUE(backend_->barrier().has_value());
  set_disk(0, earlier);
  // What it is given now is brought to the others.
  ASSERT_TRUE(backend_->put("data/aa/later", as_bytes("later")).has_value());
  ASSERT_TRUE(backend_->put("config", as_bytes("x")).has_value());
  ASSERT_TRUE(backend_->barrier().has_value());
  EXPECT_TRUE(disk(1).contains("data/aa/later") && disk(2).contains("data/aa/later"));
  EXPECT_FALSE(trouble_of(*backend_, 0).empty());
}

TEST_F(SetBack, TooManyThatWereSetBackAreRefused) {
  make("copies: 2", 3);
  fill(3);
  const MemoryBackend::Objects first = disk(0);
  const MemoryBackend::Objects second = disk(1);
  ASSERT_TRUE(backend_->put("snapshots/new", as_bytes("snapshots/new")).has_value());
  ASSERT_TRUE(backend_->barrier().has_value());
  set_disk(0, first);
  set_disk(1, second);
  auto client = many_->open();
  EXPECT_EQ(client ? code_of((*client)->head("snapshots/new")) : client.error().code(),
            ErrorCode::kUnavailable);
}

TEST_F(SetBack, StoresThatWereAwayOrCutAreNotTakenForSetBack) {
  make("copies: 2", 4);
  fill(3);
  for (std::size_t i = 0; i < 4; ++i) {
    auto other = many_->open().value();
    (*many_)[i].away = true;
    ASSERT_TRUE(backend_->put(fmt::format("snapshots/n{}", i), as_bytes("x")).has_value());
    ASSERT_TRUE(other->put(fmt::format("snapshots/o{}", i), as_bytes("x")).has_value());
    ASSERT_TRUE(backend_->barrier().has_value());
    ASSERT_TRUE(other->barrier().has_value());
    (*many_)[i].away = false;
    clock_.turn(10);
    backend_ = many_->open().value();
  }
  for (std::size_t i = 0; i < 4; ++i) EXPECT_EQ(trouble_of(*backend_, i), "");
  // A full store that takes no note takes nothing else either, and is no worse for it.
  (*many_)[0].full = true;
  static_cast<void>(backend_->remove("snapshots/n1").has_value());
  EXPECT_TRUE(backend_->barrier().has_value());
  (*many_)[0].full = false;
  EXPECT_EQ(trouble_of(*many_->open().value(), 0), "");
}

TEST_F(SetBack, FewNotesAreKept) {
  make("copies: 2", 3);
  for (int i = 0; i < 40; ++i) {
    ASSERT_TRUE(backend_->put(fmt::format("snapshots/{}", i), as_bytes("x")).has_value());
    ASSERT_TRUE(backend_->barrier().has_value());
    if (i % 10 == 9) backend_ = many_->open().value();
  }
  for (std::size_t i = 0; i < 3; ++i) {
    EXPECT_LE(objects_on(i, "placement/count-"), kCountsKept + 1);
    EXPECT_EQ(objects_on(i, "placement/seen-"), 1U);
  }
}

TEST_F(SetBack, ANoteThatIsNoneIsRefused) {
  PlacementId ours;
  ours.bytes.fill(7);
  StoreId store;
  store.bytes.fill(9);
  const KnownProgress known{{store, {.incarnation = 2, .count = 31}}};
  const Bytes note = encode_seen(ours, known);
  EXPECT_EQ(decode_seen(ours, note).value(), known);
  EXPECT_EQ(code_of(decode_seen(PlacementId{}, note)), ErrorCode::kCorruption);
  for (std::size_t i = 0; i < note.size(); ++i) {
    Bytes damaged = note;
    damaged[i] ^= 1;
    EXPECT_EQ(code_of(decode_seen(ours, damaged)), ErrorCode::kCorruption);
    EXPECT_EQ(code_of(decode_seen(ours, ByteView(note).first(i))), ErrorCode::kCorruption);
  }
}

// ---- disks that are replaced while something else is not as it should be

class Replaced : public SetBack {
 protected:
  Result<UpkeepReport> replace(std::size_t i, const UpkeepOptions& options = {}) {
    set_disk(i, {});
    const std::string name = ManyStores::name_of(i);
    backend_ = many_->open().value();
    return refill_store(*backend_, name, *many_->opener()(name).value(), options);
  }
  void expect_all_without_any_one(std::size_t stores) {
    for (std::size_t away = 0; away < stores; ++away) {
      (*many_)[away].away = true;
      expect_all(*many_->open().value());
      (*many_)[away].away = false;
    }
  }
};

TEST_F(Replaced, WhoStoodInForAnOwnerGetsBackWhatItHad) {
  for (const std::string layout : {"copies: 2", "shards: 2+1"}) {
    for (std::size_t lost = 1; lost < 4; ++lost) {
      names_.clear();
      make(layout, 4);
      (*many_)[0].away = true;
      backend_ = many_->open().value();
      fill(20);
      (*many_)[0].away = false;
      ASSERT_TRUE(replace(lost)->settled);
      expect_all_without_any_one(4);
    }
  }
}

TEST_F(Replaced, WhatWasNotMovedYetIsOnEnoughStoresAgain) {
  for (std::size_t lost = 0; lost < 4; ++lost) {
    names_.clear();
    make("copies: 2", 3);
    fill(30);
    add(3);
    ASSERT_TRUE(replace(lost).has_value());
    expect_all_without_any_one(4);
    backend_ = many_->open().value();
    EXPECT_TRUE(rebalance_placement(*backend_, {})->settled);
    expect_all_without_any_one(4);
  }
}

TEST_F(Replaced, ATombstoneOfBeforeDoesNotHideWhatWasStoredAnew) {
  make("copies: 2", 3);
  ASSERT_TRUE(backend_->put("config", as_bytes("config")).has_value());
  ASSERT_TRUE(backend_->remove("config").has_value());
  const std::string tombstone = tombstone_name("config");
  const Bytes stale = disk(2).at(tombstone);
  ASSERT_TRUE(backend_->put("config", as_bytes("config")).has_value());
  // Who stored it anew was cut before he took the last tombstone away, and another one went on
  // without that store.
  MemoryBackend::Objects objects = disk(2);
  objects.erase("config");
  objects[tombstone] = stale;
  set_disk(2, objects);
  names_ = {"config"};
  ASSERT_TRUE(replace(1).has_value());
  backend_ = many_->open().value();
  expect_all(*backend_);
  expect_all_without_any_one(3);
}

TEST_F(Replaced, ARemovalThatWasBegunIsNotInTheWay) {
  make("copies: 2", 2);
  fill(3);
  // On one of two stores: whether it was decided only the lost disk knows.
  const Bytes tombstone = encode_tombstone("snapshots/001", {});
  ASSERT_TRUE((*many_)[0].memory.put(tombstone_name("snapshots/001"), tombstone).has_value());
  ASSERT_TRUE(replace(1)->settled);
  backend_ = many_->open().value();
  EXPECT_EQ(code_of(backend_->get("snapshots/001", 100)), ErrorCode::kNotFound);
  std::erase(names_, "snapshots/001");
  expect_all(*backend_);
}

TEST_F(Replaced, WhoseValueCountsIsChosenWhenTheDiskIsLostForEver) {
  make("copies: 2", 3);
  fill(3);
  const std::string name = "generations/0000000007";
  SeededRng rng(5);
  for (const auto& [store, text] : {std::pair(0U, "one"), std::pair(2U, "two")}) {
    const ByteView piece = as_bytes(text);
    ASSERT_TRUE((*many_)[store]
                    .memory.put(name, make_copy(name, {&piece, 1}, new_nonce(rng)).pieces)
                    .has_value());
  }
  const auto refused = replace(1);
  EXPECT_EQ(code_of(refused), ErrorCode::kUnavailable);
  EXPECT_TRUE(refused.error().hint().contains("--lost-for-ever")) << refused.error().hint();
  const auto report = replace(1, {.old_disk = OldDisk::kLostForEver});
  ASSERT_TRUE(report.has_value()) << report.error().describe();
  backend_ = many_->open().value();
  EXPECT_EQ(as_text(backend_->get(name, 100).value()), "one");
  EXPECT_TRUE(repair_placement(*backend_, {})->settled);
  for (std::size_t i = 0; i < 3; ++i) {
    (*many_)[i].away = true;
    EXPECT_EQ(as_text(many_->open().value()->get(name, 100).value()), "one");
    (*many_)[i].away = false;
  }
}

}  // namespace
}  // namespace backstay::backend::placement
