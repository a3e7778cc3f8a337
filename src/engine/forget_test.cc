#include "engine/forget.h"

#include <gmock/gmock.h>

#include <span>
#include <thread>

#include "backend/forwarding_backend.h"
#include "engine/check.h"
#include "engine/notes.h"
#include "engine/testing/backup_fixture.h"
#include "repo/lease.h"

namespace backstay::engine {
namespace {

using backend::FaultBackend;
using snapshot::SnapshotId;
using testing::ElementsAre;
using testing::IsEmpty;
using testing::SizeIs;
using testing::UnorderedElementsAre;

const ForgetWait kNoWait{.limit = std::chrono::milliseconds(0),
                         .pause = std::chrono::milliseconds(1),
                         .stop = {},
                         .note = {}};

class Forget : public repo::RepositoryFixture {
 protected:
  void SetUp() override {
    make();
    for (int i = 0; i < 5; ++i) ids_.push_back(commit());
  }

  // A day after the last one.
  SnapshotId commit(snapshot::Status status = snapshot::Status::kComplete) {
    const auto id = open_past_faults()->commit_snapshot(next_snapshot(status));
    EXPECT_EQ(problem(id), "");
    return id ? *id : SnapshotId{};
  }
  snapshot::Snapshot next_snapshot(snapshot::Status status = snapshot::Status::kComplete) {
    clock_.advance(std::chrono::hours(24));
    snapshot::Snapshot made;
    made.started = clock_.now();
    made.host = "web";
    made.paths = {"/home"};
    made.status = status;
    made.tree = {.page = {.id = {}, .length = 5}, .level = 0, .entries = 0};
    return made;
  }

  static ForgetOptions keep_last(std::uint64_t count) {
    ForgetOptions options;
    options.retention.last = count;
    options.host = "here";
    return options;
  }
  static ForgetOptions named(std::vector<SnapshotId> ids) {
    ForgetOptions options;
    options.named = std::move(ids);
    return options;
  }

  Result<ForgetReport> run(repo::Repository& repository, const ForgetOptions& options) {
    plan_ = {};
    removed_.clear();
    watch_ = std::make_unique<Watch>();
    Activity activity = watch_->activity();
    ForgetEvents events;
    events.planned = [&](const ForgetPlan& plan) {
      plan_ = plan;
      if (about_to_remove) about_to_remove();
    };
    events.removed = [&](const SnapshotId& id) {
      removed_.push_back(id);
      if (after_removal) after_removal();
    };
    return forget(repository, options, events, activity);
  }
  Result<ForgetReport> run(const ForgetOptions& options) { return run(*open(), options); }

  std::vector<SnapshotId> present() {
    std::vector<SnapshotId> ids;
    const auto listed = open_past_faults()->snapshots([](const auto&, const Error&) {});
    EXPECT_EQ(problem(listed), "");
    for (const repo::StoredSnapshot& stored : *listed) ids.push_back(stored.id);
    return ids;
  }
  static std::string object_of(const SnapshotId& id) { return "snapshots/" + id.hex(); }

