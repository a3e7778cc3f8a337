// What the store keeps of a locked snapshot, and what a collection makes of it.
#include "engine/store_lock.h"

#include <gtest/gtest.h>

#include "backend/forwarding_backend.h"
#include "engine/forget.h"
#include "engine/notes.h"
#include "engine/testing/prune_fixture.h"
#include "repo/generation.h"

namespace backstay::engine {
namespace {

constexpr std::int64_t kDay = 86'400;

class StoreLock : public PruneFixture {
 protected:
  void SetUp() override {
    PruneFixture::SetUp();
    contents_ = contents_of_stored(*older_.id);
    newest_contents_ = contents_of_stored(*newer_.id);
  }
  [[nodiscard]] Timestamp in_days(std::int64_t days) const {
    return {.seconds = clock_.now().seconds + days * kDay, .nanos = 0};
  }
  Result<StoreLockReport> try_lock(const BackupReport& report, Timestamp until) {
    const auto repository = TRY(try_open());
    watch_ = std::make_unique<Watch>();
    Activity activity = watch_->activity();
    return lock_in_store(*repository, {*report.id}, until, activity);
  }
  StoreLockReport lock_well(const BackupReport& report, Timestamp until) {
    auto locked = try_lock(report, until);
    EXPECT_EQ(problem(locked), "");
    return locked.value_or(StoreLockReport{});
  }
  // As somebody with the rights of a client does; returns how many went.
  std::size_t remove_all_that_goes() {
    std::size_t gone = 0;
    for (const auto& [name, bytes] : memory_.objects()) {
      if (memory_.remove(name)) ++gone;
    }
    return gone;
  }
  // Somebody with a full key says that a collection ended all leases, and names no snapshot.
  void plant_generation_that_ends_all() {
    const auto repository = open_past_faults();
    repo::Generation planted;
    planted.number = repository->generation() + 1;
    planted.time = clock_.now();
    for (const BackupReport* const one : {&older_, &newer_}) {
      const auto snapshot = repository->read_snapshot(*one->id);
      planted.ended_leases.push_back(repo::LeaseId{snapshot->lease->bytes});
    }
    ASSERT_EQ(problem(repo::create_generation(memory_, planted, repository->config().id,
                                              repository->keyring())),
              "");
  }
  std::set<snapshot::SnapshotId> counted() {
    const auto repository = open_past_faults();
    std::set<snapshot::SnapshotId> ids;
    const auto found = repository->snapshots([](const auto&, const Error&) {});
    EXPECT_EQ(problem(found), "");
    for (const auto& stored : *found) ids.insert(stored.id);
    return ids;
  }

