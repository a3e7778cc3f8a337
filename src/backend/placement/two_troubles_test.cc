// Two troubles at once: a store that is away, or fails, while another one is lost, filled or
// damaged.
#include <gtest/gtest.h>

#include "backend/placement/testing/many_stores_fixture.h"
#include "backend/placement/upkeep.h"

namespace backstay::backend::placement {
namespace {

using TwoTroubles = ChangingStores;

Result<void> no_sync(std::string_view call, std::string_view /*name*/) {
  if (call == "barrier") return fail(ErrorCode::kUnavailable, "the disk does not sync");
  return {};
}

// ---- a disk is replaced

TEST_F(TwoTroubles, AStoreIsNotFilledWhileAnotherIsAway) {
  make("copies: 2", 4);
  fill(30);
  (*many_)[1].memory.set_objects({});
  (*many_)[2].away = true;
  const auto opened = many_->opener()("s1").value();
  const auto refused = refill_store(*backend_, "s1", *opened, {});
  EXPECT_EQ(code_of(refused), ErrorCode::kUnavailable);
  EXPECT_TRUE(refused.error().hint().contains("all others are there"));
  EXPECT_TRUE((*many_)[1].memory.objects().empty()) << "it is no store yet";
  (*many_)[2].away = false;
  ASSERT_TRUE(refill_store(*backend_, "s1", *opened, {})->settled);
  backend_ = many_->open().value();
  // Whichever is lost next, everything is on two.
  EXPECT_EQ(placement_status(*backend_)->incomplete, 0U);
}

TEST_F(TwoTroubles, AStoreIsNoneWhenAnotherWentAwayWhileItWasFilled) {
  make("copies: 2", 3);
  fill(30);
  (*many_)[1].memory.set_objects({});
  int puts = 0;
  (*many_)[1].before = [&](std::string_view call, std::string_view) -> Result<void> {
    if (call == "put" && ++puts == 20) (*many_)[2].away = true;
    return {};
  };
  const auto opened = many_->opener()("s1").value();
  EXPECT_EQ(code_of(refill_store(*backend_, "s1", *opened, {})), ErrorCode::kUnavailable);
  EXPECT_FALSE((*many_)[1].memory.objects().contains("placement/store"));
  (*many_)[2].away = false;
  const auto report = refill_store(*backend_, "s1", *opened, {});
  ASSERT_TRUE(report.has_value()) << report.error().describe();
  EXPECT_TRUE(report->lost.empty());
  backend_ = many_->open().value();
  EXPECT_EQ(placement_status(*backend_)->incomplete, 0U);
}

TEST_F(TwoTroubles, WhoseValueCountsIsNotGuessedWhenAStoreIsReplaced) {
  make("copies: 2", 3);
  fill(3);
  // Two creators at once were cut, each on one store; the third store, which decided, is lost.
  ASSERT_TRUE(backend_->put("generations/0000000007", as_bytes("of the one")).has_value());
  const Bytes one = (*many_)[0].memory.objects().at("generations/0000000007");
  ASSERT_TRUE(backend_->remove("generations/0000000007").has_value());
  for (std::size_t i = 0; i < 3; ++i) {
    MemoryBackend::Objects objects = (*many_)[i].memory.objects();
    std::erase_if(objects, [](const auto& entry) { return entry.first.starts_with("removed/"); });
    (*many_)[i].memory.set_objects(objects);
  }
  ASSERT_TRUE(backend_->put("generations/0000000007", as_bytes("of the other")).has_value());
  MemoryBackend::Objects objects = (*many_)[0].memory.objects();
  objects["generations/0000000007"] = one;
  (*many_)[0].memory.set_objects(objects);
  (*many_)[1].memory.set_objects({});
  backend_ = many_->open().value();
  const auto opened = many_->opener()("s1").value();
  EXPECT_EQ(code_of(refill_store(*backend_, "s1", *opened, {})), ErrorCode::kUnavailable);
  EXPECT_FALSE((*many_)[1].memory.objects().contains("placement/store"));
}

TEST_F(TwoTroubles, TwoLostDisksAreReplacedAfterOneWasTakenOut) {
  make("copies: 3", 5);
  fill(30);
  const auto lose = [&](std::size_t i) { (*many_)[i].memory.set_objects({}); };
  lose(1);
  lose(2);
  backend_ = many_->open().value();
  take_out(1);
  EXPECT_FALSE(rebalance_placement(*backend_, {})->settled) << "an owner is away";
  const auto opened = many_->opener()("s2").value();
  const auto report = refill_store(*backend_, "s2", *opened, {});
  ASSERT_TRUE(report.has_value()) << report.error().describe();
  backend_ = many_->open().value();
  EXPECT_TRUE(rebalance_placement(*backend_, {})->settled);
  expect_all(*backend_);
  EXPECT_EQ(placement_status(*backend_)->incomplete, 0U);
}

// ---- damage that is repaired

TEST_F(TwoTroubles, ADamagedCopyStaysWhileTheOthersCannotBeRead) {
  for (const std::string name : {"data/01/0001", "snapshots/001"}) {
    names_.clear();
    make("copies: 3", 3);
    fill(3);
    MemoryBackend::Objects objects = (*many_)[0].memory.objects();
    objects.at(name).back() ^= 1;
    (*many_)[0].memory.set_objects(objects);
    for (const std::size_t i : {1U, 2U}) {
      (*many_)[i].before = [&](std::string_view call, std::string_view asked) -> Result<void> {
        if (call == "get" && asked == name) return fail(ErrorCode::kUnavailable, "a bad cable");
        return {};
      };
    }
    const auto report = repair_placement(*backend_, {.reading = Reading::kAllBytes});
    ASSERT_TRUE(report.has_value()) << report.error().describe();
    EXPECT_FALSE(report->settled);
    EXPECT_FALSE(report->troubles.empty());
    EXPECT_TRUE(report->lost.empty());
    EXPECT_EQ((*many_)[0].memory.objects(), objects) << "nothing was taken away";
    for (const std::size_t i : {1U, 2U}) (*many_)[i].before = nullptr;
    EXPECT_EQ(repair_placement(*backend_, {.reading = Reading::kAllBytes})->copies_damaged, 1U);
    EXPECT_TRUE(repair_placement(*backend_, {.reading = Reading::kAllBytes})->settled);
  }
}

TEST_F(TwoTroubles, DamageIsNotClaimedWhileAStoreThatMayHaveAWholeCopyIsAway) {
  make("copies: 2", 3);
  fill(1);
  for (const std::string name : {"data/00/0000", "snapshots/000"}) {
    std::vector<std::size_t> holders;
    for (std::size_t i = 0; i < 3; ++i) {
      if ((*many_)[i].memory.objects().contains(name)) holders.push_back(i);
    }
    // All but the last are damaged, and that one is away.
    for (std::size_t i = 0; i + 1 < holders.size(); ++i) {
      MemoryBackend::Objects objects = (*many_)[holders[i]].memory.objects();
      objects.at(name).at(3) ^= 1;
      (*many_)[holders[i]].memory.set_objects(objects);
    }
    (*many_)[holders.back()].away = true;
    EXPECT_EQ(code_of(backend_->get(name, 100)), ErrorCode::kUnavailable) << name;
    (*many_)[holders.back()].away = false;
  }
}

TEST_F(TwoTroubles, ANameThatIsLostKeepsNoOtherFromBeingRepaired) {
  make("copies: 2", 3);
  fill(3);
  for (std::size_t i = 0; i < 3; ++i) {
    MemoryBackend::Objects objects = (*many_)[i].memory.objects();
    objects.at("snapshots/000").at(3) ^= 1;
    if (i == 1)
      std::erase_if(objects,
                    [](const auto& entry) { return entry.first.starts_with("snapshots/"); });
    (*many_)[i].memory.set_objects(objects);
  }
  const auto report = repair_placement(*backend_, {});
  ASSERT_TRUE(report.has_value()) << report.error().describe();
  EXPECT_EQ(report->lost, std::vector<std::string>{"snapshots/000"});
  EXPECT_TRUE((*many_)[1].memory.objects().contains("snapshots/002"));
}

// ---- stores that do not make durable what they took

TEST_F(TwoTroubles, WhatMovedLeavesItsOldPlaceOnlyWhenTheNewOneKeepsIt) {
  make("copies: 2", 3);
  fill(60);
  add(3);
  const MemoryBackend::Objects empty = (*many_)[3].memory.objects();
  (*many_)[3].before = no_sync;
  const auto report = rebalance_placement(*backend_, {});
  ASSERT_TRUE(report.has_value()) << report.error().describe();
  EXPECT_FALSE(report->settled);
  EXPECT_FALSE(report->troubles.empty());
  // A power cut there takes what was never durable.
  (*many_)[3].memory.set_objects(empty);
  (*many_)[3].before = nullptr;
  for (std::size_t away = 0; away < 3; ++away) {
    (*many_)[away].away = true;
    expect_all(*many_->open().value());
    (*many_)[away].away = false;
  }
  backend_ = many_->open().value();
  EXPECT_TRUE(rebalance_placement(*backend_, {})->settled);
  EXPECT_EQ(placement_status(*backend_)->incomplete, 0U);
}

TEST_F(TwoTroubles, ABarrierCoversWhatWasStillUnderWayWhenAnotherThreadAskedForOne) {
  make("copies: 2", 3);
  fill(3);
  // All that is put on the first store is followed by somebody else's barrier, in the middle.
  bool inside = false;
  (*many_)[0].after = [&](std::string_view call, std::string_view name) {
    if (call != "put" || inside || !name.starts_with("snapshots/")) return;
    inside = true;
    EXPECT_TRUE(backend_->barrier().has_value());
    inside = false;
  };
  ASSERT_TRUE(backend_->put("snapshots/new", as_bytes("snapshots/new")).has_value());
  (*many_)[0].after = nullptr;
  (*many_)[0].before = no_sync;
  (*many_)[1].away = true;
  // Without these two it would be on one.
  EXPECT_EQ(code_of(backend_->barrier()), ErrorCode::kUnavailable);
}

TEST_F(TwoTroubles, ABarrierFailsWhenTheOnlyStoreOfAnObjectIsAway) {
  make("copies: 1", 3);
  fill(3);
  ASSERT_TRUE(backend_->put("data/aa/new", as_bytes("x")).has_value());
  for (std::size_t i = 0; i < 3; ++i)
    (*many_)[i].away = (*many_)[i].memory.objects().contains("data/aa/new");
  EXPECT_EQ(code_of(backend_->barrier()), ErrorCode::kUnavailable);
  for (std::size_t i = 0; i < 3; ++i) (*many_)[i].away = false;
  // What it had taken may be lost, though it shows it.
  EXPECT_EQ(code_of(backend_->barrier()), ErrorCode::kUnavailable);
}

// ---- folders whose disk is not mounted

TEST_F(TwoTroubles, AnInitMakesNoStoreOfAFolderWithoutItsDisk) {
  make("copies: 2", 3);
  fill(10);
  (*many_)[1].memory.set_objects({});
  backend_ = many_->create();
  EXPECT_TRUE((*many_)[1].memory.objects().empty());
  expect_all(*backend_);
}

TEST_F(TwoTroubles, AnInitThatWasCutIsGoneOnWith) {
  for (std::size_t marked = 0; marked < 3; ++marked) {
    names_.clear();
    make("copies: 2", 3);
    for (std::size_t i = marked; i < 3; ++i) (*many_)[i].memory.set_objects({});
    backend_ = many_->create();
    fill(3);
    expect_all(*backend_);
    for (std::size_t i = 0; i < 3; ++i) EXPECT_GT(objects_on(i, "snapshots/"), 0U);
  }
}

TEST_F(TwoTroubles, WhatTookThePlaceOfAStoreThatLeavesIsNotEmptied) {
  make("copies: 2", 4);
  fill(20);
  take_out(1);
  const MemoryBackend::Objects foreign{{"holiday.jpg", Bytes{1, 2, 3}}};
  // Another disk is mounted there once the map is settled without it.
  (*many_)[1].before = [&](std::string_view call, std::string_view name) -> Result<void> {
    const bool settled = (*many_)[0].memory.objects().contains("placement/map-0000000003");
    if (settled && call == "get" && name.starts_with("placement/"))
      (*many_)[1].memory.set_objects(foreign);
    return {};
  };
  static_cast<void>(rebalance_placement(*backend_, {}).has_value());
  EXPECT_TRUE((*many_)[1].memory.objects().contains("holiday.jpg"));
}

}  // namespace
}  // namespace backstay::backend::placement