  std::vector<SnapshotId> ids_;  // oldest first
  ForgetPlan plan_;
  std::vector<SnapshotId> removed_;
  std::unique_ptr<Watch> watch_;
  std::function<void()> about_to_remove;
  std::function<void()> after_removal;
};

TEST_F(Forget, RemovesWhatNoRuleKeepsOldestFirst) {
  const auto report = run(keep_last(2));
  ASSERT_EQ(problem(report), "");
  EXPECT_EQ(report->kept, 2U);
  EXPECT_EQ(report->removed, 3U);
  EXPECT_THAT(removed_, ElementsAre(ids_[0], ids_[1], ids_[2]));
  EXPECT_THAT(present(), ElementsAre(ids_[3], ids_[4]));
  EXPECT_THAT(names("leases/"), IsEmpty());
}

TEST_F(Forget, TouchesNothingInADryRun) {
  const auto before = memory_.objects();
  ForgetOptions options = keep_last(2);
  options.dry_run = true;
  const auto report = run(options);
  ASSERT_EQ(problem(report), "");
  EXPECT_EQ(report->removed, 3U);
  EXPECT_THAT(removed_, IsEmpty());
  ASSERT_THAT(plan_.groups, SizeIs(1));
  EXPECT_THAT(plan_.groups[0].decisions, SizeIs(5));
  EXPECT_TRUE(memory_.objects() == before);
}

TEST_F(Forget, NeedsASnapshotOrARule) {
  const auto report = run(ForgetOptions{});
  EXPECT_EQ(code_of(report), "invalid_argument");
  EXPECT_NE(report.error().hint().find("--keep-daily"), std::string::npos);
}

TEST_F(Forget, RemovesNamedOnesAlsoTheNewestGoodOneAndSaysSo) {
  const auto report = run(named({ids_[4], ids_[1], ids_[1]}));
  ASSERT_EQ(problem(report), "");
  EXPECT_EQ(report->removed, 2U);
  EXPECT_THAT(present(), ElementsAre(ids_[0], ids_[2], ids_[3]));
  ASSERT_THAT(plan_.groups[0].decisions, SizeIs(2));
  EXPECT_THAT(plan_.groups[0].decisions[0].reasons, SizeIs(2));
  EXPECT_EQ(plan_.groups[0].decisions[0].reasons[1].rule, policy::Rule::kNewestOfSource);
  EXPECT_THAT(plan_.groups[0].decisions[1].reasons, SizeIs(1));
}

TEST_F(Forget, KeepsTheNewestCompleteOneBehindPartialOnes) {
  for (int i = 0; i < 3; ++i) commit(snapshot::Status::kPartial);
  ASSERT_EQ(problem(run(keep_last(2))), "");
  EXPECT_THAT(present(), SizeIs(3));
  EXPECT_EQ(present().front(), ids_[4]);
}

TEST_F(Forget, RefusesNamedOnesThatAreHeldAndRemovesNothing) {
  repo::Hold hold_one;
  hold_one.reason = "audit";
  ASSERT_EQ(problem(hold(*open(), {ids_[1]}, hold_one, kNoWait)), "");
  const auto report = run(named({ids_[0], ids_[1]}));
  EXPECT_EQ(code_of(report), "permission_denied");
  EXPECT_NE(report.error().message().find("is held (audit); nothing was removed"),
            std::string::npos);
  EXPECT_THAT(present(), SizeIs(5));
}

TEST_F(Forget, KeepsHeldOnesUntilTheirTimeIsOverByTheClockOfTheStore) {
  repo::Hold hold_one;
  hold_one.until = Timestamp{.seconds = clock_.now().seconds + 3600, .nanos = 0};
  ASSERT_EQ(problem(hold(*open(), {ids_[0]}, hold_one, kNoWait)), "");
  ASSERT_EQ(problem(run(keep_last(1))), "");
  EXPECT_THAT(present(), ElementsAre(ids_[0], ids_[4]));
  clock_.advance(std::chrono::seconds(3601));
  ASSERT_EQ(problem(run(keep_last(1))), "");
  EXPECT_THAT(present(), ElementsAre(ids_[4]));
  EXPECT_THAT(names("holds/"), IsEmpty()) << "an expired hold goes with its snapshot";
}

TEST_F(Forget, IsHeldByAHoldThatCannotBeRead) {
  ASSERT_EQ(problem(hold(*open(), {ids_[0]}, {}, kNoWait)), "");
  replace(only_name("holds/"), [](Bytes& bytes) { bytes.back() ^= 1; });
  ASSERT_EQ(problem(run(keep_last(1))), "");
  EXPECT_THAT(present(), ElementsAre(ids_[0], ids_[4]));
  Watch watch;
  Activity activity = watch.activity();
  const auto released = release(*open(), {ids_[0]}, activity);
  ASSERT_EQ(problem(released), "");
  EXPECT_EQ(released->at(ids_[0]), 1U);
  EXPECT_THAT(names("holds/"), IsEmpty());
}

TEST_F(Forget, NeverRemovesDamagedSnapshotsByRulesAndDoesWhenTheyAreNamed) {
  replace(object_of(ids_[0]), [](Bytes& bytes) { bytes.back() ^= 1; });
  const auto report = run(keep_last(1));
  ASSERT_EQ(problem(report), "");
  EXPECT_EQ(report->damaged, 1U);
  EXPECT_THAT(watch_->trouble_paths(), ElementsAre(object_of(ids_[0])));
  EXPECT_THAT(names("snapshots/"), UnorderedElementsAre(object_of(ids_[0]), object_of(ids_[4])));
  ASSERT_EQ(problem(run(named({ids_[0]}))), "");
  EXPECT_THAT(plan_.damaged, ElementsAre(ids_[0]));
  EXPECT_THAT(names("snapshots/"), ElementsAre(object_of(ids_[4])));
}

TEST_F(Forget, LeavesSnapshotsOfALaterVersionAlone) {
  const std::string name = object_of(ids_[0]);
  auto objects = memory_.objects();
  Bytes later = objects.at(name);
  later[5] = 2;  // its format version
  const auto id = repo::id_of(later);
  ASSERT_EQ(problem(memory_.put(repo::object_name(repo::ObjectKind::kSnapshot, id), later)), "");
  EXPECT_EQ(code_of(run(named({SnapshotId{id.bytes}}))), "unsupported");
  ASSERT_EQ(problem(run(keep_last(1))), "");
  EXPECT_THAT(names("snapshots/"), SizeIs(2));
}

TEST_F(Forget, KeepsWhatHasTagsThatCannotBeRead) {
  repo::TagChange change;
  change.added = {"keep"};
  const auto repository = open();
  ASSERT_EQ(problem(repo::store_tag_change(*repository, ids_[0], change)), "");
  replace(only_name("tags/"), [](Bytes& bytes) { bytes.back() ^= 1; });
  ASSERT_EQ(problem(run(keep_last(1))), "");
  EXPECT_THAT(present(), ElementsAre(ids_[0], ids_[4]));
  EXPECT_THAT(watch_->trouble_paths(), SizeIs(1));
}

TEST_F(Forget, DecidesByTheTagsThatSnapshotsHaveNow) {
  repo::TagChange change;
  change.added = {"keep"};
  const auto repository = open();
  const auto listed = repository->snapshots([](const auto&, const Error&) {});
  ASSERT_EQ(problem(change_tags(*repository, {listed->front()}, change, kNoWait)), "");
  ForgetOptions options;
  options.retention.tags = {{"keep"}};
  ASSERT_EQ(problem(run(options)), "");
  EXPECT_THAT(present(), ElementsAre(ids_[0], ids_[4]));
  // The change goes with the snapshot.
  ASSERT_EQ(problem(run(named({ids_[0]}))), "");
  EXPECT_THAT(names("tags/"), IsEmpty());
}

TEST_F(Forget, IsNotDisturbedByAnotherOneAtTheSameTime) {
  about_to_remove = [&] {
    about_to_remove = nullptr;
    for (std::size_t i = 0; i < 3; ++i) remove(object_of(ids_[i]));
  };
  const auto report = run(keep_last(2));
  ASSERT_EQ(problem(report), "");
  EXPECT_THAT(present(), ElementsAre(ids_[3], ids_[4]));
}

TEST_F(Forget, SaysWhatWentBeforeAFailure) {
  class FailsAtTheSecond final : public backend::ForwardingBackend {
   public:
    using ForwardingBackend::ForwardingBackend;
    Result<void> remove(std::string_view name) override {
      if (name.starts_with("snapshots/") && ++removals_ == 2)
        return fail(ErrorCode::kPermissionDenied, "append-only");
      return inner_.remove(name);
    }

   private:
    int removals_ = 0;
  };
  auto repository =
      repo::Repository::open(std::make_unique<FailsAtTheSecond>(memory_), repo::test_credential(),
                             {}, {.clock = clock_, .rng = rng_});
  ASSERT_EQ(problem(repository), "");
  const auto report = run(**repository, keep_last(1));
  EXPECT_EQ(code_of(report), "permission_denied");
  EXPECT_THAT(removed_, ElementsAre(ids_[0]));
  EXPECT_THAT(present(), SizeIs(4));
}

TEST_F(Forget, GoesOnWithoutALeaseWhereThereIsNoSpaceForOne) {
  const auto repository = open();
  faults_.limit_space(0);
  ASSERT_EQ(problem(run(*repository, keep_last(1))), "");
  EXPECT_THAT(present(), ElementsAre(ids_[4]));
}

TEST_F(Forget, IsWaitedForByWhoHoldsASnapshotThatIsBeingRemoved) {
  Result<void> held = fail(ErrorCode::kInternal, "has not run");
  std::jthread beside;
  // The hold is stored when the snapshot has just gone.
  after_removal = [&] {
    if (beside.joinable()) return;
    beside = std::jthread([&] {
      held = hold(*open_past_faults(), {ids_[0], ids_[4]}, {},
                  {.limit = std::chrono::seconds(60),
                   .pause = std::chrono::milliseconds(1),
                   .stop = {},
                   .note = {}});
    });
    while (names("holds/").size() < 2) std::this_thread::yield();
  };
  ASSERT_EQ(problem(run(keep_last(1))), "");
  beside.join();
  EXPECT_EQ(code_of(held), "not_found");
  EXPECT_NE(held.error().message().find(ids_[0].short_hex()), std::string::npos);
  EXPECT_THAT(names("holds/"), SizeIs(1)) << "what was forgotten is not held";
}

TEST_F(Forget, StopsBeforeASnapshotThatIsHeldMeanwhile) {
  about_to_remove = [&] {
    ASSERT_EQ(problem(repo::store_hold(*open_past_faults(), ids_[1], {})), "");
  };
  const auto report = run(keep_last(1));
  EXPECT_EQ(code_of(report), "conflict");
  EXPECT_THAT(removed_, ElementsAre(ids_[0]));
  EXPECT_THAT(present(), SizeIs(4));
  about_to_remove = nullptr;
  ASSERT_EQ(problem(run(keep_last(1))), "");
  EXPECT_THAT(present(), ElementsAre(ids_[1], ids_[4]));
}

TEST_F(Forget, SeesHoldsThatAreStoredWhileItHasNoLease) {
  const auto repository = open();
  faults_.limit_space(0);
  after_removal = [&] {
    ASSERT_EQ(problem(repo::store_hold(*open_past_faults(), ids_[1], {})), "");
  };
  EXPECT_EQ(code_of(run(*repository, keep_last(1))), "conflict");
  EXPECT_THAT(present(), ElementsAre(ids_[1], ids_[2], ids_[3], ids_[4]));
}

TEST_F(Forget, TakesALeaseAsSoonAsThereIsSpaceForOne) {
  class IsFullUntilOneIsGone final : public backend::ForwardingBackend {
   public:
    using ForwardingBackend::ForwardingBackend;
    Result<void> put(std::string_view name, std::span<const ByteView> pieces) override {
      if (!removed_) return fail(ErrorCode::kNoSpace, "full");
      return inner_.put(name, pieces);
    }
    Result<void> remove(std::string_view name) override {
      removed_ = true;
      return inner_.remove(name);
    }

   private:
    bool removed_ = false;
  };
  auto repository =
      repo::Repository::open(std::make_unique<IsFullUntilOneIsGone>(memory_),
                             repo::test_credential(), {}, {.clock = clock_, .rng = rng_});
  ASSERT_EQ(problem(repository), "");
  std::vector<std::size_t> leases;
  about_to_remove = [&] { leases.push_back(names("leases/").size()); };
  after_removal = [&] { leases.push_back(names("leases/").size()); };
  ASSERT_EQ(problem(run(**repository, keep_last(2))), "");
  EXPECT_THAT(leases, ElementsAre(0, 0, 1, 1));
  EXPECT_THAT(names("leases/"), IsEmpty());
}

TEST_F(Forget, RemovesNothingWhenItsLeaseIsGoneOrWasEnded) {
  about_to_remove = [&] { remove(only_name("leases/")); };
  EXPECT_EQ(code_of(run(keep_last(1))), "conflict");
  EXPECT_THAT(present(), SizeIs(5));
  about_to_remove = [&] {
    const auto repository = open_past_faults();
    const auto leases = repo::list_leases(repository->store(), repository->config().id);
    ASSERT_EQ(problem(leases), "");
    ASSERT_THAT(*leases, SizeIs(1));
    const auto ended = repo::end_lease(repository->store(), repository->config().id, (*leases)[0]);
    ASSERT_EQ(problem(ended), "");
  };
  EXPECT_EQ(code_of(run(keep_last(1))), "conflict");
  EXPECT_THAT(present(), SizeIs(5));
}

TEST_F(Forget, CountsNoSnapshotWhoseBackupIsNotFinished) {
  const auto repository = open();
  auto lease = repository->take_lease({}, repo::LeaseUse::kWriting);
  ASSERT_EQ(problem(lease), "");
  const auto latest = repository->commit_snapshot(next_snapshot(), **lease);
  ASSERT_EQ(problem(latest), "");
  ASSERT_EQ(problem(run(keep_last(1))), "");
  EXPECT_THAT(present(), ElementsAre(ids_[4], *latest));
  EXPECT_EQ(plan_.groups.at(0).decisions.at(0).reasons.at(0).text, "its backup is not finished");
  ASSERT_EQ(problem((*lease)->release()), "");
  ASSERT_EQ(problem(run(keep_last(1))), "");
  EXPECT_THAT(present(), ElementsAre(*latest));
}

TEST_F(Forget, CountsNoSnapshotThatIsTakenBackAfterItWasListed) {
  class TakesBack final : public backend::ForwardingBackend {
   public:
    TakesBack(backend::Backend& inner, std::vector<std::string> names)
        : ForwardingBackend(inner), names_(std::move(names)) {}
    Result<void> list(
        std::string_view prefix,
        const std::function<Result<void>(const backend::ObjectInfo&)>& each) override {
      if (prefix == "leases/") {
        for (const std::string& name : names_) EXPECT_EQ(problem(inner_.remove(name)), "");
      }
      return inner_.list(prefix, each);
    }

   private:
    std::vector<std::string> names_;
  };
  const auto writer = open();
  auto lease = writer->take_lease({}, repo::LeaseUse::kWriting);
  ASSERT_EQ(problem(lease), "");
  const auto latest = writer->commit_snapshot(next_snapshot(), **lease);
  ASSERT_EQ(problem(latest), "");
  std::vector<std::string> gone = names("leases/");
  gone.push_back(object_of(*latest));
  auto repository =
      repo::Repository::open(std::make_unique<TakesBack>(memory_, gone), repo::test_credential(),
                             {}, {.clock = clock_, .rng = rng_});
  ASSERT_EQ(problem(repository), "");
  ASSERT_EQ(problem(run(**repository, keep_last(1))), "");
  EXPECT_THAT(present(), ElementsAre(ids_[4]));
}

TEST_F(Forget, TakesEveryHoldToBindWhereTheStoreIsTooFullToTellItsTime) {
  class IsFull final : public backend::ForwardingBackend {
   public:
    using ForwardingBackend::ForwardingBackend;
    Result<void> put(std::string_view /*name*/, std::span<const ByteView> /*pieces*/) override {
      return fail(ErrorCode::kNoSpace, "full");
    }
    Result<Timestamp> store_time() override { return fail(ErrorCode::kNoSpace, "full"); }
  };
  repo::Hold over;
  over.until = Timestamp{.seconds = clock_.now().seconds + 60, .nanos = 0};
  ASSERT_EQ(problem(hold(*open(), {ids_[0]}, over, kNoWait)), "");
  clock_.advance(std::chrono::seconds(61));
  auto repository =
      repo::Repository::open(std::make_unique<IsFull>(memory_), repo::test_credential(), {},
                             {.clock = clock_, .rng = rng_});
  ASSERT_EQ(problem(repository), "");
  ASSERT_EQ(problem(run(**repository, keep_last(1))), "");
  EXPECT_THAT(present(), ElementsAre(ids_[0], ids_[4]));
  Watch watch;
  Activity activity = watch.activity();
  const auto released = release(**repository, {ids_[0]}, activity);
  ASSERT_EQ(problem(released), "");
  EXPECT_THAT(names("holds/"), IsEmpty());
}

TEST_F(Forget, ThatWasKilledIsNotWaitedForEver) {
  repo::LeaseRecord record;
  record.operation = kForgetOperation;
  record.renew_seconds = kForgetRenewSeconds;
  const auto lease = repo::Lease::acquire(memory_, open()->config().id, record, rng_);
  ASSERT_EQ(problem(lease), "");
  const auto held = hold(*open(), {ids_[0]}, {}, kNoWait);
  EXPECT_EQ(code_of(held), "conflict");
  EXPECT_THAT(names("holds/"), SizeIs(1)) << "it is stored all the same";
  clock_.advance(std::chrono::seconds(3 * record.renew_seconds + 1));
  EXPECT_EQ(problem(hold(*open(), {ids_[1]}, {}, kNoWait)), "");
}

TEST_F(Forget, RemovesNotesThatAKilledOneLeft) {
  ASSERT_EQ(problem(hold(*open(), {ids_[0], ids_[4]}, {}, kNoWait)), "");
  repo::TagChange change;
  change.added = {"x"};
  ASSERT_EQ(problem(repo::store_tag_change(*open(), ids_[0], change)), "");
  remove(object_of(ids_[0]));
  ASSERT_EQ(problem(run(keep_last(9))), "");
  EXPECT_THAT(names("tags/"), IsEmpty());
  EXPECT_THAT(names("holds/"), SizeIs(1));
}

TEST_F(Forget, RefusesAHoldThatIsOverAlready) {
  repo::Hold over;
  over.until = clock_.now();
  EXPECT_EQ(code_of(hold(*open(), {ids_[0]}, over, kNoWait)), "invalid_argument");
  EXPECT_THAT(names("holds/"), IsEmpty());
}

TEST_F(Forget, WritesNoChangeOfTagsThatChangesNothing) {
  const auto repository = open();
  repo::TagChange change;
  change.removed = {"x"};
  const auto listed = repository->snapshots([](const auto&, const Error&) {});
  const auto changed = change_tags(*repository, *listed, change, kNoWait);
  ASSERT_EQ(problem(changed), "");
  EXPECT_THAT(*changed, IsEmpty());
  EXPECT_THAT(names("tags/"), IsEmpty());
}

// Cut at every call: what is not to be removed is there, and the next run does what is left.
TEST_F(Forget, CanBeCutAtEveryCall) {
  ASSERT_EQ(problem(hold(*open(), {ids_[1]}, {}, kNoWait)), "");
  repo::TagChange change;
  change.added = {"x"};
  ASSERT_EQ(problem(repo::store_tag_change(*open(), ids_[0], change)), "");
  const auto before = memory_.objects();
  for (const auto effect : {FaultBackend::Effect::kLost, FaultBackend::Effect::kApplied}) {
    for (std::uint64_t number = 1;; ++number) {
      memory_.set_objects(before);
      FaultBackend faults(memory_);
      faults.crash_at(number, effect);
      auto repository =
          repo::Repository::open(std::make_unique<backend::ForwardingBackend>(faults),
                                 repo::test_credential(), {}, {.clock = clock_, .rng = rng_});
      if (repository) {
        const auto cut = run(**repository, keep_last(2));
        EXPECT_EQ(faults.crashed(), !cut) << faults.crashed_in();
        repository->reset();
      }
      SCOPED_TRACE("cut at call " + std::to_string(number) + ", " + faults.crashed_in());
      const auto kept = present();
      for (const std::size_t i : {1U, 3U, 4U})
        EXPECT_TRUE(std::ranges::find(kept, ids_[i]) != kept.end()) << i;
      if (!faults.crashed()) {
        EXPECT_GT(number, 15U);
        EXPECT_THAT(kept, SizeIs(3));
        break;
      }
      ASSERT_EQ(problem(run(keep_last(2))), "");
      EXPECT_THAT(present(), ElementsAre(ids_[1], ids_[3], ids_[4]));
      EXPECT_THAT(names("tags/"), IsEmpty());
      EXPECT_THAT(names("holds/"), SizeIs(1));
    }
  }
}

// Tags are what they were or what they shall be, and never less.
TEST_F(Forget, AChangeOfTagsAndAHoldCanBeCutAtEveryCall) {
  const auto before = memory_.objects();
  repo::TagChange change;
  change.added = {"x"};
  for (const auto effect : {FaultBackend::Effect::kLost, FaultBackend::Effect::kApplied}) {
    for (std::uint64_t number = 1;; ++number) {
      memory_.set_objects(before);
      FaultBackend faults(memory_);
      faults.crash_at(number, effect);
      auto repository =
          repo::Repository::open(std::make_unique<backend::ForwardingBackend>(faults),
                                 repo::test_credential(), {}, {.clock = clock_, .rng = rng_});
      if (repository) {
        const auto listed = (*repository)->snapshots([](const auto&, const Error&) {});
        if (listed && change_tags(**repository, *listed, change, kNoWait))
          (void)hold(**repository, {ids_[0]}, {}, kNoWait);
        repository->reset();
      }
      const auto listed = open()->snapshots([](const auto&, const Error&) {});
      ASSERT_EQ(problem(listed), "");
      ASSERT_THAT(*listed, SizeIs(5));
      for (const repo::StoredSnapshot& stored : *listed) {
        EXPECT_TRUE(stored.tags_known);
        EXPECT_LE(stored.snapshot.tags.size(), 1U);
      }
      EXPECT_EQ(problem(binding_holds(*open(), clock_.now())), "");
      if (!faults.crashed()) {
        EXPECT_GT(number, 20U);
        break;
      }
    }
  }
}

}  // namespace
}  // namespace backstay::engine
