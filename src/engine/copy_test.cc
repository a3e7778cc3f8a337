#include "engine/copy.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <string>
#include <vector>

#include "backend/forwarding_backend.h"
#include "engine/notes.h"
#include "engine/testing/copy_fixture.h"

namespace backstay::engine {
namespace {

using Copy = CopyFixture;

TEST_F(Copy, HoldsWhatTheOriginalsHoldByteForByte) {
  const auto first_tree = contents_of(tree_);
  backup_well();
  tree_.add_file("/home/user/new", noise(50'000, 9));
  tree_.add_file("/home/user/large", noise(210'000, 10));
  tree_.remove("/etc/small");
  backup_well();
  const CopyReport report = copy_well();
  EXPECT_EQ(report.copied, 2U);
  EXPECT_EQ(report.failed, 0U);
  const auto copies = second_snapshots();
  ASSERT_EQ(copies.size(), 2U);
  EXPECT_TRUE(contents_of_copy(copies[0].snapshot) == first_tree);
  EXPECT_TRUE(contents_of_copy(copies[1].snapshot) == contents_of(tree_));
  EXPECT_EQ(problems_of_second(), "");
}

// How another repository is made. Nothing of packs and frames can be taken over as it is.
struct OtherSizes {
  const char* name;
  chunk::CutSizes cut;
  std::uint32_t frame_bytes;
  std::uint32_t pack_bytes;
  repo::Compression compression;
  crypto::Suite suite;
};

class CopyIntoOtherSizes : public CopyFixture, public testing::WithParamInterface<OtherSizes> {};

INSTANTIATE_TEST_SUITE_P(
    Of, CopyIntoOtherSizes,
    testing::Values(
        OtherSizes{.name = "Larger",
                   .cut = {.min_bytes = 4096, .normal_bytes = 16384, .max_bytes = 65536},
                   .frame_bytes = 64 * 1024,
                   .pack_bytes = 512 * 1024,
                   .compression = {.mode = repo::Compression::Mode::kOff},
                   .suite = crypto::Suite::kChaCha20Poly1305},
        OtherSizes{.name = "Smaller",
                   .cut = {.min_bytes = 512, .normal_bytes = 1024, .max_bytes = 4096},
                   .frame_bytes = 4 * 1024,
                   .pack_bytes = 64 * 1024,
                   .compression = {.mode = repo::Compression::Mode::kLevel, .level = 19},
                   .suite = crypto::Suite::kAes256Gcm}),
    [](const auto& tested) { return tested.param.name; });

TEST_P(CopyIntoOtherSizes, HoldsWhatTheOriginalsHoldAndGoesBack) {
  std::vector<std::map<std::string, Bytes>> trees{contents_of(tree_)};
  backup_well();
  tree_.add_file("/home/user/new", noise(50'000, 9));
  tree_.add_file("/home/user/long", Bytes(90'000, 'l'));
  trees.push_back(contents_of(tree_));
  backup_well();
  repo::Config config = repo::small_config(rng_);
  config.cut = GetParam().cut;
  config.frame_bytes = GetParam().frame_bytes;
  config.pack_bytes = GetParam().pack_bytes;
  config.compression = GetParam().compression;
  config.suite = GetParam().suite;
  make_second(config);
  // There, and from there into one like the first.
  for (const char* const way : {"there", "back"}) {
    SCOPED_TRACE(way);
    EXPECT_EQ(copy_well().copied, 2U);
    EXPECT_EQ(copy_well().there_already, 2U);
    const auto copies = second_snapshots();
    ASSERT_EQ(copies.size(), 2U);
    for (std::size_t i = 0; i < copies.size(); ++i)
      EXPECT_TRUE(contents_of_copy(copies[i].snapshot) == trees[i]) << i;
    EXPECT_EQ(problems_of_second(), "");
    memory_.set_objects(second_memory_.objects());
    make_second();
  }
}

TEST_F(Copy, KeepsAllThatTheOriginalSaysOfItself) {
  BackupOptions options = backup_options();
  options.tags = {"daily", "web"};
  options.description = "before the upgrade";
  options.excludes = {"*.tmp"};
  tree_.node("/etc/small").entry.uid = 70'001;  // nobody of this machine
  const snapshot::Snapshot original = backup_well(options).snapshot;
  copy_well();
  const auto copies = second_snapshots();
  ASSERT_EQ(copies.size(), 1U);
  snapshot::Snapshot copy = copies[0].snapshot;
  EXPECT_TRUE(copy.origin.starts_with("backstay:")) << copy.origin;
  EXPECT_NE(copy.tree, original.tree);
  EXPECT_GT(copy.stats.bytes_stored, 0U);
  copy.origin.clear();
  copy.tree = original.tree;
  copy.lease = original.lease;
  copy.stats.bytes_added = original.stats.bytes_added;
  copy.stats.bytes_stored = original.stats.bytes_stored;
  EXPECT_EQ(copy, original);
}

TEST_F(Copy, IsMadeOnce) {
  backup_well();
  copy_well();
  const CopyReport again = copy_well();
  EXPECT_EQ(again.copied, 0U);
  EXPECT_EQ(again.there_already, 1U);
  EXPECT_EQ(second_snapshots().size(), 1U);
  ASSERT_EQ(copied_.size(), 1U);
  EXPECT_EQ(copied_[0].copy, second_snapshots()[0].id);
}

TEST_F(Copy, PassesOverWhatIsForgottenBeforeItsTurn) {
  backup_well();
  tree_.add_file("/home/user/new", noise(5'000, 9));
  const snapshot::SnapshotId second = *backup_well().id;
  on_copied_ = [&](const CopiedSnapshot& one) {
    if (one.original.id == second) return;
    const std::string name =
        repo::object_name(repo::ObjectKind::kSnapshot, repo::ObjectId{second.bytes});
    EXPECT_EQ(problem(memory_.remove(name)), "");
  };
  const CopyReport report = copy_well();
  EXPECT_EQ(report.copied, 1U);
  EXPECT_EQ(report.forgotten, 1U);
  EXPECT_EQ(report.failed, 0U);
  EXPECT_EQ(copied_.back().outcome, CopyOutcome::kForgotten);
}

TEST_F(Copy, ThatGoesBackIsKnownForWhatItIs) {
  backup_well();
  copy_well();
  const auto second = open_second();
  const auto first = try_open();
  ASSERT_EQ(problem(first), "");
  const auto snapshots = second_snapshots();
  ASSERT_EQ(problem(second->load_index([](const auto&, const Error&) {})), "");
  Watch watch;
  Activity activity = watch.activity();
  const auto report = copy(*second, **first, snapshots, {}, activity, [](const auto&) {});
  ASSERT_EQ(problem(report), "");
  EXPECT_EQ(report->there_already, 1U);
  EXPECT_EQ(report->copied, 0U);
}

TEST_F(Copy, OfALaterSnapshotStoresOnlyWhatIsNew) {
  backup_well();
  copy_well();
  tree_.add_file("/home/user/new", noise(5'000, 9));
  backup_well();
  const CopyReport report = copy_well();
  EXPECT_EQ(report.copied, 1U);
  EXPECT_GE(report.bytes_added, 5'000U);
  EXPECT_LT(report.bytes_added, 40'000U) << "the file, and pages of the tree";
  EXPECT_EQ(second_snapshots().back().snapshot.parent, second_snapshots().front().id);
}

TEST_F(Copy, FindsChangedBytesThoughNoTimeChanged) {
  backup_well();
  const snapshot::Entry before = tree_.node("/home/user/text").entry;
  tree_.add_file("/home/user/text", Bytes(30'000, 'u'));
  tree_.node("/home/user/text").entry = before;
  BackupOptions full = backup_options();
  full.type = snapshot::BackupType::kFull;
  backup_well(full);
  copy_well();
  const auto copies = second_snapshots();
  ASSERT_EQ(copies.size(), 2U);
  EXPECT_TRUE(contents_of_copy(copies[1].snapshot) == contents_of(tree_));
}

TEST_F(Copy, TakesNoAttributesFromOlderSnapshots) {
  // Without a change time, as entries are kept whose attributes could not all be read.
  snapshot::Entry& entry = tree_.node("/home/nobody").entry;
  entry.changed = {};
  entry.xattrs = {{"user.a", {1}}};
  backup_well();
  entry.xattrs = {{"user.b", {2}}};
  BackupOptions full = backup_options();
  full.type = snapshot::BackupType::kFull;
  backup_well(full);
  const CopyReport report = copy_well();
  EXPECT_EQ(report.copied, 2U);
  EXPECT_EQ(report.failed, 0U);
}

TEST_F(Copy, ReadsFramesOfManySmallFilesOnce) {
  for (std::uint64_t i = 0; i < 400; ++i)
    tree_.add_file("/small/" + std::to_string(i), noise(100, 1'000 + i));
  backup_well();
  const std::uint64_t before = faults_.calls();
  copy_well();
  EXPECT_LT(faults_.calls() - before, 300U);
}

TEST_F(Copy, OfOneSnapshotIsComparedWithCopiesThatWereMadeBefore) {
  backup_well();
  copy_well();
  tree_.add_file("/home/user/new", noise(5'000, 9));
  const auto latest = backup_well();
  const auto from = try_open();
  ASSERT_EQ(problem(from), "");
  ASSERT_EQ(problem((*from)->load_index([](const auto&, const Error&) {})), "");
  const auto to = open_second();
  Watch watch;
  Activity activity = watch.activity();
  const std::vector<repo::StoredSnapshot> only{{.id = *latest.id, .snapshot = latest.snapshot}};
  const auto report = copy(**from, *to, only, {}, activity, [](const auto&) {});
  ASSERT_EQ(problem(report), "");
  EXPECT_EQ(report->copied, 1U);
  EXPECT_TRUE(second_snapshots().back().snapshot.parent.has_value());
}

TEST_F(Copy, IsNotBelievedToBeThereBecauseAnotherSnapshotSaysSo) {
  const auto victim = backup_well();
  {
    const auto second = open_second();
    const auto from = try_open();
    snapshot::Snapshot forged = victim.snapshot;
    forged.origin =
        origin_of((*from)->config().id, {.id = *victim.id, .snapshot = victim.snapshot});
    forged.stats.files_total += 1;
    ASSERT_EQ(problem(second->commit_snapshot(forged)), "");
  }
  EXPECT_EQ(copy_well().copied, 1U);
}

TEST_F(Copy, LetsLaterBackupsToTheOtherRepositoryFindTheirBytes) {
  backup_well();
  copy_well();
  const auto second = open_second();
  Watch watch;
  const auto report = back_up(*second, tree_, backup_options(), watch);
  ASSERT_EQ(problem(report), "");
  EXPECT_EQ(report->snapshot.stats.files_new, 0U);
  EXPECT_EQ(report->snapshot.stats.bytes_read, 0U) << "it was compared with the copy";
  BackupOptions full = backup_options();
  full.type = snapshot::BackupType::kFull;
  const auto anew = back_up(*second, tree_, full, watch);
  ASSERT_EQ(problem(anew), "");
  EXPECT_EQ(anew->snapshot.stats.bytes_added, 0U) << "all chunks are there under the same names";
}

TEST_F(Copy, OfWhatCannotBeReadWholeIsNotMadeAndTheOthersAre) {
  backup_well();
  tree_.add_file("/home/user/doomed", noise(60'000, 77));
  const auto before = names("data/");
  backup_well();
  tree_.remove("/home/user/doomed");
  backup_well();
  for (const std::string& name : names("data/")) {
    if (std::ranges::find(before, name) == before.end())
      replace(name, [](Bytes& pack) { pack[pack.size() / 3] ^= 1; });
  }
  const CopyReport report = copy_well();
  EXPECT_EQ(report.copied, 2U);
  EXPECT_EQ(report.failed, 1U);
  ASSERT_EQ(copied_.size(), 3U);
  EXPECT_EQ(copied_[1].outcome, CopyOutcome::kFailed);
  EXPECT_FALSE(copied_[1].copy.has_value());
  EXPECT_EQ(second_snapshots().size(), 2U);
  EXPECT_EQ(problems_of_second(), "");
}

TEST_F(Copy, OfAFileThatChangedWhileItWasReadKeepsTheMarkAndReportsNothing) {
  backup_well();
  auto& file = tree_.node("/home/user/large");
  file.entry.size_bytes += 1;  // as the walk saw it, not as it was read
  backup_well();
  const CopyReport report = copy_well();
  EXPECT_EQ(report.copied, 2U);
  EXPECT_EQ(report.failed, 0U);
}

TEST_F(Copy, InADryRunStoresNothing) {
  backup_well();
  const auto before = second_memory_.objects();
  CopyOptions options;
  options.dry_run = true;
  const auto report = try_copy(options);
  ASSERT_EQ(problem(report), "");
  EXPECT_EQ(report->copied, 1U);
  EXPECT_EQ(copied_[0].outcome, CopyOutcome::kWouldBeCopied);
  EXPECT_EQ(second_memory_.objects(), before);
}

TEST_F(Copy, CutAtAnyCallIsFinishedByTheNextOneAndNothingIsLost) {
  backup_well();
  tree_.add_file("/home/user/new", noise(50'000, 9));
  backup_well();
  const auto wanted = contents_of(tree_);
  const auto empty = second_memory_.objects();
  std::uint64_t call = 0;
  for (bool cut = true; cut; call += call < 20 ? 1 : 7) {
    second_memory_.set_objects(empty);
    backend::FaultBackend faults(second_memory_, backend::FaultBackend::Numbered::kChanges);
    faults.crash_at(call + 1, backend::FaultBackend::Effect::kApplied);
    through_ = &faults;
    const auto interrupted = try_copy();
    through_ = nullptr;
    cut = faults.crashed();
    EXPECT_EQ(interrupted.has_value(), !cut) << faults.crashed_in();
    const CopyReport report = copy_well();
    EXPECT_EQ(report.copied + report.there_already, 2U) << "after " << faults.crashed_in();
    const auto copies = second_snapshots();
    ASSERT_EQ(copies.size(), 2U) << "after " << faults.crashed_in();
    EXPECT_TRUE(contents_of_copy(copies[1].snapshot) == wanted) << faults.crashed_in();
    EXPECT_EQ(problems_of_second(), "") << faults.crashed_in();
  }
  EXPECT_GT(call, 10U);
}

TEST_F(Copy, IntoTheSameRepositoryIsRefused) {
  backup_well();
  const auto one = open();
  const auto other = open();
  Watch watch;
  Activity activity = watch.activity();
  const auto report = copy(*one, *other, {}, {}, activity, [](const auto&) {});
  EXPECT_EQ(code_of(report), "invalid_argument");
}

repo::TagChange adding(const char* tag) {
  repo::TagChange change;
  change.added = {tag};
  return change;
}

TEST_F(Copy, IsFollowedByTagsAndHoldsThatCameLater) {
  BackupOptions options = backup_options();
  options.tags = {"first"};
  const auto original = backup_well(options);
  copy_well();
  {
    const auto from = try_open();
    ASSERT_EQ(problem(repo::store_tag_change(**from, *original.id, adding("later"))), "");
    repo::Hold hold;
    hold.reason = "audit";
    ASSERT_EQ(problem(repo::store_hold(**from, *original.id, hold)), "");
  }
  const CopyReport report = copy_well();
  EXPECT_EQ(report.there_already, 1U);
  EXPECT_EQ(report.notes_carried, 2U);
  const snapshot::SnapshotId copy = second_snapshots().front().id;
  EXPECT_EQ(second_snapshots().front().snapshot.tags, (std::vector<std::string>{"first", "later"}));
  const auto holds = repo::list_holds(*open_second());
  ASSERT_EQ(holds->size(), 1U);
  EXPECT_EQ(holds->front().snapshot, copy);
  EXPECT_EQ(holds->front().hold.reason, "audit");
  // What is there is not carried again, nor does it undo what was changed about the copy.
  repo::TagChange other;
  other.replaces = true;
  other.added = {"own"};
  ASSERT_EQ(problem(repo::store_tag_change(*open_second(), copy, other)), "");
  EXPECT_EQ(copy_well().notes_carried, 0U);
  EXPECT_EQ(second_snapshots().front().snapshot.tags, std::vector<std::string>{"own"});
}

TEST_F(Copy, HasTheTagsOfTodayAndTheirHistory) {
  BackupOptions options = backup_options();
  options.tags = {"first"};
  const auto original = backup_well(options);
  {
    const auto from = try_open();
    ASSERT_EQ(problem(repo::store_tag_change(**from, *original.id, adding("later"))), "");
  }
  EXPECT_EQ(copy_well().notes_carried, 1U);
  EXPECT_EQ(second_snapshots().front().snapshot.tags, (std::vector<std::string>{"first", "later"}));
  EXPECT_EQ(copy_well().notes_carried, 0U);
}

TEST_F(Copy, OfALockedSnapshotIsLockedInItsStoreToo) {
  const auto original = backup_well();
  repo::Hold hold;
  hold.locked = true;
  hold.until = Timestamp{.seconds = clock_.now().seconds + 86'400, .nanos = 0};
  ASSERT_EQ(problem(repo::store_hold(*open(), *original.id, hold)), "");
  copy_well();
  const auto copy = second_snapshots().front().id;
  const std::string name =
      repo::object_name(repo::ObjectKind::kSnapshot, repo::ObjectId{copy.bytes});
  EXPECT_EQ(second_memory_.retention(name).value(), hold.until);
}

TEST_F(Copy, OfWhatAWriteOnlyClientMadeIsNoParent) {
  const auto original = backup_well();
  const auto from = try_open();
  ASSERT_EQ(problem((*from)->load_index([](const auto&, const Error&) {})), "");
  const auto to = open_second();
  Watch watch;
  Activity activity = watch.activity();
  const std::vector<repo::StoredSnapshot> only{{.id = *original.id,
                                                .snapshot = original.snapshot,
                                                .tags_known = true,
                                                .by_full_key = false}};
  ASSERT_EQ(problem(copy(**from, *to, only, {}, activity, [](const auto&) {})), "");
  const auto copies = second_snapshots();
  ASSERT_EQ(copies.size(), 1U);
  EXPECT_FALSE(copies.front().by_full_key);
  EXPECT_FALSE(choose_parent(copies, backup_options(), clock_.now()).has_value());
}

// Lets somebody else act just before the first object of some kind is put.
class Meanwhile final : public backend::ForwardingBackend {
 public:
  Meanwhile(backend::Backend& inner, std::string prefix, std::function<void()> step)
      : ForwardingBackend(inner), prefix_(std::move(prefix)), step_(std::move(step)) {}
  using Backend::put;
  Result<void> put(std::string_view name, std::span<const ByteView> pieces) override {
    if (step_ && name.starts_with(prefix_)) std::exchange(step_, nullptr)();
    return ForwardingBackend::put(name, pieces);
  }

 private:
  const std::string prefix_;
  std::function<void()> step_;
};

TEST_F(Copy, OfOneSnapshotByTwoAtOnceRemainsOne) {
  backup_well();
  for (const char* const moment : {"data/", "index/", "snapshots/"}) {
    SCOPED_TRACE(moment);
    make_second();
    Meanwhile meanwhile(second_memory_, moment, [&] {
      through_ = nullptr;
      // The first run goes on with its own watch afterwards.
      std::unique_ptr<Watch> own = std::move(watch_);
      EXPECT_EQ(copy_well().copied, 1U);
      watch_ = std::move(own);
      clock_.advance(std::chrono::seconds(1));
    });
    through_ = &meanwhile;
    const CopyReport report = copy_well();
    through_ = nullptr;
    EXPECT_EQ(report.there_already, 1U);
    EXPECT_EQ(second_snapshots().size(), 1U);
    EXPECT_TRUE(contents_of_copy(second_snapshots().front().snapshot) == contents_of(tree_));
    EXPECT_EQ(problems_of_second(), "");
  }
}

// A folder has the time at which bytes were written, which is before others see them.
TEST_F(Copy, OfOneSnapshotByTwoAtOnceRemainsOneAlsoWhenTheFirstIsSeenLast) {
  backup_well();
  make_second();
  Meanwhile meanwhile(second_memory_, "snapshots/", [&] {
    through_ = nullptr;
    std::unique_ptr<Watch> own = std::move(watch_);
    clock_.advance(std::chrono::seconds(10));
    EXPECT_EQ(copy_well().copied, 1U);
    clock_.advance(-std::chrono::seconds(20));
    watch_ = std::move(own);
  });
  through_ = &meanwhile;
  const CopyReport report = copy_well();
  through_ = nullptr;
  EXPECT_EQ(report.copied, 1U);
  ASSERT_EQ(second_snapshots().size(), 1U);
  EXPECT_TRUE(contents_of_copy(second_snapshots().front().snapshot) == contents_of(tree_));
  EXPECT_EQ(problems_of_second(), "");
}

}  // namespace
}  // namespace backstay::engine
