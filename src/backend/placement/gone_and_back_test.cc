// Stores that come back as something else than they were, and values of two who created one object
// at the same moment.
#include <gtest/gtest.h>

#include "backend/placement/giving_up.h"
#include "backend/placement/testing/many_stores_fixture.h"
#include "backend/placement/upkeep.h"

namespace backstay::backend::placement {
namespace {

class GoneAndBack : public ChangingStores {
 protected:
  // "generations/7" as somebody else would put it, on that store alone.
  void put_a_losing_copy(std::size_t on) {
    const std::string name = "generations/7";
    const std::string text = "of the other";
    const ByteView piece = as_bytes(text);
    SeededRng rng(5);
    const Copy copy = make_copy(name, {&piece, 1}, new_nonce(rng));
    ASSERT_TRUE((*many_)[on].memory.put(name, copy.pieces).has_value());
  }
  std::string value_of(std::size_t store, std::string_view name) {
    const auto& objects = (*many_)[store].memory.objects();
    const auto found = objects.find(std::string(name));
    if (found == objects.end()) return "nothing";
    const auto opened = open_copy(name, found->second);
    return opened ? std::string(as_text(opened->bytes)) : "damaged";
  }
};

// ---- disks that were replaced

TEST_F(GoneAndBack, ADiskThatWasReplacedIsNotTheStoreAnyMore) {
  for (const std::string layout : {"copies: 2", "copies: 3"}) {
    names_.clear();
    make(layout, 3);
    fill(10);
    const MemoryBackend::Objects old_disk = (*many_)[1].memory.objects();
    (*many_)[1].memory.set_objects({});
    const auto opened = many_->opener()("s1").value();
    const auto report = refill_store(*backend_, "s1", *opened, {});
    ASSERT_TRUE(report.has_value()) << report.error().describe();
    backend_ = many_->open().value();
    ASSERT_TRUE(backend_->remove("snapshots/003").has_value());
    std::erase(names_, "snapshots/003");
    expect_all(*backend_);
    // The old disk is back, with what was removed since and without all tombstones.
    const MemoryBackend::Objects new_disk = (*many_)[1].memory.objects();
    (*many_)[1].memory.set_objects(old_disk);
    const auto status = placement_status(*many_->open().value());
    EXPECT_TRUE(status->stores[1].trouble.contains("before it was replaced"))
        << status->stores[1].trouble;
    (*many_)[0].away = true;
    auto client = many_->open();
    if (client) {
      const auto listed = list_of(**client, "snapshots/");
      EXPECT_TRUE(listed.size() == 1 || std::ranges::find(listed, "snapshots/003") == listed.end());
      EXPECT_NE(code_of((*client)->head("snapshots/003")), ErrorCode::kInternal) << "it is gone";
    }
    (*many_)[0].away = false;
    EXPECT_EQ(code_of(refill_store(*backend_, "s1", *opened, {})), ErrorCode::kAlreadyExists);
    (*many_)[1].memory.set_objects(new_disk);
    clock_.turn(10);
    backend_ = many_->open().value();
    expect_all(*backend_);
    EXPECT_EQ(placement_status(*backend_)->incomplete, 0U);
  }
}

TEST_F(GoneAndBack, AReplacementThatWasCutIsGoneOnWithOrBegunAnew) {
  for (int cut = 1; cut < 60; cut += 3) {
    names_.clear();
    make("copies: 2", 2);
    fill(6);
    (*many_)[1].memory.set_objects({});
    std::atomic<int> changes = 0;
    for (std::size_t i = 0; i < 2; ++i) {
      (*many_)[i].before = [&](std::string_view call, std::string_view) -> Result<void> {
        if ((call == "put" || call == "remove") && ++changes >= cut)
          return fail(ErrorCode::kCancelled, "killed");
        return {};
      };
    }
    const auto opened = many_->opener()("s1").value();
    static_cast<void>(refill_store(*backend_, "s1", *opened, {}).has_value());
    for (std::size_t i = 0; i < 2; ++i) (*many_)[i].before = nullptr;
    backend_ = many_->open().value();
    // Every other time it is another disk again.
    if (cut % 2 == 0) (*many_)[1].memory.set_objects({});
    if ((*many_)[1].memory.objects().contains("placement/store")) continue;
    const auto report = refill_store(*backend_, "s1", *opened, {});
    ASSERT_TRUE(report.has_value()) << cut << ": " << report.error().describe();
    backend_ = many_->open().value();
    expect_all(*backend_);
    (*many_)[0].away = true;
    expect_all(*many_->open().value());
    (*many_)[0].away = false;
  }
}

// ---- more are lost than may be

TEST_F(GoneAndBack, WhatIsLeftGoesOnWhenTheRestIsGivenUp) {
  make("copies: 3", 5);
  fill(20);
  // Three of five are lost: by the map no answer can be given.
  for (const std::size_t i : {0U, 2U, 3U}) (*many_)[i].memory.set_objects({});
  auto client = many_->open();
  EXPECT_TRUE(!client ||
              code_of((*client)->put("leases/x", as_bytes("x"))) == ErrorCode::kUnavailable);
  SeededRng rng(4);
  const PlacementWorld world{clock_, rng};
  const StoreOpener opener = many_->opener();
  const auto refused = plan_giving_up(many_->file(), opener, {"s0", "s1", "s2", "s3"}, world);
  EXPECT_EQ(code_of(refused), ErrorCode::kInvalidArgument) << "s1 is there";
  (*many_)[4].away = true;
  EXPECT_EQ(code_of(plan_giving_up(many_->file(), opener, {"s0", "s2", "s3"}, world)),
            ErrorCode::kUnavailable);
  (*many_)[4].away = false;
  const auto planned = plan_giving_up(many_->file(), opener, {"s0", "s2", "s3"}, world);
  ASSERT_TRUE(planned.has_value()) << planned.error().describe();
  ASSERT_TRUE(give_up(many_->file(), opener, *planned, world).has_value());
  clock_.turn(10);
  backend_ = many_->open().value();
  EXPECT_EQ(backend_->view()->map().stores.size(), 2U);
  EXPECT_EQ(list_of(*backend_, "snapshots/").size(), 20U);
  for (int i = 0; i < 20; ++i)
    EXPECT_TRUE(backend_->get(fmt::format("snapshots/{:03}", i), 100).has_value());
  const auto report = repair_placement(*backend_, {});
  ASSERT_TRUE(report.has_value()) << report.error().describe();
  EXPECT_EQ(placement_status(*backend_)->incomplete, 0U);
  ASSERT_TRUE(backend_->put("leases/x", as_bytes("x")).has_value());
  // What was lost is none of it, should it come back; and others join.
  add(5);
  EXPECT_TRUE(rebalance_placement(*backend_, {})->settled);
  EXPECT_FALSE(backend_->view()->map().given_up);
}

TEST_F(GoneAndBack, NothingIsGivenUpWhileEnoughStoresAreLeft) {
  make("copies: 2", 4);
  fill(3);
  (*many_)[2].memory.set_objects({});
  SeededRng rng(4);
  const StoreOpener opener = many_->opener();
  EXPECT_EQ(code_of(plan_giving_up(many_->file(), opener, {"s2"}, {clock_, rng})),
            ErrorCode::kInvalidArgument);
}

// ---- two who create one object

TEST_F(GoneAndBack, WhatLostDoesNotBuryWhatWonWhenAStoreLeaves) {
  for (const std::size_t leaves : {0U, 1U, 2U}) {
    names_.clear();
    make("copies: 2", 3);
    fill(3);
    (*many_)[2].away = true;
    ASSERT_TRUE(backend_->put("generations/7", as_bytes("of the one")).has_value());
    ASSERT_TRUE(backend_->barrier().has_value());
    (*many_)[2].away = false;
    put_a_losing_copy(2);
    backend_ = many_->open().value();
    take_out(leaves);
    const auto report = rebalance_placement(*backend_, {});
    ASSERT_TRUE(report.has_value()) << report.error().describe();
    EXPECT_TRUE(report->settled);
    const auto bytes = many_->open().value()->get("generations/7", 100);
    ASSERT_TRUE(bytes.has_value()) << bytes.error().describe();
    EXPECT_EQ(as_text(*bytes), "of the one");
    for (std::size_t i = 0; i < 3; ++i)
      EXPECT_EQ(value_of(i, "generations/7"), i == leaves ? "nothing" : "of the one");
  }
}

TEST_F(GoneAndBack, WhatLostGivesWayWhenStoresJoin) {
  make("copies: 2", 3);
  fill(3);
  (*many_)[0].away = true;
  ASSERT_TRUE(backend_->put("generations/7", as_bytes("of the one")).has_value());
  (*many_)[0].away = false;
  put_a_losing_copy(0);
  backend_ = many_->open().value();
  add(3);
  ASSERT_TRUE(rebalance_placement(*backend_, {})->settled);
  for (std::size_t i = 0; i < 4; ++i) EXPECT_EQ(value_of(i, "generations/7"), "of the one");
}

TEST_F(GoneAndBack, ARepairReplacesWhatLostAlthoughItLooksTheSameInAList) {
  make("copies: 2", 3);
  (*many_)[0].away = true;
  ASSERT_TRUE(backend_->put("generations/7", as_bytes("of that one.")).has_value());
  (*many_)[0].away = false;
  put_a_losing_copy(0);
  backend_ = many_->open().value();
  ASSERT_TRUE(repair_placement(*backend_, {}).has_value());
  EXPECT_EQ(value_of(0, "generations/7"), "of that one.");
  EXPECT_TRUE(repair_placement(*backend_, {})->settled);
}

TEST_F(GoneAndBack, OnlyOneStoreJoinsOrLeavesAtATime) {
  make("copies: 2", 4);
  const auto two = change_map(*backend_, [](Map& map) -> Result<void> {
    map.stores[0].membership = Membership::kLeaving;
    map.stores[1].membership = Membership::kLeaving;
    return {};
  });
  EXPECT_EQ(code_of(two), ErrorCode::kInvalidArgument);
}

// ---- a client that stood still

TEST_F(GoneAndBack, ARemovalThatStoodStillTakesNothingThatWasStoredAnew) {
  make("copies: 1", 1);
  ASSERT_TRUE(backend_->put("damaged/1", as_bytes("first")).has_value());
  auto other = many_->open().value();
  // After the tombstone was put, before the copy goes.
  bool entombed = false;
  bool slept = false;
  (*many_)[0].before = [&](std::string_view call, std::string_view name) -> Result<void> {
    if (call == "put" && name.starts_with("removed/")) entombed = true;
    if (slept || !entombed || call == "put") return {};
    slept = true;
    EXPECT_TRUE(other->remove("damaged/1").has_value());
    EXPECT_TRUE(other->put("damaged/1", as_bytes("anew")).has_value());
    return {};
  };
  ASSERT_TRUE(backend_->remove("damaged/1").has_value());
  (*many_)[0].before = nullptr;
  ASSERT_TRUE(slept);
  const auto bytes = many_->open().value()->get("damaged/1", 100);
  ASSERT_TRUE(bytes.has_value()) << bytes.error().describe();
  EXPECT_EQ(as_text(*bytes), "anew");
}

TEST_F(GoneAndBack, ARebalanceThatStoodStillTakesNothingThatBelongsThereAgain) {
  make("copies: 2", 3);
  fill(40);
  add(3);
  bool slept = false;
  (*many_)[0].before = [&](std::string_view call, std::string_view name) -> Result<void> {
    if (slept || call != "remove" || !name.starts_with("data/")) return {};
    slept = true;
    // Meanwhile others finish, and take the store out again.
    EXPECT_TRUE(rebalance_placement(*many_->open().value(), {})->settled);
    auto other = many_->open().value();
    std::swap(other, backend_);
    take_out(3);
    std::swap(other, backend_);
    EXPECT_TRUE(rebalance_placement(*other, {})->settled);
    clock_.turn(3'600);
    return {};
  };
  static_cast<void>(rebalance_placement(*backend_, {}).has_value());
  (*many_)[0].before = nullptr;
  ASSERT_TRUE(slept);
  EXPECT_EQ(placement_status(*many_->open().value())->incomplete, 0U);
  expect_all(*many_->open().value());
}

TEST_F(GoneAndBack, ATombstoneThatWasForgottenDoesNotHideWhatWasStoredAnew) {
  make("copies: 2", 4);
  ASSERT_TRUE(backend_->put("damaged/1", as_bytes("first")).has_value());
  ASSERT_TRUE(backend_->remove("damaged/1").has_value());
  // Who stores it anew takes the tombstones away, and is killed before the last.
  int removed = 0;
  for (std::size_t i = 0; i < 4; ++i) {
    (*many_)[i].before = [&](std::string_view call, std::string_view) -> Result<void> {
      if (call != "remove" || ++removed < 4) return {};
      return fail(ErrorCode::kCancelled, "killed");
    };
  }
  EXPECT_FALSE(backend_->put("damaged/1", as_bytes("second")).has_value());
  for (std::size_t i = 0; i < 4; ++i) (*many_)[i].before = nullptr;
  EXPECT_EQ(objects_on(3, "removed/"), 1U);
  (*many_)[3].away = true;
  backend_ = many_->open().value();
  ASSERT_TRUE(backend_->put("damaged/1", as_bytes("third")).has_value());
  (*many_)[3].away = false;
  for (int again = 0; again < 2; ++again) {
    auto reader = many_->open().value();
    const auto bytes = reader->get("damaged/1", 100);
    ASSERT_TRUE(bytes.has_value()) << bytes.error().describe();
    EXPECT_EQ(as_text(*bytes), "third");
    EXPECT_EQ(reader->head("damaged/1")->size_bytes, 5U);
  }
  ASSERT_TRUE(many_->open().value()->remove("damaged/1").has_value());
  for (std::size_t away = 0; away < 4; ++away) {
    (*many_)[away].away = true;
    EXPECT_EQ(code_of(many_->open().value()->get("damaged/1", 100)), ErrorCode::kNotFound);
    (*many_)[away].away = false;
  }
}

// ---- stores that do not keep what they took

TEST_F(GoneAndBack, AStoreWhoseBarrierFailedIsNotTrustedAtTheNext) {
  make("copies: 2", 3);
  fill(3);
  bool failed = false;
  (*many_)[0].before = [&](std::string_view call, std::string_view) -> Result<void> {
    if (call != "barrier" || failed) return {};
    failed = true;
    return fail(ErrorCode::kUnavailable, "the disk does not sync");
  };
  for (int i = 0; i < 12; ++i)
    ASSERT_TRUE(backend_->put(bulk_name(100 + i), as_bytes("first")).has_value());
  ASSERT_TRUE(backend_->barrier().has_value()) << "the others have it";
  ASSERT_TRUE(failed);
  // What the store shows of these is perhaps not on its disk: it must not count as one of two.
  for (int i = 0; i < 12; ++i) {
    unsigned copies = 0;
    for (const std::size_t store : {1U, 2U})
      copies += (*many_)[store].memory.objects().contains(bulk_name(100 + i)) ? 1U : 0U;
    EXPECT_EQ(copies, 2U);
  }
  ASSERT_TRUE(backend_->put("data/aa/later", as_bytes("later")).has_value());
  ASSERT_TRUE(backend_->barrier().has_value());
  EXPECT_FALSE((*many_)[0].memory.objects().contains("data/aa/later"));
  backend_ = many_->open().value();
  EXPECT_TRUE(backend_->get("data/aa/later", 100).has_value());
}

TEST_F(GoneAndBack, WhatWasPutBesideADiskThatWasAwayForAMomentDoesNotCount) {
  make("copies: 2", 3);
  fill(3);
  const MemoryBackend::Objects before = (*many_)[1].memory.objects();
  for (int i = 0; i < 6; ++i)
    ASSERT_TRUE(backend_->put(bulk_name(100 + i), as_bytes("x")).has_value());
  // The disk is back, and all that was put lies in the folder below it.
  (*many_)[1].memory.set_objects(before);
  ASSERT_TRUE(backend_->barrier().has_value());
  for (int i = 0; i < 6; ++i) {
    for (const std::size_t store : {0U, 2U})
      EXPECT_TRUE((*many_)[store].memory.objects().contains(bulk_name(100 + i)));
  }
}

TEST_F(GoneAndBack, WhatWasRemovedInTheSameBreathIsNotMissed) {
  make("copies: 2", 3);
  ASSERT_TRUE(backend_->put("leases/a", as_bytes("x")).has_value());
  ASSERT_TRUE(backend_->put("data/aa/a", as_bytes("x")).has_value());
  ASSERT_TRUE(backend_->remove("leases/a").has_value());
  ASSERT_TRUE(many_->open().value()->remove("data/aa/a").has_value());
  ASSERT_TRUE(backend_->remove("data/aa/a").has_value());
  ASSERT_TRUE(backend_->put("damaged/b", as_bytes("x")).has_value());
  ASSERT_TRUE(many_->open().value()->remove("damaged/b").has_value());
  ASSERT_TRUE(backend_->barrier().has_value());
  (*many_)[0].away = true;
  EXPECT_TRUE(backend_->put("leases/c", as_bytes("x")).has_value()) << "no store is mistrusted";
}

TEST_F(GoneAndBack, AnEmptyMountPointIsNoStoreFromTheFirstMoment) {
  make("copies: 2", 3);
  (*many_)[2].away = true;
  ASSERT_TRUE(backend_->put("config", as_bytes("x")).has_value());
  ASSERT_TRUE(backend_->put("data/aa/a", as_bytes("x")).has_value());
  ASSERT_TRUE(backend_->barrier().has_value());
  (*many_)[2].away = false;
  backend_ = many_->open().value();
  EXPECT_EQ(code_of(backend_->get("nothing", 100)), ErrorCode::kNotFound);
  // In the same second the disk of one of the two goes, and the other is away.
  (*many_)[0].memory.set_objects({});
  (*many_)[1].away = true;
  EXPECT_EQ(code_of(backend_->get("config", 100)), ErrorCode::kUnavailable);
  EXPECT_EQ(code_of(backend_->get("data/aa/a", 100)), ErrorCode::kUnavailable);
  EXPECT_EQ(code_of(backend_->remove("config")), ErrorCode::kUnavailable);
}

}  // namespace
}  // namespace backstay::backend::placement