  std::map<std::string, Bytes> contents_;
  std::map<std::string, Bytes> newest_contents_;
};

TEST_F(StoreLock, KeepsAllThatReadingASnapshotTakesFromWhoRemovesAllElse) {
  const StoreLockReport report = lock_well(older_, in_days(30));
  EXPECT_EQ(report.chunks_missing, 0U);
  EXPECT_GT(report.packs, 0U);
  EXPECT_GT(remove_all_that_goes(), 0U);
  EXPECT_TRUE(contents_of_stored(*older_.id) == contents_);
  EXPECT_EQ(counted(), std::set{*older_.id});
}

TEST_F(StoreLock, KeepsNoMorePacksThanTheSnapshotNeeds) {
  const StoreLockReport report = lock_well(newer_, in_days(30));
  EXPECT_LT(report.packs, packs());
  std::size_t kept = 0;
  for (const auto& [name, bytes] : memory_.objects())
    if (memory_.retention(name).value()) ++kept;
  EXPECT_EQ(kept, report.objects);
}

TEST_F(StoreLock, EndsWithItsTimeAndIsExtendedWithoutBeingShortened) {
  const Timestamp later = in_days(40);
  lock_well(older_, in_days(30));
  lock_well(older_, later);
  lock_well(older_, in_days(10));
  EXPECT_EQ(memory_.retention(name_of(older_)).value(), later);
  clock_.advance(std::chrono::seconds(39 * kDay));
  EXPECT_FALSE(memory_.remove(name_of(older_)).has_value());
  clock_.advance(std::chrono::seconds(2 * kDay));
  remove_all_that_goes();
  EXPECT_TRUE(memory_.objects().empty());
}

TEST_F(StoreLock, GoesOnWhereItWasCut) {
  const backend::MemoryBackend::Objects before = memory_.objects();
  for (std::uint64_t number = 1;; ++number) {
    ASSERT_LT(number, 500U);
    memory_.set_objects(before);
    backend::FaultBackend faults(memory_, backend::FaultBackend::Numbered::kChanges);
    faults.crash_at(number, backend::FaultBackend::Effect::kLost);
    auto opened =
        repo::Repository::open(std::make_unique<backend::ForwardingBackend>(faults),
                               repo::test_credential(), {}, {.clock = clock_, .rng = rng_});
    ASSERT_EQ(problem(opened), "");
    Watch watch;
    Activity activity = watch.activity();
    const auto cut = lock_in_store(**opened, {*older_.id}, in_days(30), activity);
    if (cut) break;
    EXPECT_EQ(cut.error().code(), ErrorCode::kCancelled);
    // The snapshot comes last: who sees it locked sees all locked.
    if (number % 7 == 0 && memory_.retention(name_of(older_)).value()) {
      remove_all_that_goes();
      EXPECT_TRUE(contents_of_stored(*older_.id) == contents_);
    }
  }
  remove_all_that_goes();
  EXPECT_TRUE(contents_of_stored(*older_.id) == contents_);
}

TEST_F(StoreLock, LetsAPruneEndWellBesideWhatIsLocked) {
  lock_well(older_, in_days(30));
  ASSERT_EQ(problem(memory_.remove(name_of(newer_))), "");
  prune_well(thorough());
  EXPECT_TRUE(contents_of_stored(*older_.id) == contents_);
  expect_whole();
}

TEST_F(StoreLock, IsCountedByAPruneThatWouldFreeMore) {
  const std::vector<std::string> all = names("data/");
  const Timestamp until = in_days(30);
  for (const std::string& pack : all) ASSERT_EQ(problem(memory_.retain(pack, until)), "");
  forget(older_);
  const std::uint64_t before = stored_bytes();
  const PruneReport first = prune_well(thorough());
  EXPECT_GT(first.packs_locked, 0U);
  EXPECT_GT(first.bytes_locked, 0U);
  EXPECT_EQ(first.locked_until, until);
  EXPECT_EQ(names("data/"), all) << "nothing was stored again, nothing went";
  EXPECT_TRUE(contents_of_stored(*newer_.id) == newest_contents_);
  clock_.advance(std::chrono::seconds(31 * kDay));
  const PruneReport second = prune_well(thorough());
  EXPECT_EQ(second.packs_locked, 0U);
  prune_well(thorough());
  EXPECT_LT(stored_bytes(), before);
  EXPECT_TRUE(contents_of_stored(*newer_.id) == newest_contents_);
}

TEST_F(StoreLock, LeavesCondemnedPacksThatWereLockedSince) {
  forget(older_);
  PruneOptions options = thorough();
  {
    // A reader that began before keeps them from going at once.
    const auto repository = open_past_faults();
    const auto reader = lease(*repository, "restore", repo::LeaseUse::kReading);
    prune_well(options);
    ASSERT_EQ(problem(reader->release()), "");
  }
  for (const std::string& pack : names("data/"))
    ASSERT_EQ(problem(memory_.retain(pack, in_days(30))), "");
  const std::vector<std::string> all = names("data/");
  const PruneReport report = prune_well(options);
  EXPECT_GT(report.packs_locked, 0U);
  EXPECT_EQ(names("data/"), all);
  expect_whole();
}

TEST_F(StoreLock, IsRefusedForASnapshotThatIsGone) {
  forget(older_);
  EXPECT_EQ(code_of(try_lock(older_, in_days(1))), "not_found");
}

TEST_F(StoreLock, KeepsASnapshotInSightWhoseLeaseSomebodySaysWasEnded) {
  lock_well(older_, in_days(30));
  plant_generation_that_ends_all();
  EXPECT_EQ(counted(), std::set{*older_.id});
  prune_well();
  EXPECT_TRUE(contents_of_stored(*older_.id) == contents_);
}

TEST_F(StoreLock, IsNotNeededForThatWhereTheStoreIsAppendOnly) {
  ASSERT_EQ(problem(memory_.set_append_only(backend::AppendOnly::kOn)), "");
  plant_generation_that_ends_all();
  const std::set<snapshot::SnapshotId> both{*older_.id, *newer_.id};
  EXPECT_EQ(counted(), both);
  const auto repository = open_past_faults();
  EXPECT_EQ(snapshots_that_would_not_count(*repository)->size(), 2U);
  ASSERT_EQ(problem(memory_.set_append_only(backend::AppendOnly::kOff)), "");
  EXPECT_TRUE(counted().empty());
}

TEST_F(StoreLock, AppendOnlyStoresRefuseWhatRemovesBeforeItBegins) {
  ASSERT_EQ(problem(memory_.set_append_only(backend::AppendOnly::kOn)), "");
  const backend::MemoryBackend::Objects before = memory_.objects();
  const auto repository = open_past_faults();
  Watch watch;
  Activity activity = watch.activity();
  ForgetOptions options;
  options.named = {*older_.id};
  EXPECT_EQ(code_of(engine::forget(*repository, options, {}, activity)), "permission_denied");
  EXPECT_EQ(code_of(engine::prune(*repository, {}, activity)), "permission_denied");
  EXPECT_EQ(code_of(release(*repository, {*older_.id}, activity)), "permission_denied");
  EXPECT_EQ(memory_.objects(), before);
  options.dry_run = true;
  PruneOptions dry;
  dry.dry_run = true;
  EXPECT_EQ(problem(engine::forget(*repository, options, {}, activity)), "");
  EXPECT_EQ(problem(engine::prune(*repository, dry, activity)), "");
}

TEST_F(StoreLock, AppendOnlyStoresTakeBackupsAndGiveThemBack) {
  ASSERT_EQ(problem(memory_.set_append_only(backend::AppendOnly::kOn)), "");
  // So many that runs of the index are merged, and stay all the same.
  for (std::uint64_t i = 0; i < 12; ++i) {
    tree_.add_file("/more/" + std::to_string(i), noise(10'000, 300 + i));
    expect_holds_the_tree(backup_well());
  }
  EXPECT_TRUE(names("leases/").empty());
  EXPECT_TRUE(contents_of_stored(*older_.id) == contents_);
  expect_whole();
}

// Who writes runs may say that his own takes the place of all others.
TEST_F(StoreLock, AppendOnlyStoresGiveBackWhatAPlantedIndexRunHides) {
  ASSERT_EQ(problem(memory_.set_append_only(backend::AppendOnly::kOn)), "");
  {
    const auto repository = open_past_faults();
    ASSERT_EQ(problem(repository->load_index([](const auto&, const Error&) {})), "");
    std::vector<repo::ObjectId> runs;
    std::vector<repo::PackEntries> packs;
    for (const auto& run : repository->index().runs()) runs.push_back(run->id());
    for (const auto& pack : repository->index().packs())
      packs.push_back(
          {.pack = pack.id, .kind = pack.kind, .size_bytes = pack.size_bytes, .chunks = {}});
    ASSERT_EQ(problem(repository->index().add(std::move(packs), std::move(runs))), "");
  }
  const auto repository = open_past_faults();
  repository->recover_when_needed([](const repo::RecoveredPacks&) {});
  ASSERT_EQ(problem(repository->load_index([](const auto&, const Error&) {})), "");
  const auto snapshot = repository->read_snapshot(*older_.id);
  const auto contents = contents_of(*repository, *snapshot);
  ASSERT_EQ(problem(contents), "");
  EXPECT_TRUE(*contents == contents_);
}

}  // namespace
}  // namespace backstay::engine
