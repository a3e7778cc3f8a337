#include "engine/backup.h"

#include <gtest/gtest.h>

#include <numeric>

#include "engine/testing/backup_fixture.h"

namespace backstay::engine {
namespace {

using snapshot::BackupType;
using snapshot::EntryType;
using snapshot::Extent;
using snapshot::ExtentKind;
using snapshot::Status;

class Backup : public BackupFixture {
 protected:
  void SetUp() override {
    BackupFixture::SetUp();
    plant_tree();
  }
  // What the repository grew by.
  std::size_t stored_bytes() const {
    std::size_t sum = 0;
    for (const auto& [name, bytes] : memory_.objects()) sum += bytes.size();
    return sum;
  }
  std::size_t files() const { return tree_.nodes().size() - tree_.count(EntryType::kDirectory); }
  static BackupOptions of_type(BackupType type) {
    BackupOptions options = backup_options();
    options.type = type;
    return options;
  }
  std::vector<Extent> extents_of(const BackupReport& report, const std::string& path) {
    const auto repository = open_past_faults();
    const auto entry = entry_in(report, path);
    EXPECT_TRUE(entry.has_value()) << path;
    std::vector<Extent> extents;
    EXPECT_EQ(problem(snapshot::for_each_extent(entry->content, entry->size_bytes, *repository,
                                                [&](std::uint64_t, const Extent& extent) {
                                                  extents.push_back(extent);
                                                  return Result<void>{};
                                                })),
              "");
    return extents;
  }
};

// ---- the first one

TEST_F(Backup, HoldsEverything) {
  const BackupReport report = backup_well();
  expect_holds_the_tree(report);
  const snapshot::SnapshotStats& stats = report.snapshot.stats;
  EXPECT_EQ(report.snapshot.type, BackupType::kFull);
  EXPECT_EQ(report.snapshot.status, Status::kComplete);
  EXPECT_FALSE(report.snapshot.parent);
  EXPECT_EQ(stats.files_total, files());
  EXPECT_EQ(stats.files_new, files());
  EXPECT_EQ(stats.dirs_total, tree_.count(EntryType::kDirectory));
  EXPECT_EQ(stats.files_changed + stats.files_unmodified + stats.files_deleted + stats.errors, 0U);
  EXPECT_EQ(report.snapshot.tree.entries, tree_.nodes().size());
  std::uint64_t bytes = 0;
  for (const auto& [key, node] : tree_.nodes()) {
    if (node.bytes != nullptr) bytes += node.bytes->size();
  }
  EXPECT_EQ(stats.bytes_total, bytes);
  EXPECT_EQ(stats.bytes_read, bytes - 50'000);  // without the hole
  EXPECT_EQ(watch_->progress.files_done, files());
}

TEST_F(Backup, LeavesNoLease) {
  backup_well();
  EXPECT_TRUE(names("leases/").empty());
}

TEST_F(Backup, KeepsAttributes) {
  snapshot::Entry& entry = tree_.node("/etc/small").entry;
  entry.mode = 04755;
  entry.uid = 12345;
  entry.xattrs = {{.name = "user.colour", .value = {1, 2, 3}}};
  const snapshot::Entry expected = entry;
  const auto kept = entry_in(backup_well(), "/etc/small");
  ASSERT_TRUE(kept);
  snapshot::Entry bare = *kept;
  bare.content = {};
  EXPECT_EQ(bare, expected);
}

TEST_F(Backup, OfAnEmptyTreeIsASnapshotToo) {
  for (const char* path : {"/etc", "/home", "/var"}) tree_.remove(path);
  const BackupReport report = backup_well();
  EXPECT_TRUE(report.id);
  EXPECT_EQ(report.snapshot.tree.entries, 1U);
}

TEST_F(Backup, OfAHugeFolderIsWhole) {
  for (std::uint64_t i = 0; i < 20'000; ++i) {
    tree_.add_file("/huge/" + std::to_string(i), i % 10 == 0 ? noise(20, i) : Bytes{});
  }
  const BackupReport report = backup_well();
  EXPECT_EQ(report.snapshot.tree.entries, tree_.nodes().size());
  EXPECT_GT(report.snapshot.tree.level, 0);
  expect_holds_the_tree(report);
}

TEST_F(Backup, RecordsPathsAndTagsInOrder) {
  BackupOptions options = backup_options();
  options.paths = {"/var", "/etc", "/var"};
  options.tags = {"b", "a", "b"};
  const BackupReport report = backup_well(options);
  EXPECT_EQ(report.snapshot.paths, (std::vector<std::string>{"/etc", "/var"}));
  EXPECT_EQ(report.snapshot.tags, (std::vector<std::string>{"a", "b"}));
  EXPECT_EQ(*open()->read_snapshot(*report.id), report.snapshot);
  // The series is the same in whatever order they are given.
  options.paths = {"/etc", "/var"};
  EXPECT_EQ(backup_well(options).snapshot.parent, report.id);
}

// ---- the second one

TEST_F(Backup, AttributesOfWhatDidNotChangeAreTakenFromTheParent) {
  tree_.add_symlink("/etc/link", "small");
  const std::vector<snapshot::ExtendedAttribute> xattrs = {{.name = "trusted.a", .value = {1}}};
  const auto paths = {"/etc", "/etc/link", "/etc/small"};
  for (const char* path : paths) {
    tree_.node(path).entry.xattrs = xattrs;
    tree_.node(path).entry.project_id = 7;
  }
  backup_well();
  EXPECT_EQ(tree_.attributes_read,
            tree_.count(EntryType::kSymlink) + tree_.count(EntryType::kDirectory));
  const BackupReport second = backup_well();
  EXPECT_EQ(tree_.attributes_read, 0U);
  EXPECT_EQ(tree_.files_opened, 0U);
  EXPECT_EQ(second.snapshot.stats.files_unmodified, files());
  for (const char* path : paths) {
    const auto kept = entry_in(second, path);
    ASSERT_TRUE(kept) << path;
    EXPECT_EQ(kept->xattrs, xattrs) << path;
    EXPECT_EQ(kept->project_id, 7U) << path;
  }
  for (const char* path : {"/etc", "/etc/link"}) {
    tree_.node(path).entry.xattrs.clear();
    tree_.touch(path);
    EXPECT_EQ(entry_in(backup_well(), path)->xattrs.size(), 0U);
    EXPECT_EQ(tree_.attributes_read, 1U);
  }
}

TEST_F(Backup, AttributesThatCouldNotBeReadAreReadTheNextTime) {
  tree_.add_symlink("/etc/link", "small");
  const std::vector<snapshot::ExtendedAttribute> xattrs = {{.name = "trusted.a", .value = {1}}};
  const auto paths = {"/etc", "/etc/link", "/etc/small"};
  for (const char* path : paths) {
    tree_.node(path).entry.xattrs = xattrs;
    tree_.node(path).hides_attributes = true;
  }
  const auto first = try_backup();
  ASSERT_TRUE(first);
  EXPECT_EQ(first->snapshot.stats.errors, 3U);
  for (const char* path : paths) tree_.node(path).hides_attributes = false;
  const BackupReport second = backup_well();
  for (const char* path : paths) {
    const auto kept = entry_in(second, path);
    ASSERT_TRUE(kept) << path;
    EXPECT_EQ(kept->xattrs, xattrs) << path;
  }
}

TEST_F(Backup, OfAnUnchangedTreeReadsNothingAndStoresAlmostNothing) {
  const BackupReport first = backup_well();
  const std::size_t before = stored_bytes();
  const BackupReport second = backup_well();
  EXPECT_EQ(tree_.files_opened, 0U);
  EXPECT_EQ(second.snapshot.stats.bytes_read, 0U);
  EXPECT_EQ(second.snapshot.stats.bytes_added, 0U);
  EXPECT_EQ(second.snapshot.stats.files_unmodified, files());
  EXPECT_EQ(second.snapshot.stats.files_new + second.snapshot.stats.files_changed, 0U);
  EXPECT_EQ(second.snapshot.tree, first.snapshot.tree);
  EXPECT_EQ(second.snapshot.type, BackupType::kIncremental);
  EXPECT_EQ(second.snapshot.parent, first.id);
  EXPECT_LT(stored_bytes() - before, 2000U);  // the snapshot
  expect_holds_the_tree(second);
}

TEST_F(Backup, CountsWhatIsNewChangedAndDeleted) {
  const BackupReport first = backup_well();
  tree_.add_file("/etc/new", noise(5000, 50));
  tree_.add_file("/etc/small", noise(200, 51));
  tree_.remove("/home/user/text");
  tree_.remove("/home/nobody");  // folders are not counted
  tree_.add_symlink("/home/user/link", "elsewhere");
  const BackupReport second = backup_well();
  const snapshot::SnapshotStats& stats = second.snapshot.stats;
  EXPECT_EQ(stats.files_new, 1U);
  EXPECT_EQ(stats.files_changed, 2U);
  EXPECT_EQ(stats.files_deleted, 1U);
  EXPECT_EQ(stats.files_unmodified, files() - 3);
  EXPECT_EQ(stats.bytes_read, 5200U);
  EXPECT_EQ(tree_.files_opened, 2U);
  expect_holds_the_tree(second);
  // The first one is what it was.
  EXPECT_EQ(contents_of_stored(*first.id).count("/home/user/text"), 1U);
}

TEST_F(Backup, StoresOfALargeFileOnlyWhatChanged) {
  backup_well();
  Bytes bytes = *tree_.node("/home/user/large").bytes;
  const Bytes inserted = noise(100, 60);
  bytes.insert(bytes.begin() + 100'000, inserted.begin(), inserted.end());
  tree_.add_file("/home/user/large", bytes);
  const BackupReport second = backup_well();
  EXPECT_EQ(second.snapshot.stats.bytes_read, bytes.size());
  EXPECT_LT(second.snapshot.stats.bytes_added, 70'000U);
  expect_holds_the_tree(second);
}

TEST_F(Backup, StoresEqualFilesOnce) {
  const Bytes same = noise(50'000, 70);
  for (int i = 0; i < 5; ++i) tree_.add_file("/copies/" + std::to_string(i), same);
  const auto with = backup_well().snapshot.stats.bytes_added;
  EXPECT_LT(with, 650'000U);
  std::uint64_t plain = 0;
  for (const auto& [key, node] : tree_.nodes()) {
    if (node.bytes != nullptr) plain += node.bytes->size();
  }
  EXPECT_LT(with, plain - 4 * 50'000);
}

TEST_F(Backup, ReadsAFileAgainWhoseTimesOrInodeChanged) {
  backup_well();
  tree_.touch("/etc/small");
  tree_.node("/home/user/text").entry.inode += 1000;
  const BackupReport second = backup_well();
  EXPECT_EQ(tree_.files_opened, 2U);
  EXPECT_EQ(second.snapshot.stats.files_changed, 2U);
  EXPECT_EQ(second.snapshot.stats.bytes_read, 100U + 30'000U);
}

TEST_F(Backup, ReplacesAFileByAFolderAndBack) {
  tree_.add_file("/thing", noise(100, 1));
  backup_well();
  tree_.remove("/thing");
  tree_.add_file("/thing/inside", noise(100, 2));
  expect_holds_the_tree(backup_well());
  tree_.remove("/thing");
  tree_.add_file("/thing", noise(100, 3));
  expect_holds_the_tree(backup_well());
}

TEST_F(Backup, IsSkippedWhenNothingChangedAndThatIsAskedFor) {
  BackupOptions options = backup_options();
  options.skip_if_unchanged = true;
  EXPECT_TRUE(backup_well(options).id);
  const auto before = memory_.objects();
  const BackupReport second = backup_well(options);
  EXPECT_FALSE(second.id);
  EXPECT_TRUE(second.skipped_unchanged);
  EXPECT_EQ(memory_.objects(), before);
  tree_.touch("/etc/small");
  EXPECT_TRUE(backup_well(options).id);
}

TEST_F(Backup, IsSkippedAlsoWhenAttributesOfAFolderCanNeverBeRead) {
  BackupOptions options = backup_options();
  options.skip_if_unchanged = true;
  tree_.node("/etc").hides_attributes = true;
  EXPECT_TRUE(try_backup(options)->id);
  const auto second = try_backup(options);
  ASSERT_TRUE(second);
  EXPECT_TRUE(second->skipped_unchanged);
  EXPECT_EQ(second->snapshot.stats.errors, 1U);
  tree_.node("/etc").hides_attributes = false;
  EXPECT_TRUE(try_backup(options)->id);
}

TEST_F(Backup, IsSkippedWhenOnlyAFolderAboveThePathsChanged) {
  BackupOptions options = backup_options();
  options.skip_if_unchanged = true;
  options.paths = {"/home/user"};
  EXPECT_TRUE(backup_well(options).id);
  const auto before = memory_.objects();
  tree_.touch("/home");
  EXPECT_TRUE(backup_well(options).skipped_unchanged);
  EXPECT_EQ(memory_.objects(), before);
  tree_.touch("/home/user");
  EXPECT_TRUE(backup_well(options).id);
}

TEST_F(Backup, InADryRunStoresNothingAndSaysWhatItWould) {
  BackupOptions dry = backup_options();
  dry.dry_run = true;
  const auto before = memory_.objects();
  const BackupReport tried = backup_well(dry);
  EXPECT_EQ(memory_.objects(), before);
  EXPECT_FALSE(tried.id);
  const BackupReport done = backup_well();
  EXPECT_EQ(tried.snapshot.stats.files_new, done.snapshot.stats.files_new);
  EXPECT_EQ(tried.snapshot.stats.bytes_added, done.snapshot.stats.bytes_added);
  EXPECT_EQ(tried.snapshot.tree, done.snapshot.tree);
}

// ---- types and parents

TEST(ChoosingAParent, TakesNoneOfAWriteOnlyKeyNorOfTheFuture) {
  constexpr Timestamp kNow{.seconds = 1'000'000, .nanos = 0};
  constexpr std::int64_t kDay = 24 * 60 * 60;
  const BackupOptions options = backup_options();
  const auto of = [&](std::uint8_t id, std::int64_t started) {
    repo::StoredSnapshot one;
    one.id.bytes[0] = id;
    one.snapshot.host = options.host;
    one.snapshot.paths = options.paths;
    std::ranges::sort(one.snapshot.paths);
    one.snapshot.started.seconds = started;
    return one;
  };
  std::vector<repo::StoredSnapshot> stored = {of(1, kNow.seconds - 10), of(2, kNow.seconds - 5)};
  EXPECT_EQ(choose_parent(stored, options, kNow)->id, stored[1].id);
  stored[1].by_full_key = false;
  EXPECT_EQ(choose_parent(stored, options, kNow)->id, stored[0].id);
  // Clocks differ a little.
  stored.push_back(of(3, kNow.seconds + kDay));
  EXPECT_EQ(choose_parent(stored, options, kNow)->id, stored[2].id);
  stored[2].snapshot.started.seconds += 1;
  EXPECT_EQ(choose_parent(stored, options, kNow)->id, stored[0].id);
}

TEST_F(Backup, ComparesWithWhatItsTypeSays) {
  const BackupReport full = backup_well(of_type(BackupType::kFull));
  const BackupReport incremental = backup_well(of_type(BackupType::kIncremental));
  EXPECT_EQ(incremental.snapshot.parent, full.id);
  const BackupReport next = backup_well(of_type(BackupType::kIncremental));
  EXPECT_EQ(next.snapshot.parent, incremental.id);
  const BackupReport differential = backup_well(of_type(BackupType::kDifferential));
  EXPECT_EQ(differential.snapshot.parent, full.id);
  EXPECT_EQ(differential.snapshot.type, BackupType::kDifferential);
  const BackupReport again = backup_well(of_type(BackupType::kFull));
  EXPECT_FALSE(again.snapshot.parent);
  EXPECT_EQ(again.snapshot.type, BackupType::kFull);
  EXPECT_EQ(tree_.files_opened, tree_.count(EntryType::kFile));
  EXPECT_EQ(again.snapshot.stats.bytes_added, 0U);  // read, but stored already
  EXPECT_EQ(backup_well(of_type(BackupType::kDifferential)).snapshot.parent, again.id);
}

TEST_F(Backup, WithNothingToCompareWithIsFull) {
  EXPECT_EQ(backup_well(of_type(BackupType::kDifferential)).snapshot.type, BackupType::kFull);
  BackupOptions elsewhere = of_type(BackupType::kIncremental);
  elsewhere.host = "another";
  EXPECT_EQ(backup_well(elsewhere).snapshot.type, BackupType::kFull);
  elsewhere = of_type(BackupType::kIncremental);
  elsewhere.paths = {"/etc"};
  EXPECT_EQ(backup_well(elsewhere).snapshot.type, BackupType::kFull);
}

TEST_F(Backup, ComparesWithTheSnapshotThatIsNamed) {
  const BackupReport first = backup_well();
  backup_well();
  BackupOptions options = backup_options();
  options.parent = first.id;
  EXPECT_EQ(backup_well(options).snapshot.parent, first.id);
  options.parent = snapshot::SnapshotId{};
  EXPECT_EQ(code_of(try_backup(options)), "not_found");
}

// ---- holes, zeros, pages

TEST_F(Backup, StoresNeitherHolesNorZeros) {
  Bytes zeros(300'000);
  const Bytes start = noise(1000, 5);
  std::copy(start.begin(), start.end(), zeros.begin());
  tree_.add_file("/zeros", zeros);
  const BackupReport report = backup_well();
  expect_holds_the_tree(report);
  std::uint64_t holes = 0;
  std::uint64_t chunks = 0;
  for (const Extent& extent : extents_of(report, "/home/user/sparse")) {
    if (extent.kind == ExtentKind::kHole) holes += extent.length;
  }
  EXPECT_EQ(holes, 50'000U);
  for (const Extent& extent : extents_of(report, "/zeros")) {
    if (extent.kind == ExtentKind::kChunk) chunks += extent.length;
    EXPECT_NE(extent.kind, ExtentKind::kHole);
  }
  EXPECT_LE(chunks, 16'384U);
}

TEST_F(Backup, OfOnlyAHoleReadsNothing) {
  tree_.add_file("/hole", Bytes(1'000'000));
  tree_.punch_hole("/hole", 0, 1'000'000);
  const BackupReport report = backup_well();
  const auto extents = extents_of(report, "/hole");
  ASSERT_EQ(extents.size(), 1U);
  EXPECT_EQ(extents[0].kind, ExtentKind::kHole);
  EXPECT_EQ(extents[0].length, 1'000'000U);
}

TEST_F(Backup, CutsDatabasesIntoPages) {
  Bytes database = noise(1'200'000, 8);
  const std::string_view magic("SQLite format 3\0", 16);
  std::copy(magic.begin(), magic.end(), database.begin());
  tree_.add_file("/app.db", database);
  const BackupReport first = backup_well();
  for (const Extent& extent : extents_of(first, "/app.db")) {
    EXPECT_TRUE(extent.length == 4096 || extent.length == 1'200'000 % 4096) << extent.length;
  }
  // One page changes: one page is stored.
  database[700'000] ^= 1;
  tree_.add_file("/app.db", database);
  const auto repository_bytes = backup_well().snapshot.stats;
  EXPECT_LT(repository_bytes.bytes_added, 4096U + 60'000U);  // and lists and pages of the tree
  BackupOptions by_content = of_type(BackupType::kFull);
  by_content.cutting = Cutting::kContent;
  const BackupReport cut = backup_well(by_content);
  expect_holds_the_tree(cut);
  EXPECT_GT(extents_of(cut, "/app.db").front().length, 0U);
  std::size_t even = 0;
  const auto extents = extents_of(cut, "/app.db");
  for (const Extent& extent : extents) even += extent.length == 4096 ? 1U : 0U;
  EXPECT_LT(even, extents.size() / 10);
}

TEST_F(Backup, CutsPagesFromTheFilesStartAlsoBehindHoles) {
  tree_.add_file("/image", noise(100'000, 9));
  tree_.punch_hole("/image", 10'000, 30'001);
  BackupOptions fixed = backup_options();
  fixed.cutting = Cutting::kFixed;
  const BackupReport report = backup_well(fixed);
  expect_holds_the_tree(report);
  std::uint64_t at = 0;
  for (const Extent& extent : extents_of(report, "/image")) {
    at += extent.length;
    EXPECT_TRUE(extent.kind != ExtentKind::kChunk || at % 4096 == 0 || at == 10'000 ||
                at == 100'000)
        << at;
  }
}

TEST_F(Backup, OfAFileWithVeryManyPiecesKeepsItsEntrySmall) {
  Bytes striped(3'000'000);
  for (std::size_t at = 0; at < striped.size(); at += 8192) {
    const Bytes piece = noise(4096, at);
    std::copy_n(piece.begin(), std::min<std::size_t>(4096, striped.size() - at),
                striped.begin() + static_cast<std::ptrdiff_t>(at));
  }
  tree_.add_file("/striped", striped);
  BackupOptions fixed = backup_options();
  fixed.cutting = Cutting::kFixed;
  const BackupReport report = backup_well(fixed);
  EXPECT_GT(entry_in(report, "/striped")->content.level, 0);
  expect_holds_the_tree(report);
  backup_well(fixed);
  EXPECT_EQ(tree_.files_opened, 0U);
}

// ---- limits

TEST_F(Backup, WorksWithLittleMemoryAndAnyNumberOfThreads) {
  for (std::uint64_t i = 0; i < 3000; ++i) {
    tree_.add_file("/many/" + std::to_string(i), noise(i % 700, i));
  }
  for (const std::size_t threads : {1U, 2U, 7U}) {
    for (const std::uint64_t limit : {1ULL, 64ULL << 20}) {
      BackupOptions options = of_type(BackupType::kFull);
      options.threads = threads;
      options.memory_limit = limit;
      expect_holds_the_tree(backup_well(options));
    }
  }
}

TEST_F(Backup, GivesTheSameTreeHoweverManyThreadsReadIt) {
  BackupOptions options = of_type(BackupType::kFull);
  options.threads = 1;
  const snapshot::TreeRoot root = backup_well(options).snapshot.tree;
  options.threads = 8;
  EXPECT_EQ(backup_well(options).snapshot.tree, root);
}

}  // namespace
}  // namespace backstay::engine
