#include "backend/placement/placement_backend.h"

#include <fmt/format.h>
#include <gtest/gtest.h>

#include <algorithm>

#include "backend/placement/testing/many_stores_fixture.h"
#include "backend/placement/upkeep.h"
#include "backend/testing/backend_contract.h"

namespace backstay::backend::placement {
namespace {

// ---- the contract of every backend

INSTANTIATE_TEST_SUITE_P(Placement, BackendContract,
                         ::testing::Values(contract_of("OneStore", "copies: 1", 1),
                                           contract_of("ThreeStores", "copies: 2", 3),
                                           contract_of("FiveStores", "copies: 3", 5)));

// ---- stores that are away, empty, full or damaged

TEST_F(ManyStoresTest, AnyStoreMayBeAwayWhateverIsDone) {
  for (std::size_t away = 0; away < 3; ++away) {
    names_.clear();
    make("copies: 2", 3);
    fill(10);
    (*many_)[away].away = true;
    expect_all(*backend_);
    auto other = many_->open();
    ASSERT_TRUE(other.has_value()) << other.error().describe();
    expect_all(**other);
    ASSERT_TRUE((*other)->put("data/77/new", as_bytes("data/77/new")).has_value());
    ASSERT_TRUE((*other)->put("leases/new", as_bytes("leases/new")).has_value());
    ASSERT_TRUE((*other)->barrier().has_value());
    EXPECT_EQ(code_of((*other)->put("leases/new", as_bytes("x"))), ErrorCode::kAlreadyExists);
    ASSERT_TRUE((*other)->remove(names_[0]).has_value());
    ASSERT_TRUE((*other)->remove(names_.back()).has_value());
    names_.erase(names_.begin());
    names_.back() = "leases/new";
    names_.push_back("data/77/new");
    std::ranges::sort(names_);
    expect_all(**other);
    // It comes back, and another is away: nothing of it has to be there.
    (*many_)[away].away = false;
    (*many_)[(away + 1) % 3].away = true;
    clock_.turn(10);
    expect_all(*many_->open().value());
  }
}

TEST_F(ManyStoresTest, AnyTwoOfFiveMayVanishWithThreeCopies) {
  make("copies: 3", 5);
  fill(30);
  for (std::size_t a = 0; a < 5; ++a) {
    for (std::size_t b = a + 1; b < 5; ++b) {
      (*many_)[a].away = true;
      (*many_)[b].away = true;
      expect_all(*many_->open().value());
      (*many_)[a].away = false;
      (*many_)[b].away = false;
    }
  }
}

TEST_F(ManyStoresTest, AListIsNeverShorterThanItShouldBe) {
  make("copies: 2", 3);
  fill(20);
  (*many_)[0].away = true;
  (*many_)[2].away = true;
  for (const std::string_view prefix : {"", "data/", "snapshots/", "data/07/"}) {
    const auto listed =
        backend_->list(prefix, [](const ObjectInfo&) -> Result<void> { return {}; });
    EXPECT_EQ(code_of(listed), ErrorCode::kUnavailable) << prefix;
  }
  EXPECT_EQ(code_of(backend_->head("data/07/none")), ErrorCode::kUnavailable);
  EXPECT_EQ(code_of(backend_->get("leases/none", 10)), ErrorCode::kUnavailable);
  EXPECT_EQ(code_of(backend_->put("leases/none", as_bytes("x"))), ErrorCode::kUnavailable);
}

TEST_F(ManyStoresTest, AFolderWithoutItsDiskIsAwayAndNotEmpty) {
  make("copies: 2", 3);
  fill(10);
  (*many_)[1].memory.set_objects({});
  EXPECT_EQ(list_of(*backend_), names_);
  (*many_)[0].away = true;
  const auto listed = backend_->list("", [](const ObjectInfo&) -> Result<void> { return {}; });
  EXPECT_EQ(code_of(listed), ErrorCode::kUnavailable);
  (*many_)[0].away = false;
  ASSERT_TRUE(backend_->put("leases/a", as_bytes("leases/a")).has_value());
  ASSERT_TRUE(backend_->put("data/aa/a", as_bytes("data/aa/a")).has_value());
  ASSERT_TRUE(backend_->put("data/ab/b", as_bytes("data/ab/b")).has_value());
  ASSERT_TRUE(backend_->put("data/ac/c", as_bytes("data/ac/c")).has_value());
  // The disk went away under what was put: that is on the two others after the barrier.
  ASSERT_TRUE(backend_->barrier().has_value());
  for (const std::string name : {"leases/a", "data/aa/a", "data/ab/b", "data/ac/c"}) {
    EXPECT_EQ(objects_on(0, name), 1U) << name;
    EXPECT_EQ(objects_on(2, name), 1U) << name;
  }
  auto other = many_->open();
  ASSERT_TRUE(other.has_value());
  ASSERT_TRUE((*other)->put("leases/b", as_bytes("leases/b")).has_value());
  ASSERT_TRUE((*other)->barrier().has_value()) << "who opens it later counts on the others only";
}

TEST_F(ManyStoresTest, WhatWasRemovedDoesNotComeBackWithAStore) {
  for (const std::string name : {"data/01/0001", "snapshots/001"}) {
    names_.clear();
    make("copies: 3", 3);
    fill(3);
    (*many_)[2].away = true;
    // All copies count here, so that nothing is removed with a store away.
    EXPECT_EQ(code_of(backend_->remove(name)), ErrorCode::kUnavailable);
    names_.clear();
    make("copies: 3\nquorum: 2", 3);
    fill(3);
    (*many_)[2].away = true;
    ASSERT_TRUE(backend_->remove(name).has_value());
    std::erase(names_, name);
    (*many_)[2].away = false;
    for (std::size_t away = 0; away < 3; ++away) {
      (*many_)[away].away = true;
      auto other = many_->open().value();
      EXPECT_EQ(code_of(other->head(name)), ErrorCode::kNotFound) << away;
      EXPECT_EQ(list_of(*other), names_);
      (*many_)[away].away = false;
    }
    clock_.turn(10);
    backend_ = many_->open().value();
    EXPECT_EQ(code_of(backend_->put(name, as_bytes(name))), ErrorCode::kUnavailable)
        << "not while somebody may still have the old one";
    const auto report = repair_placement(*backend_, {});
    ASSERT_TRUE(report.has_value());
    EXPECT_EQ(report->copies_removed, 1U);
    EXPECT_EQ(objects_on(2, name), 0U);
    ASSERT_TRUE(backend_->put(name, as_bytes(name)).has_value());
    names_.push_back(name);
    std::ranges::sort(names_);
    expect_all(*backend_);
  }
}

TEST_F(ManyStoresTest, TombstonesGoWhenNobodyNeedsThemAnyMore) {
  make("copies: 2", 3);
  fill(2);
  ASSERT_TRUE(backend_->remove("snapshots/000").has_value());
  EXPECT_EQ(objects_on(0, "removed/"), 1U);
  list_of(*backend_, "snapshots/");
  EXPECT_EQ(objects_on(0, "removed/"), 1U) << "a request may still be on its way";
  clock_.turn(101 * 24 * 3600);
  (*many_)[1].away = true;
  list_of(*backend_, "snapshots/");
  EXPECT_EQ(objects_on(0, "removed/"), 1U) << "the store that is away may have a copy";
  (*many_)[1].away = false;
  list_of(*backend_, "snapshots/");
  for (std::size_t i = 0; i < 3; ++i) EXPECT_EQ(objects_on(i, "removed/"), 0U);
}

TEST_F(ManyStoresTest, ADamagedCopyIsPassedByAndReplaced) {
  make("copies: 2", 3);
  fill(12);
  for (std::size_t store = 0; store < 3; ++store) {
    // Of each object at most one copy.
    MemoryBackend::Objects objects = (*many_)[store].memory.objects();
    for (auto& [name, bytes] : objects) {
      const bool mine = (name.starts_with("data/") || name.starts_with("snapshots/")) &&
                        std::hash<std::string>{}(name) % 3 == store;
      if (mine) bytes[bytes.size() / 2 + 20] ^= 1;
    }
    (*many_)[store].memory.set_objects(objects);
  }
  expect_all(*backend_);
  const auto report = repair_placement(*backend_, {.reading = Reading::kAllBytes});
  ASSERT_TRUE(report.has_value()) << report.error().describe();
  EXPECT_GT(report->copies_damaged, 10U);
  EXPECT_TRUE(report->lost.empty());
  EXPECT_TRUE(report->troubles.empty());
  const auto again = repair_placement(*backend_, {.reading = Reading::kAllBytes});
  EXPECT_EQ(again->copies_damaged, 0U);
  EXPECT_TRUE(again->settled);
  for (std::size_t away = 0; away < 3; ++away) {
    (*many_)[away].away = true;
    expect_all(*many_->open().value());
    (*many_)[away].away = false;
  }
}

TEST_F(ManyStoresTest, TheLastWholeCopyIsNeverRemoved) {
  make("copies: 2", 3);
  fill(5);
  for (std::size_t store = 0; store < 3; ++store) {
    MemoryBackend::Objects objects = (*many_)[store].memory.objects();
    for (auto& [name, bytes] : objects) {
      if (name.starts_with("data/") || name.starts_with("snapshots/")) bytes.back() ^= 1;
    }
    (*many_)[store].memory.set_objects(objects);
  }
  const std::size_t before = objects_on(0, "") + objects_on(1, "") + objects_on(2, "");
  const auto report = repair_placement(*backend_, {.reading = Reading::kAllBytes});
  ASSERT_TRUE(report.has_value());
  EXPECT_EQ(report->lost.size(), 10U);
  EXPECT_EQ(objects_on(0, "") + objects_on(1, "") + objects_on(2, ""), before);
  EXPECT_EQ(code_of(backend_->get("data/01/0001", 100)), ErrorCode::kCorruption);
}

TEST_F(ManyStoresTest, FullStoresStillLetGo) {
  make("copies: 2", 3);
  fill(3);
  for (std::size_t i = 0; i < 3; ++i) (*many_)[i].full = true;
  EXPECT_EQ(code_of(backend_->put("leases/a", as_bytes("x"))), ErrorCode::kNoSpace);
  EXPECT_EQ(code_of(backend_->put("data/aa/a", as_bytes("x"))), ErrorCode::kNoSpace);
  EXPECT_TRUE(backend_->remove("snapshots/001").has_value());
  EXPECT_TRUE(backend_->remove("data/01/0001").has_value());
  EXPECT_EQ(list_of(*backend_).size(), 4U);
}

TEST_F(ManyStoresTest, ARepairPutsBackWhatAStoreLost) {
  make("copies: 2", 3);
  fill(40);
  const MemoryBackend::Objects before = (*many_)[1].memory.objects();
  MemoryBackend::Objects few;
  for (const auto& [name, bytes] : before) {
    if (name.starts_with("placement/")) few[name] = bytes;
  }
  (*many_)[1].memory.set_objects(few);
  const auto status = placement_status(*backend_);
  ASSERT_TRUE(status.has_value());
  EXPECT_EQ(status->stores[1].missing, before.size() - few.size());
  const auto dry = repair_placement(*backend_, {.doing = Doing::kDryRun});
  EXPECT_EQ(dry->copies_put, before.size() - few.size());
  EXPECT_EQ((*many_)[1].memory.objects().size(), few.size());
  const auto report = repair_placement(*backend_, {});
  EXPECT_EQ(report->copies_put, before.size() - few.size());
  EXPECT_EQ(without_progress((*many_)[1].memory.objects()), without_progress(before))
      << "byte for byte";
  EXPECT_EQ(placement_status(*backend_)->incomplete, 0U);
}

TEST_F(ManyStoresTest, ABarrierSucceedsWithoutAStoreOnlyWhenOthersHaveAllOfIt) {
  for (std::size_t failing = 0; failing < 3; ++failing) {
    names_.clear();
    make("copies: 2", 3);
    fill(10);
    ASSERT_TRUE(backend_->put("leases/gone", as_bytes("x")).has_value());
    ASSERT_TRUE(backend_->barrier().has_value());
    const MemoryBackend::Objects durable = (*many_)[failing].memory.objects();
    for (int i = 10; i < 20; ++i) {
      for (const std::string& name : {bulk_name(i), fmt::format("snapshots/{:03}", i)}) {
        ASSERT_TRUE(backend_->put(name, as_bytes(name)).has_value());
        names_.push_back(name);
      }
    }
    ASSERT_TRUE(backend_->remove("leases/gone").has_value());
    std::ranges::sort(names_);
    // It fails its barrier, and a power cut takes what it was given.
    (*many_)[failing].before = [](std::string_view call, std::string_view) -> Result<void> {
      if (call == "barrier") return fail(ErrorCode::kUnavailable, "the disk does not sync");
      return {};
    };
    ASSERT_TRUE(backend_->barrier().has_value());
    (*many_)[failing].before = nullptr;
    (*many_)[failing].memory.set_objects(durable);
    for (std::size_t away = 0; away < 3; ++away) {
      if (away == failing) continue;
      expect_all(*many_->open().value());
      // What that store lost is gone there, and whole on the two others.
      (*many_)[failing].away = true;
      expect_all(*many_->open().value());
      (*many_)[failing].away = false;
    }
    (*many_)[(failing + 1) % 3].away = true;
    EXPECT_EQ(code_of(many_->open().value()->head("leases/gone")), ErrorCode::kNotFound);
  }
}

TEST_F(ManyStoresTest, ABarrierFailsWhenNobodyElseCanTakeIt) {
  make("copies: 2", 3);
  fill(2);
  ASSERT_TRUE(backend_->put("data/aa/a", as_bytes("x")).has_value());
  ASSERT_TRUE(backend_->put("leases/a", as_bytes("x")).has_value());
  (*many_)[0].away = true;
  (*many_)[1].away = true;
  EXPECT_EQ(code_of(backend_->barrier()), ErrorCode::kUnavailable);
  (*many_)[0].away = false;
  (*many_)[1].away = false;
  // What they had taken may be lost, though they show it: the run fails, and the next goes on.
  EXPECT_EQ(code_of(backend_->barrier()), ErrorCode::kUnavailable);
  backend_ = many_->open().value();
  EXPECT_TRUE(backend_->adopt("data/aa/a").has_value());
  EXPECT_TRUE(backend_->barrier().has_value());
}

TEST_F(ManyStoresTest, AnEmptyDiskTakesThePlaceOfOneThatWasLost) {
  for (const std::string layout : {"copies: 2", "copies: 3"}) {
    names_.clear();
    make(layout, 3);
    fill(30);
    MemoryBackend::Objects before = (*many_)[1].memory.objects();
    (*many_)[1].memory.set_objects({});
    // Cut three times.
    for (int cut = 0; cut < 3; ++cut) {
      int puts = 0;
      (*many_)[1].before = [&](std::string_view call, std::string_view) -> Result<void> {
        if (call == "put" && ++puts > 15) return fail(ErrorCode::kCancelled, "killed");
        return {};
      };
      const auto opened = many_->opener()("s1").value();
      EXPECT_EQ(code_of(refill_store(*backend_, "s1", *opened, {})), ErrorCode::kCancelled);
      EXPECT_EQ(list_of(*backend_), names_) << "it counts as away";
    }
    (*many_)[1].before = nullptr;
    const auto opened = many_->opener()("s1").value();
    const auto report = refill_store(*backend_, "s1", *opened, {});
    ASSERT_TRUE(report.has_value()) << report.error().describe();
    // But for the map that says that the disk is another, and what marks it.
    const auto of_the_placement = [](const auto& one) {
      return one.first.starts_with("placement/");
    };
    MemoryBackend::Objects after = (*many_)[1].memory.objects();
    EXPECT_EQ(std::erase_if(after, of_the_placement), 4U);
    std::erase_if(before, of_the_placement);
    EXPECT_TRUE(after == before);
    EXPECT_EQ(code_of(refill_store(*backend_, "s1", *opened, {})), ErrorCode::kAlreadyExists);
    clock_.turn(10);
    for (std::size_t away = 0; away < 3; ++away) {
      (*many_)[away].away = true;
      expect_all(*many_->open().value());
      (*many_)[away].away = false;
    }
  }
}

TEST_F(ManyStoresTest, ADiskWithSomethingElseOnItTakesNoPlace) {
  make("copies: 2", 3);
  (*many_)[1].memory.set_objects({{"config", Bytes{1}}});
  const auto opened = many_->opener()("s1").value();
  EXPECT_EQ(code_of(refill_store(*backend_, "s1", *opened, {})), ErrorCode::kAlreadyExists);
}

// A store that bears so many transfers at once.
class NarrowStore final : public ForwardingBackend {
 public:
  NarrowStore(std::unique_ptr<Backend> store, std::size_t transfers, std::atomic<int>& expected)
      : ForwardingBackend(std::move(store)), transfers_(transfers), expected_(expected) {}
  [[nodiscard]] Capabilities capabilities() const override {
    Capabilities can = inner_.capabilities();
    can.transfers_max = transfers_;
    return can;
  }
  void expect_transfers() override { ++expected_; }

 private:
  const std::size_t transfers_;
  std::atomic<int>& expected_;
};

TEST_F(ManyStoresTest, AsManyTransfersAtOnceAsTheNarrowestStoreBears) {
  make("copies: 2", 3);
  EXPECT_EQ(backend_->capabilities().transfers_max, 0U) << "memory has no limit";
  std::atomic<int> expected = 0;
  const StoreOpener open = [&](const std::string& name) -> Result<std::unique_ptr<Backend>> {
    const std::size_t transfers = name == "s0" ? 0 : name == "s1" ? 5 : 9;
    return std::make_unique<NarrowStore>(TRY(many_->opener()(name)), transfers, expected);
  };
  SeededRng rng(3);
  const auto narrow =
      PlacementBackend::open(many_->file(), open, "test.yaml", {clock_, rng}).value();
  EXPECT_EQ(narrow->capabilities().transfers_max, 5U);
  (*many_)[2].away = true;
  narrow->expect_transfers();
  EXPECT_EQ(expected, 3) << "of all that are open";
}

}  // namespace
}  // namespace backstay::backend::placement
