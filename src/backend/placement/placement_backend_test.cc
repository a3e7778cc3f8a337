#include "backend/placement/placement_backend.h"

#include <fmt/format.h>
#include <gtest/gtest.h>

#include <algorithm>

#include "backend/placement/testing/many_stores.h"
#include "backend/placement/upkeep.h"
#include "backend/testing/backend_contract.h"

namespace backstay::backend::placement {
namespace {

// ---- the contract of every backend

class ContractOfMany final : public ContractStore {
 public:
  explicit ContractOfMany(const std::string& layout, std::size_t stores)
      : many_(layout, stores, clock_), backend_(many_.create()) {}
  Backend& backend() override { return *backend_; }
  void reopen() override { backend_ = many_.open().value(); }
  bool turn_clock(std::int64_t seconds) override {
    clock_.turn(seconds);
    return true;
  }

 private:
  TurnedClock clock_;
  ManyStores many_;
  std::unique_ptr<PlacementBackend> backend_;
};

ContractParam contract_of(std::string what, const std::string& layout, std::size_t stores) {
  return {.what = std::move(what),
          .make = [=] { return std::make_unique<ContractOfMany>(layout, stores); }};
}

INSTANTIATE_TEST_SUITE_P(Placement, BackendContract,
                         ::testing::Values(contract_of("OneStore", "copies: 1", 1),
                                           contract_of("ThreeStores", "copies: 2", 3),
                                           contract_of("FiveStores", "copies: 3", 5)));

// ---- stores that are away, empty, full or damaged

class ManyStoresTest : public ::testing::Test {
 protected:
  void make(const std::string& layout, std::size_t stores) {
    many_ = std::make_unique<ManyStores>(layout, stores, clock_);
    backend_ = many_->create();
  }
  // Objects of both kinds.
  void fill(int count) {
    for (int i = 0; i < count; ++i) {
      for (const std::string& name : {bulk_name(i), fmt::format("snapshots/{:03}", i)}) {
        ASSERT_TRUE(backend_->put(name, as_bytes(name)).has_value()) << name;
        names_.push_back(name);
      }
    }
    ASSERT_TRUE(backend_->barrier().has_value());
    std::ranges::sort(names_);
  }
  static std::string bulk_name(int i) { return fmt::format("data/{:02x}/{:04}", i % 256, i); }
  static std::vector<std::string> list_of(Backend& backend, std::string_view prefix = "") {
    std::vector<std::string> names;
    const Result<void> listed = backend.list(prefix, [&](const ObjectInfo& info) -> Result<void> {
      EXPECT_EQ(info.size_bytes, info.name.size());
      names.push_back(info.name);
      return {};
    });
    if (!listed) return {listed.error().describe()};
    std::ranges::sort(names);
    return names;
  }
  void expect_all(Backend& backend) {
    EXPECT_EQ(list_of(backend), names_);
    for (const std::string& name : names_) {
      const auto bytes = backend.get(name, 1000);
      ASSERT_TRUE(bytes.has_value()) << bytes.error().describe();
      EXPECT_EQ(as_text(*bytes), name);
      Bytes end(3);
      EXPECT_TRUE(backend.get_range(name, name.size() - 3, end).has_value());
      EXPECT_EQ(as_text(end), name.substr(name.size() - 3));
      EXPECT_EQ(backend.head(name)->size_bytes, name.size());
    }
  }
  std::size_t objects_on(std::size_t store, std::string_view prefix) {
    std::size_t count = 0;
    for (const auto& [name, bytes] : (*many_)[store].memory.objects())
      count += name.starts_with(prefix) ? 1U : 0U;
    return count;
  }

  TurnedClock clock_;
  std::unique_ptr<ManyStores> many_;
  std::unique_ptr<PlacementBackend> backend_;
  std::vector<std::string> names_;
};

ErrorCode code_of(const auto& result) {
  return result.has_value() ? ErrorCode::kInternal : result.error().code();
}

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
  clock_.turn(8 * 24 * 3600);
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
  EXPECT_EQ((*many_)[1].memory.objects(), before) << "byte for byte";
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
    EXPECT_EQ((*many_)[1].memory.objects(), before);
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

// ---- maps that change

class ChangingStores : public ManyStoresTest {
 protected:
  void add(std::size_t i) {
    many_->set_file("copies: 2\nstores:\n" + lines(i + 1));
    const auto opened = many_->opener()(ManyStores::name_of(i)).value();
    const MapStore joining =
        prepare_store(*backend_, *many_->file().find(ManyStores::name_of(i)), *opened).value();
    const auto changed = change_map(*backend_, [&](Map& map) -> Result<void> {
      map.stores.push_back(joining);
      return {};
    });
    ASSERT_TRUE(changed.has_value()) << changed.error().describe();
  }
  void take_out(std::size_t i) {
    const auto changed = change_map(*backend_, [&](Map& map) -> Result<void> {
      map.stores[i].membership = Membership::kLeaving;
      return {};
    });
    ASSERT_TRUE(changed.has_value()) << changed.error().describe();
  }
  static std::string lines(std::size_t count) {
    std::string text;
    for (std::size_t i = 0; i < count; ++i) text += ManyStores::line_of(i);
    return text;
  }
};

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

}  // namespace
}  // namespace backstay::backend::placement
