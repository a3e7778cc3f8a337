// Maps that change: stores that join, leave, are lost.
#include <gtest/gtest.h>

#include <algorithm>

#include "backend/placement.h"
#include "backend/placement/testing/many_stores_fixture.h"
#include "backend/placement/upkeep.h"

namespace backstay::backend::placement {
namespace {

TEST_F(ChangingStores, AStoreThatComesGetsItsShareAndNothingElseMoves) {
  make("copies: 2", 3);
  fill(400);
  add(3);
  expect_all(*backend_);
  EXPECT_EQ(objects_on(3, "data/"), 0U);
  const auto report = rebalance_placement(*backend_, {});
  ASSERT_TRUE(report.has_value()) << report.error().describe();
  EXPECT_TRUE(report->settled);
  EXPECT_TRUE(report->troubles.empty());
  expect_all(*backend_);
  // A quarter of 800 copies, and no copy moves between the others.
  const std::size_t moved = objects_on(3, "data/");
  EXPECT_GT(moved, 150U);
  EXPECT_LT(moved, 250U);
  EXPECT_EQ(objects_on(0, "data/") + objects_on(1, "data/") + objects_on(2, "data/") + moved, 800U);
  EXPECT_EQ(objects_on(3, "snapshots/"), 400U);
  const auto status = placement_status(*backend_);
  EXPECT_EQ(status->map.version, 3U);
  EXPECT_EQ(status->incomplete, 0U);
  for (const StoreStatus& store : status->stores) EXPECT_EQ(store.misplaced, 0U);
}

TEST_F(ChangingStores, AStoreIsEmptiedAndTakenOut) {
  make("copies: 2", 4);
  fill(60);
  take_out(1);
  expect_all(*backend_);
  ASSERT_TRUE(rebalance_placement(*backend_, {})->settled);
  EXPECT_EQ((*many_)[1].memory.objects().size(), 0U) << "nothing is left on it";
  EXPECT_EQ(backend_->view()->map().stores.size(), 3U);
  expect_all(*backend_);
  (*many_)[1].away = true;
  for (const std::size_t away : {0U, 2U, 3U}) {
    (*many_)[away].away = true;
    expect_all(*many_->open().value());
    (*many_)[away].away = false;
  }
}

// Where one store more may be lost than the map before can do without.
TEST_F(ChangingStores, WhatIsLeftNeedsNoneOfTheStoresThatLeft) {
  make("copies: 3", 5);
  fill(20);
  take_out(0);
  // Who settles the map is killed before anybody else is told so, and the next one goes on.
  for (std::size_t i = 0; i < 5; ++i) {
    (*many_)[i].before = [](std::string_view call, std::string_view name) -> Result<void> {
      if (call == "put" && name == decided_name(3)) return fail(ErrorCode::kUnavailable, "killed");
      return {};
    };
  }
  EXPECT_EQ(code_of(rebalance_placement(*backend_, {})), ErrorCode::kUnavailable);
  EXPECT_GT((*many_)[0].memory.objects().size(), 0U) << "it may still be needed";
  for (std::size_t i = 0; i < 5; ++i) (*many_)[i].before = nullptr;
  clock_.turn(10);
  backend_ = many_->open().value();
  ASSERT_TRUE(rebalance_placement(*backend_, {})->settled);
  (*many_)[0].memory.set_objects({});
  for (std::size_t one = 1; one < 5; ++one) {
    for (std::size_t two = one + 1; two < 5; ++two) {
      (*many_)[one].away = (*many_)[two].away = true;
      const auto opened = many_->open();
      ASSERT_TRUE(opened.has_value()) << opened.error().describe();
      expect_all(**opened);
      (*many_)[one].away = (*many_)[two].away = false;
    }
  }
}

// And a client that has the map of before is told, too.
TEST_F(ChangingStores, WhoHasTheMapOfBeforeIsToldByThoseThatAreLeft) {
  make("copies: 3", 5);
  fill(5);
  take_out(0);
  const auto old = many_->open().value();
  ASSERT_TRUE(rebalance_placement(*backend_, {})->settled);
  (*many_)[1].away = (*many_)[2].away = true;
  expect_all(*old);
  EXPECT_EQ(old->view()->map().version, 3U);
}

// What was put under the map of before is found again under the next one.
TEST_F(ChangingStores, WhatTooFewStoresHaveIsNotCalledStoredUnderTheNextMap) {
  make("copies: 2", 2);
  fill(3);
  const auto old = many_->open().value();
  ASSERT_TRUE(change_map(*backend_, [](Map&) -> Result<void> { return {}; }).has_value());
  ASSERT_TRUE(rebalance_placement(*backend_, {})->settled);
  (*many_)[1].away = true;
  EXPECT_EQ(code_of(old->put("leases/a", as_bytes("leases/a"))), ErrorCode::kUnavailable);
  (*many_)[1].away = false;
  clock_.turn(10);
  const Result<void> again = old->put("leases/a", as_bytes("leases/a"));
  EXPECT_TRUE(again || again.error().code() == ErrorCode::kAlreadyExists);
  names_.emplace_back("leases/a");
  std::ranges::sort(names_);
  for (std::size_t away = 0; away < 2; ++away) {
    (*many_)[away].away = true;
    expect_all(*many_->open().value());
    (*many_)[away].away = false;
  }
}

TEST_F(ChangingStores, AStoreThatIsLostIsTakenOutAndItsCopiesAreMadeAnew) {
  make("copies: 2", 4);
  fill(60);
  (*many_)[2].away = true;
  clock_.turn(10);
  take_out(2);
  const auto report = rebalance_placement(*backend_, {});
  ASSERT_TRUE(report.has_value()) << report.error().describe();
  EXPECT_TRUE(report->settled) << (report->troubles.empty() ? "" : report->troubles[0]);
  for (const std::size_t away : {0U, 1U, 3U}) {
    (*many_)[away].away = true;
    expect_all(*many_->open().value());
    (*many_)[away].away = false;
  }
}

TEST_F(ChangingStores, WhoHasAnOldMapGoesOn) {
  make("copies: 2", 3);
  fill(40);
  auto old = many_->open().value();
  add(3);
  ASSERT_TRUE(old->put("leases/a", as_bytes("leases/a")).has_value());
  ASSERT_TRUE(old->put("data/aa/a", as_bytes("data/aa/a")).has_value());
  names_.insert(names_.end(), {"leases/a", "data/aa/a"});
  std::ranges::sort(names_);
  auto older = many_->open().value();
  ASSERT_TRUE(rebalance_placement(*backend_, {})->settled);
  take_out(0);
  ASSERT_TRUE(rebalance_placement(*backend_, {})->settled);
  EXPECT_EQ((*many_)[0].memory.objects().size(), 0U);
  expect_all(*older);
  ASSERT_TRUE(old->remove("leases/a").has_value());
  ASSERT_TRUE(old->put("generations/7", as_bytes("generations/7")).has_value());
  EXPECT_EQ(code_of(backend_->put("generations/7", as_bytes("x"))), ErrorCode::kAlreadyExists);
  std::erase(names_, "leases/a");
  names_.push_back("generations/7");
  std::ranges::sort(names_);
  expect_all(*backend_);
}

TEST_F(ChangingStores, OneChangeAtATime) {
  make("copies: 2", 4);
  fill(4);
  auto other = many_->open().value();
  take_out(0);
  const auto second = change_map(*other, [](Map& map) -> Result<void> {
    map.stores[1].weight = 7;
    return {};
  });
  EXPECT_EQ(code_of(second), ErrorCode::kConflict);
  const auto impossible = change_map(*other, [](Map&) -> Result<void> { return {}; });
  EXPECT_EQ(code_of(impossible), ErrorCode::kConflict);
}

TEST_F(ChangingStores, ARebalanceThatIsCutAnywhereIsGoneOnWith) {
  for (int cut = 1;; cut += 1 + cut / 8) {
    names_.clear();
    make("copies: 2", 3);
    fill(24);
    add(3);
    std::atomic<int> changes = 0;
    for (std::size_t i = 0; i < 4; ++i) {
      (*many_)[i].before = [&](std::string_view call, std::string_view) -> Result<void> {
        if (call == "put" || call == "remove") ++changes;
        if (changes >= cut) return fail(ErrorCode::kCancelled, "killed");
        return {};
      };
    }
    const auto killed = rebalance_placement(*backend_, {});
    for (std::size_t i = 0; i < 4; ++i) (*many_)[i].before = nullptr;
    clock_.turn(10);
    for (std::size_t away = 0; away < 4; ++away) {
      (*many_)[away].away = true;
      expect_all(*many_->open().value());
      (*many_)[away].away = false;
    }
    backend_ = many_->open().value();
    const auto report = rebalance_placement(*backend_, {});
    ASSERT_TRUE(report.has_value()) << report.error().describe();
    EXPECT_TRUE(report->settled);
    expect_all(*backend_);
    EXPECT_EQ(placement_status(*backend_)->incomplete, 0U);
    if (killed && killed->settled) break;
    ASSERT_LT(cut, 10'000);
  }
}

TEST_F(ChangingStores, TheLastStoreOfAFailureDomainIsNotTakenOutUnasked) {
  struct Case {
    const char* layout;
    const char* domains;
    const char* says;
  };
  const Case cases[] = {
      {"copies: 2", "hhg", "one failure domain would hold 2 of 2 copies"},
      {"copies: 3", "hhgs", "one failure domain would hold 2 of 3 copies"},
      {"shards: 2+1", "hhgs", "one failure domain would hold 2 of 2+1 shards"},
  };
  for (const Case& one : cases) {
    const std::string_view domains = one.domains;
    std::string text = std::string(one.layout) + "\nstores:\n";
    for (std::size_t i = 0; i < domains.size(); ++i)
      text += fmt::format("  s{0}: {{url: /s{0}, domain: {1}}}\n", i, domains[i]);
    many_ = std::make_unique<ManyStores>("copies: 1", 1, clock_);
    many_->set_file(text);
    backend_ = many_->create();
    for (const Change change : {Change::kRemove, Change::kDrain}) {
      WishedChange wished{.change = change, .store = ManyStores::name_of(domains.size() - 1)};
      const auto refused = plan_change(*backend_, many_->file(), wished);
      ASSERT_EQ(code_of(refused), ErrorCode::kInvalidArgument) << one.domains;
      EXPECT_TRUE(refused.error().message().contains(one.says)) << refused.error().message();
      EXPECT_TRUE(refused.error().hint().contains("--fewer-domains"));
      wished.domains = Domains::kMayBeFewer;
      EXPECT_TRUE(plan_change(*backend_, many_->file(), wished).has_value());
      // Another one of the same domain is left.
      EXPECT_TRUE(
          plan_change(*backend_, many_->file(), {.change = change, .store = "s0"}).has_value());
    }
  }
}

}  // namespace
}  // namespace backstay::backend::placement
