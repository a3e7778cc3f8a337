#include "engine/prune.h"

#include "backend/forwarding_backend.h"
#include "engine/testing/prune_fixture.h"
#include "repo/store_session.h"

namespace backstay::engine {
namespace {

using PruneTest = PruneFixture;

TEST_F(PruneTest, FreesNothingWhileEverythingIsNeeded) {
  const auto before = memory_.objects();
  const PruneReport report = prune_well(thorough());
  EXPECT_EQ(report.bytes_freed, 0U);
  EXPECT_EQ(report.packs_removed, 0U);
  EXPECT_EQ(report.snapshots, 2U);
  EXPECT_TRUE(memory_.objects() == before);
}

// duplicacy PruneSingleRepository, PruneSingleHost
TEST_F(PruneTest, FreesAtOnceWhatAForgottenSnapshotNeeded) {
  const std::uint64_t before = stored_bytes();
  forget(older_);
  const PruneReport report = prune_well(thorough());
  EXPECT_GT(report.bytes_freed, 300'000U);
  EXPECT_EQ(report.bytes_waiting, 0U);
  EXPECT_EQ(report.chunks_missing, 0U);
  EXPECT_LT(stored_bytes(), before - 300'000);
  expect_whole();
  expect_holds_the_tree(newer_);
  EXPECT_TRUE(names("leases/").empty());
  EXPECT_LE(names("generations/").size(), 2U);

  const PruneReport again = prune_well(thorough());
  EXPECT_EQ(again.bytes_freed, 0U) << "there is nothing left to do";
}

TEST_F(PruneTest, LeavesAnEmptyRepositoryWhenAllIsForgotten) {
  forget(older_);
  forget(newer_);
  prune_well();
  EXPECT_EQ(packs(), 0U);
  expect_whole();
  expect_holds_the_tree(backup_well());
}

TEST_F(PruneTest, ChangesNothingInADryRun) {
  forget(older_);
  const auto before = memory_.objects();
  PruneOptions options = thorough();
  options.dry_run = true;
  const PruneReport planned = prune_well(options);
  EXPECT_TRUE(memory_.objects() == before);
  EXPECT_GT(planned.bytes_freed, 300'000U);
  const PruneReport done = prune_well(thorough());
  EXPECT_NEAR(static_cast<double>(planned.bytes_freed), static_cast<double>(done.bytes_freed),
              60'000);
}

TEST_F(PruneTest, PlansFromTheIndexAlone) {
  forget(older_);
  PruneOptions options = thorough();
  options.dry_run = true;
  const PruneReport planned = prune_well(options);
  for (const std::string& name : names("data/")) faults_.fail_reads(name, ErrorCode::kUnavailable);
  const PruneReport unread = prune_well(options);
  EXPECT_GT(unread.packs_repacked, 0U);
  EXPECT_GT(unread.bytes_freed, 300'000U);
  EXPECT_EQ(unread.packs_dropped, planned.packs_dropped);
  EXPECT_EQ(unread.packs_repacked, planned.packs_repacked);
  EXPECT_EQ(unread.bytes_freed, planned.bytes_freed);
  // To do it, it must read.
  EXPECT_EQ(code_of(try_prune(thorough())), "unavailable");
}

TEST_F(PruneTest, ADryRunTellsWhatGoesAtOnceFromWhatWaits) {
  forget(older_);
  PruneOptions dry = thorough();
  dry.dry_run = true;
  const auto writing = open();
  auto writer = lease(*writing, "backup", repo::LeaseUse::kWriting);
  const PruneReport planned = prune_well(dry);
  EXPECT_EQ(planned.bytes_freed, 0U);
  EXPECT_GT(planned.bytes_waiting, 300'000U);
  EXPECT_EQ(planned.waiting_for.size(), 1U);
  const PruneReport done = prune_well(thorough());
  EXPECT_EQ(done.packs_waiting, planned.packs_waiting);
  EXPECT_EQ(done.bytes_waiting, planned.bytes_waiting);
  EXPECT_EQ(prune_well(dry).bytes_waiting, done.bytes_waiting) << "each byte is counted once";
  EXPECT_EQ(problem(writer->release()), "");
  const PruneReport later = prune_well(dry);
  EXPECT_EQ(later.bytes_freed, done.bytes_waiting);
  EXPECT_EQ(later.bytes_waiting, 0U);
  EXPECT_EQ(prune_well(thorough()).bytes_freed, later.bytes_freed);
}

TEST_F(PruneTest, KeepsWhatIsUnusedWithinTheShareThatIsAllowed) {
  forget(older_);
  PruneOptions options;
  options.unused_share_max = 100;
  const PruneReport report = prune_well(options);
  EXPECT_EQ(report.packs_repacked, 0U);
  EXPECT_GT(report.packs_dropped, 0U) << "packs without any use go all the same";
  expect_whole();
}

TEST_F(PruneTest, RepacksNoMoreThanItMay) {
  forget(older_);
  PruneOptions options = thorough();
  options.repack_bytes_max = 0;
  EXPECT_EQ(prune_well(options).packs_repacked, 0U);
  options.max_duration = std::chrono::seconds(0);
  options.repack_bytes_max.reset();
  const PruneReport report = prune_well(options);
  EXPECT_EQ(report.packs_repacked, 0U);
  EXPECT_TRUE(report.stopped_by_time);
  expect_whole();
}

TEST_F(PruneTest, PutsSmallPacksTogether) {
  for (int i = 0; i < 5; ++i) {
    tree_.add_file("/more" + std::to_string(i), noise(500, 300 + static_cast<std::uint64_t>(i)));
    backup_well();
  }
  const std::size_t before = packs();
  PruneOptions options;
  options.repack_small = true;
  options.unused_share_max = 100;
  prune_well(options);
  EXPECT_LT(packs(), before - 6);
  expect_whole();
}

// ---- what it must not do

// duplicacy IsDeletable, this and the next one
TEST_F(PruneTest, WaitsForLeasesThatAreOlder) {
  const auto repository = open();
  auto reader = lease(*repository, "restore", repo::LeaseUse::kReading);
  forget(older_);
  const PruneReport report = prune_well(thorough());
  EXPECT_EQ(report.bytes_freed, 0U);
  EXPECT_GT(report.bytes_waiting, 300'000U);
  ASSERT_EQ(report.waiting_for.size(), 1U);
  EXPECT_EQ(report.waiting_for[0].record.operation, "restore");
  // Its snapshot is forgotten, and still it can be read to the end.
  EXPECT_EQ(problem(reader->release()), "");
  EXPECT_GT(prune_well(thorough()).bytes_freed, 300'000U);
  expect_whole();
  expect_holds_the_tree(newer_);
}

TEST_F(PruneTest, DoesNotWaitForThoseThatBeganAfterwards) {
  auto first = open();
  auto old_lease = lease(*first, "restore", repo::LeaseUse::kReading);
  forget(older_);
  prune_well(thorough());
  const auto second = open();
  const auto writer = lease(*second, "backup", repo::LeaseUse::kWriting);
  EXPECT_EQ(problem(old_lease->release()), "");
  EXPECT_GT(prune_well(thorough()).bytes_freed, 300'000U);
  expect_whole();
}

// duplicacy PruneWithFossils: a writer begins, refers to what only a forgotten snapshot had, and
// commits after prune has condemned it.
class PruneBesideALateCommit : public PruneTest {
 protected:
  void SetUp() override {
    PruneTest::SetUp();
    const auto writing = open();
    auto writer = lease(*writing, "backup", repo::LeaseUse::kWriting);
    const snapshot::Snapshot like_older = *writing->read_snapshot(*older_.id);
    contents_ = contents_of_stored(*older_.id);
    clock_.advance(std::chrono::hours(1));
    forget(older_);
    // Renewed, so that it lives; the clock jumps, so that nothing counts as young.
    ASSERT_EQ(problem(writer->renew()), "");
    EXPECT_GT(prune_well(thorough()).bytes_waiting, 300'000U);
    const auto committed = writing->commit_snapshot(like_older, *writer);
    ASSERT_EQ(problem(committed), "");
    committed_ = *committed;
    ASSERT_EQ(problem(writer->release()), "");
  }

  snapshot::SnapshotId committed_;
  std::map<std::string, Bytes> contents_;
};

TEST_F(PruneBesideALateCommit, RescuesWhatWasCondemned) {
  EXPECT_TRUE(contents_of_stored(committed_) == contents_);
  const PruneReport rescued = prune_well(thorough());
  EXPECT_GT(rescued.packs_repacked, 0U);
  EXPECT_EQ(rescued.bytes_waiting, 0U);
  EXPECT_TRUE(contents_of_stored(committed_) == contents_);
  expect_whole();
  expect_holds_the_tree(newer_);
}

TEST_F(PruneBesideALateCommit, KeepsCondemnedPacksWhoseRunsAreLostWhileSomethingIsMissed) {
  // What named the condemned packs, which are needed now, is lost.
  for (const std::string& name : names("index/")) remove(name);
  const std::size_t packs_before = packs();
  const auto report = try_prune(thorough());
  EXPECT_EQ(packs(), packs_before);
  EXPECT_TRUE(!report || report->chunks_missing > 0) << "it stops, or says so";
  const auto reader = open_past_faults();
  reader->recover_when_needed([](const repo::RecoveredPacks&) {});
  const auto found = contents_of(*reader, *reader->read_snapshot(committed_));
  ASSERT_EQ(problem(found), "") << "readers look into directories";
  EXPECT_TRUE(*found == contents_);
}

// duplicacy PruneWithInactiveHost
TEST_F(PruneTest, GoesOnPastALeaseThatIsDeadAndItsOwnerCommitsNothing) {
  const auto writing = open();
  auto writer = lease(*writing, "backup", repo::LeaseUse::kWriting);
  const snapshot::Snapshot like_older = *writing->read_snapshot(*older_.id);
  forget(older_);
  clock_.advance(std::chrono::hours(100));
  const PruneReport report = prune_well(thorough());
  EXPECT_EQ(report.leases_ended, 1U);
  EXPECT_GT(report.bytes_freed, 300'000U);
  EXPECT_TRUE(names("leases/").empty());
  // It wakes up.
  EXPECT_EQ(code_of(writing->commit_snapshot(like_older, *writer)), "conflict");
  EXPECT_EQ(names("snapshots/").size(), 1U);
  expect_whole();
}

TEST_F(PruneTest, EndsALeaseThatIsDatedAheadWhenItIsNotRenewed) {
  const auto writing = open();
  clock_.advance(std::chrono::hours(24 * 3650));
  auto writer = lease(*writing, "backup", repo::LeaseUse::kWriting);
  clock_.advance(-std::chrono::hours(24 * 3650));
  forget(older_);
  const PruneReport first = prune_well(thorough());
  EXPECT_EQ(first.leases_ended, 0U);
  EXPECT_EQ(first.waiting_for.size(), 1U);
  clock_.advance(std::chrono::hours(1));
  const PruneReport second = prune_well(thorough());
  EXPECT_EQ(second.leases_ended, 1U);
  EXPECT_GT(second.bytes_freed, 300'000U);
  prune_well(thorough());
  EXPECT_TRUE(names("leases/").empty());
  expect_whole();
}

TEST_F(PruneTest, CountsNothingThatAnEndedLeaseLeaves) {
  // It wakes up, puts its snapshot, and dies before it can look whether its lease stood.
  const auto writing = open();
  auto writer = lease(*writing, "backup", repo::LeaseUse::kWriting);
  const snapshot::Snapshot like_older = *writing->read_snapshot(*older_.id);
  forget(older_);
  clock_.advance(std::chrono::hours(100));
  prune_well(thorough());
  faults_.crash_at(faults_.calls() + 3, backend::FaultBackend::Effect::kLost);
  EXPECT_EQ(code_of(writing->commit_snapshot(like_older, *writer)), "cancelled");
  EXPECT_EQ(names("snapshots/").size(), 2U);
  EXPECT_EQ(open_past_faults()->snapshots([](const auto&, const auto&) {})->size(), 1U);
  expect_whole();
  const auto repository = open_past_faults();
  Activity activity = watch_->activity();
  EXPECT_EQ(problem(prune(*repository, thorough(), activity)), "");
  EXPECT_EQ(names("snapshots/").size(), 1U);
}

TEST_F(PruneTest, StopsWhenASnapshotCannotBeRead) {
  forget(older_);
  replace(name_of(newer_), [](Bytes& bytes) { bytes[100] ^= 1; });
  const auto before = stored_bytes();
  const auto report = try_prune(thorough());
  EXPECT_EQ(code_of(report), "corruption");
  EXPECT_NE(report.error().hint(), "");
  EXPECT_EQ(stored_bytes(), before);
  EXPECT_TRUE(names("leases/").empty());
}

TEST_F(PruneTest, StopsWhenAnIndexRunCannotBeRead) {
  forget(older_);
  replace(names("index/").front(), [](Bytes& bytes) { bytes[100] ^= 1; });
  const auto before = stored_bytes();
  EXPECT_EQ(code_of(try_prune(thorough())), "corruption");
  EXPECT_EQ(stored_bytes(), before);
  // The next backup mends it.
  backup_well();
  EXPECT_EQ(problem(try_prune(thorough())), "");
  expect_whole();
}

TEST_F(PruneTest, StopsWhenTheIndexIsNeverTheSameTwice) {
  class Restless final : public backend::ForwardingBackend {
   public:
    Restless(backend::Backend& inner, std::function<void()> step)
        : ForwardingBackend(inner), step_(std::move(step)) {}
    Result<void> list(
        std::string_view prefix,
        const std::function<Result<void>(const backend::ObjectInfo&)>& each) override {
      if (prefix == "index/") step_();
      return inner_.list(prefix, each);
    }

   private:
    const std::function<void()> step_;
  };
  forget(older_);
  std::uint64_t seed = 8000;
  Restless restless(memory_, [&] {
    const auto writer = open_past_faults();
    repo::StoreSession session(*writer, {}, repo::StoreSession::Mode::kStore);
    store(*writer, session, {noise(500, ++seed)});
    EXPECT_EQ(problem(session.flush()), "");
  });
  backend::Backend& store_of_others = restless;
  auto repository =
      repo::Repository::open(std::make_unique<backend::ForwardingBackend>(store_of_others),
                             repo::test_credential(), {}, {.clock = clock_, .rng = rng_});
  ASSERT_EQ(problem(repository), "");
  const std::size_t before = packs();
  Watch watch;
  Activity activity = watch.activity();
  const auto report = prune(**repository, thorough(), activity);
  EXPECT_EQ(code_of(report), "unavailable");
  EXPECT_NE(problem(report).find("changes faster than it can be read"), std::string::npos);
  EXPECT_EQ(packs(), before + (seed - 8000)) << "nothing was freed";
  EXPECT_TRUE(names("leases/").empty());
}

TEST_F(PruneTest, KeepsADamagedPackAndFreesTheRest) {
  forget(older_);
  // Every data pack that is needed in part gets a bad frame.
  std::uint64_t damaged = 0;
  for (const std::string& name : names("data/")) {
    if (damaged == 1) break;
    replace(name, [](Bytes& bytes) { bytes[80] ^= 1; });
    ++damaged;
  }
  const auto report = try_prune(thorough());
  ASSERT_EQ(problem(report), "");
  EXPECT_GT(report->bytes_freed, 0U);
}

TEST_F(PruneTest, DropsPacksThatNoRunNames) {
  // A run was killed before it wrote its index.
  ASSERT_EQ(problem(memory_.put("data/ab/ab" + std::string(62, '0'), noise(1000, 9))), "");
  const PruneReport report = prune_well();
  EXPECT_EQ(report.packs_removed, 1U);
  expect_whole();
}

TEST_F(PruneTest, LeavesStraysToAWriterThatRuns) {
  ASSERT_EQ(problem(memory_.put("data/ab/ab" + std::string(62, '0'), noise(1000, 9))), "");
  const auto writing = open();
  auto writer = lease(*writing, "backup", repo::LeaseUse::kWriting);
  EXPECT_EQ(prune_well().packs_dropped, 0U);
}

// duplicacy PruneMultipleThread
TEST_F(PruneTest, StoresAgainTheSameWithThreadsOfItsOwn) {
  forget(older_);
  const auto before = memory_.objects();
  const PruneReport alone = prune_well(thorough());
  memory_.set_objects(before);
  PruneOptions options = thorough();
  options.threads = 3;
  const PruneReport together = prune_well(options);
  EXPECT_GT(together.packs_repacked, 0U);
  EXPECT_EQ(together.packs_repacked, alone.packs_repacked);
  EXPECT_EQ(together.bytes_freed, alone.bytes_freed);
  expect_whole();
  expect_holds_the_tree(newer_);
}

TEST_F(PruneTest, MakesDurableWhatItGoesByBeforeItFreesAnything) {
  class Watching final : public backend::ForwardingBackend {
   public:
    using ForwardingBackend::ForwardingBackend;
    Result<void> adopt_names(std::string_view prefix) override {
      adopted_ = adopted_ || prefix == "snapshots/";
      return inner_.adopt_names(prefix);
    }
    Result<void> barrier() override {
      durable_ = adopted_;
      return inner_.barrier();
    }
    Result<void> remove(std::string_view name) override {
      if (name.starts_with("data/") || name.starts_with("meta/")) {
        EXPECT_TRUE(durable_) << name;
        ++removed;
      }
      return inner_.remove(name);
    }
    int removed = 0;

   private:
    bool adopted_ = false;
    bool durable_ = false;
  };
  forget(older_);
  clock_.advance(std::chrono::seconds(60));
  auto watching = std::make_unique<Watching>(memory_);
  const Watching& watched = *watching;
  auto repository = repo::Repository::open(std::move(watching), repo::test_credential(), {},
                                           {.clock = clock_, .rng = rng_});
  ASSERT_EQ(problem(repository), "");
  Watch watch;
  Activity activity = watch.activity();
  ASSERT_EQ(problem(prune(**repository, thorough(), activity)), "");
  EXPECT_GT(watched.removed, 0);
}

class PruneOfAFullStore : public PruneTest, public testing::WithParamInterface<std::size_t> {};

INSTANTIATE_TEST_SUITE_P(Threads, PruneOfAFullStore, testing::Values(0, 2));

TEST_P(PruneOfAFullStore, FreesBeforeItCopies) {
  forget(older_);
  faults_.limit_space(8 * 1024);
  PruneOptions options = thorough();
  options.threads = GetParam();
  const auto report = try_prune(options);
  EXPECT_EQ(code_of(report), "no_space");
  EXPECT_LT(stored_bytes(), 700'000U);
  faults_.limit_space(~0ULL);
  prune_well(thorough());
  expect_whole();
  expect_holds_the_tree(newer_);
}

// ---- wherever it is cut (duplicacy PruneWithFossils: fossils that a collection left behind)

class PruneThatIsCut : public PruneTest {
 protected:
  void cut_everywhere(backend::FaultBackend::Effect effect) {
    forget(older_);
    const auto before = memory_.objects();
    for (std::uint64_t number = 1;; ++number) {
      memory_.set_objects(before);
      backend::FaultBackend faults(memory_, backend::FaultBackend::Numbered::kChanges);
      faults.crash_at(number, effect);
      auto repository =
          repo::Repository::open(std::make_unique<backend::ForwardingBackend>(faults),
                                 repo::test_credential(), {}, {.clock = clock_, .rng = rng_});
      ASSERT_EQ(problem(repository), "");
      {
        Watch watch;
        Activity activity = watch.activity();
        PruneOptions options = thorough();
        options.uploads = 0;
        (void)prune(**repository, options, activity);
      }
      SCOPED_TRACE("cut at change " + std::to_string(number) + ", " + faults.crashed_in());
      expect_whole();
      expect_holds_the_tree(newer_);
      const BackupReport next = backup_well();
      expect_holds_the_tree(next);
      // Leases of the dead are dead after a while.
      clock_.advance(std::chrono::hours(1));
      prune_well(thorough());
      expect_whole();
      expect_holds_the_tree(newer_);
      EXPECT_EQ(prune_well(thorough()).packs_removed, 0U) << "one more was enough";
      if (HasFailure() || !faults.crashed()) {
        EXPECT_GT(number, 10U);
        return;
      }
    }
  }
};

TEST_F(PruneThatIsCut, LeavesEverythingWholeWhenTheChangeIsLost) {
  cut_everywhere(backend::FaultBackend::Effect::kLost);
}

TEST_F(PruneThatIsCut, LeavesEverythingWholeWhenTheChangeTookEffect) {
  cut_everywhere(backend::FaultBackend::Effect::kApplied);
}

}  // namespace
}  // namespace backstay::engine
