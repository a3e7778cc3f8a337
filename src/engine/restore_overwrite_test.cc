// A restore over what is there already: overwrite rules, conflicts, cancelling, damage.
#include <gmock/gmock.h>
#include <sys/xattr.h>

#include <atomic>
#include <thread>

#include "engine/restore.h"
#include "engine/testing/restore_fixture.h"

namespace backstay::engine {
namespace {

using snapshot::Entry;
using snapshot::EntryType;
using testing::Contains;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::Not;
using testing::SizeIs;

class OverwriteTest : public RestoreFixture {
 protected:
  // A snapshot with a small and a large file, both restored already.
  void restore_two_files() {
    small_ = noise(1500, 1);
    large_ = noise(20'000, 2);
    add_file("/small", small_);
    add_file("/large", large_);
    finish();
    restore_well();
  }
  void expect_two_files() {
    EXPECT_TRUE(text_of("/small") == small_);
    EXPECT_TRUE(text_of("/large") == large_);
    EXPECT_THAT(names(), ElementsAre("/large", "/small"));
  }
  std::string small_;
  std::string large_;
};

TEST_F(OverwriteTest, AlwaysFindsEqualFilesUnchanged) {
  restore_two_files();
  const RestoreReport report = restore_well();
  EXPECT_EQ(report.files_unchanged, 2U);
  EXPECT_EQ(report.files_restored, 0U);
  EXPECT_EQ(report.bytes_written, 0U);
  expect_two_files();
}

TEST_F(OverwriteTest, AlwaysWritesOnlyWhatDiffersOfALargeFile) {
  restore_two_files();
  std::string changed = large_;
  changed[10'500] = static_cast<char>(~changed[10'500]);
  write("/large", changed + "and a tail");
  const auto inode = stat_of("/large").st_ino;
  const RestoreReport report = restore_well();
  EXPECT_EQ(report.files_restored, 1U);
  EXPECT_EQ(report.bytes_written, 1000U);
  EXPECT_NE(stat_of("/large").st_ino, inode);  // whoever has it open sees one state
  EXPECT_EQ(stat_of("/large").st_mtim.tv_sec, 1'600'000'000);
  expect_two_files();
}

TEST_F(OverwriteTest, FileIsChangedItselfWhereThereIsNoRoomForAnother) {
  limits_.free_bytes = [](int) { return std::uint64_t{0}; };
  restore_two_files();
  std::string changed = large_;
  changed[10'500] = static_cast<char>(~changed[10'500]);
  for (const std::string& before : {changed, changed + "and a tail", changed.substr(0, 15'000)}) {
    write("/large", before);
    const auto inode = stat_of("/large").st_ino;
    restore_well();
    EXPECT_EQ(stat_of("/large").st_ino, inode);
    EXPECT_EQ(stat_of("/large").st_mtim.tv_sec, 1'600'000'000);
    expect_two_files();
  }
}

TEST_F(OverwriteTest, DryRunComparesAsTheRestoreDoes) {
  add_folder("/folder");
  add_file_of("/folder/holes", {hole(64 << 10), zeros(64 << 10)});
  add_file("/folder/empty", "");
  Entry linked = add_file("/one", noise(9000, 3));
  linked.inode = 11;
  linked.links = 2;
  add("/one", linked);
  add("/two", linked);
  restore_two_files();
  options_.overwrite = Overwrite::kIfChanged;
  for (const char* changed : {"", "/large", "/one", "/two"}) {
    if (*changed != 0) std::filesystem::remove(at(changed));
    if (*changed != 0) write(changed, noise(20'000, 9));
    options_.dry_run = true;
    const RestoreReport planned = restore_well();
    options_.dry_run = false;
    const RestoreReport done = restore_well();
    EXPECT_EQ(planned.files_restored, done.files_restored);
    EXPECT_EQ(planned.files_unchanged, done.files_unchanged);
    EXPECT_EQ(planned.dirs_restored, done.dirs_restored);
  }
}

TEST_F(OverwriteTest, PatternsThatFitNothingAreNamed) {
  add_file("/folder/deep", "x");
  restore_two_files();
  for (const char* pattern : {"nosuch", "!deep", "folder/*", "/small"})
    ASSERT_TRUE(options_.includes.add(pattern, snapshot::Case::kSensitive));
  for (const bool dry_run : {true, false}) {
    options_.dry_run = dry_run;
    EXPECT_THAT(restore_well().unmatched, ElementsAre("nosuch"));
  }
  options_.includes = {};
  ASSERT_TRUE(options_.includes.add("nosuch", snapshot::Case::kSensitive));
  const auto report = restore();
  ASSERT_FALSE(report);
  EXPECT_EQ(report.error().code(), ErrorCode::kNotFound);
}

TEST_F(OverwriteTest, AlwaysGrowsAShorterFile) {
  restore_two_files();
  write("/large", large_.substr(0, 5000));
  write("/small", small_.substr(0, 5));
  restore_well();
  expect_two_files();
}

TEST_F(OverwriteTest, AlwaysMakesTheHolesOfTheSnapshot) {
  constexpr std::uint64_t kBlock = 64 << 10;
  std::string text = noise(kBlock, 1);
  auto extents = store(text);
  extents.push_back(hole(4 * kBlock));
  extents.push_back(zeros(kBlock));
  add_file_of("/disk", extents);
  finish();
  write("/disk", noise(6 * kBlock, 3));
  options_.verify = true;
  const RestoreReport report = restore_well();
  EXPECT_EQ(report.files_restored, 1U);
  text.resize(6 * kBlock);
  EXPECT_TRUE(text_of("/disk") == text);
  EXPECT_LE(stat_of("/disk").st_blocks * 512, 2 * static_cast<off_t>(kBlock) + 8192);
  EXPECT_EQ(restore_well().files_unchanged, 1U);
}

TEST_F(OverwriteTest, ExistingHardLinksAreNeverWrittenThrough) {
  for (const Overwrite rule : {Overwrite::kAlways, Overwrite::kIfChanged}) {
    SCOPED_TRACE(static_cast<int>(rule));
    entries_.clear();
    std::filesystem::remove_all(target());
    const std::string large = noise(20'000, 2);
    add_file("/large", large);
    finish();
    const std::string outside = scratch_ / "outside";
    std::ofstream(outside) << std::string(20'000, 'x');
    std::filesystem::permissions(outside, std::filesystem::perms::owner_all);
    std::filesystem::create_directories(target());
    std::filesystem::create_hard_link(outside, at("/large"));
    set_modified("/large", {1'600'000'000, 123'456'789});
    options_.overwrite = rule;
    restore_well();
    EXPECT_TRUE(text_of("/large") == large);
    std::ifstream in(outside);
    EXPECT_EQ(std::string(std::istreambuf_iterator<char>(in), {}), std::string(20'000, 'x'));
    struct ::stat status {};
    ASSERT_EQ(::stat(outside.c_str(), &status), 0);
    EXPECT_EQ(status.st_mode & 07777, 0700U);
    std::filesystem::remove(outside);
  }
}

TEST_F(OverwriteTest, SymbolicLinkInThePlaceOfAFileIsReplaced) {
  restore_two_files();
  const std::string outside = scratch_ / "outside";
  std::ofstream(outside) << "keep me";
  for (const char* path : {"/large", "/small"}) {
    std::filesystem::remove(at(path));
    std::filesystem::create_symlink(outside, at(path));
  }
  restore_well();
  expect_two_files();
  std::ifstream in(outside);
  EXPECT_EQ(std::string(std::istreambuf_iterator<char>(in), {}), "keep me");
}

TEST_F(OverwriteTest, SymbolicLinkInThePlaceOfAFolderIsReplaced) {
  add_folder("/folder");
  add_file("/folder/file", "mine");
  finish();
  const std::string outside = scratch_ / "outside";
  std::filesystem::create_directories(outside);
  std::filesystem::create_directories(target());
  std::filesystem::create_symlink(outside, at("/folder"));
  options_.delete_extra = true;
  options_.replace_folder_links = true;
  restore_well();
  EXPECT_EQ(text_of("/folder/file"), "mine");
  EXPECT_TRUE(std::filesystem::is_empty(outside));
}

TEST_F(OverwriteTest, SymbolicLinkToAFolderStaysUntilItMayBeReplaced) {
  add_folder("/folder");
  add_folder("/folder/deeper");
  add_file("/folder/deeper/file", "mine");
  finish();
  const std::string outside = scratch_ / "outside";
  std::filesystem::create_directories(outside);
  std::filesystem::create_directories(target());
  std::filesystem::create_symlink(outside, at("/folder"));
  options_.verify = true;
  const auto report = restore();
  ASSERT_TRUE(report);
  EXPECT_TRUE(std::filesystem::is_symlink(at("/folder")));
  EXPECT_TRUE(std::filesystem::is_empty(outside));
  EXPECT_THAT(trouble_paths(), ElementsAre("/folder", "/folder/deeper/file"));
  EXPECT_EQ(report->files_failed, 1U);
}

TEST_F(OverwriteTest, DanglingSymbolicLinkInThePlaceOfAFolderIsReplaced) {
  add_folder("/folder");
  add_file("/folder/file", "mine");
  finish();
  std::filesystem::create_directories(target());
  std::filesystem::create_symlink("nowhere", at("/folder"));
  restore_well();
  EXPECT_EQ(text_of("/folder/file"), "mine");
}

TEST_F(OverwriteTest, IfChangedTrustsSizeAndTime) {
  restore_two_files();
  std::string touched = small_;
  touched[0] = static_cast<char>(~touched[0]);
  write("/small", touched);
  set_modified("/small", {1'600'000'000, 123'456'789});
  write("/large", large_ + "x");
  options_.overwrite = Overwrite::kIfChanged;
  const RestoreReport report = restore_well();
  EXPECT_EQ(report.files_unchanged, 1U);
  EXPECT_EQ(report.files_restored, 1U);
  EXPECT_TRUE(text_of("/small") == touched);
  EXPECT_TRUE(text_of("/large") == large_);

  // verify reads them all the same, and finds the one that only seemed equal.
  options_.verify = true;
  const auto verified = restore();
  ASSERT_TRUE(verified);
  EXPECT_THAT(trouble_paths(), ElementsAre("/small"));
  EXPECT_EQ(verified->errors, 1U);
}

TEST_F(OverwriteTest, IfChangedSetsAttributesOfUnchangedFiles) {
  restore_two_files();
  std::filesystem::permissions(at("/small"), std::filesystem::perms::all);
  options_.overwrite = Overwrite::kIfChanged;
  restore_well();
  EXPECT_EQ(stat_of("/small").st_mode & 07777, 0640U);
}

TEST_F(OverwriteTest, IfChangedKeepsHardLinkGroups) {
  Entry file = add_file("/one", noise(9000, 1));
  file.inode = 11;
  file.links = 2;
  add("/one", file);
  add("/two", file);
  finish();
  restore_well();
  const auto inode = stat_of("/one").st_ino;
  options_.overwrite = Overwrite::kIfChanged;
  const RestoreReport report = restore_well();
  EXPECT_EQ(report.bytes_written, 0U);
  EXPECT_EQ(stat_of("/one").st_ino, inode);
  EXPECT_EQ(stat_of("/two").st_ino, inode);
}

TEST_F(OverwriteTest, IfNewerLeavesNewerFilesAlone) {
  restore_two_files();
  write("/small", "newer");
  write("/large", "older");
  set_modified("/large", {1'500'000'000, 0});
  options_.overwrite = Overwrite::kIfNewer;
  options_.verify = true;
  const RestoreReport report = restore_well();
  EXPECT_EQ(report.files_unchanged, 1U);
  EXPECT_EQ(text_of("/small"), "newer");
  EXPECT_TRUE(text_of("/large") == large_);
}

TEST_F(OverwriteTest, NeverLeavesEverythingAlone) {
  restore_two_files();
  write("/small", "mine");
  std::filesystem::remove(at("/large"));
  options_.overwrite = Overwrite::kNever;
  options_.verify = true;
  restore_well();
  EXPECT_EQ(text_of("/small"), "mine");
  EXPECT_TRUE(text_of("/large") == large_);
}

TEST_F(OverwriteTest, NeverKeepsAFileInThePlaceOfAFolder) {
  add_folder("/folder");
  add_file("/folder/file", "x");
  add_file("/other", "y");
  finish();
  write("/folder", "mine");
  options_.overwrite = Overwrite::kNever;
  const auto report = restore();
  ASSERT_TRUE(report);
  EXPECT_THAT(trouble_paths(), ElementsAre("/folder", "/folder/file"));
  EXPECT_EQ(report->files_failed, 1U);
  EXPECT_EQ(text_of("/folder"), "mine");
  EXPECT_EQ(text_of("/other"), "y");
}

TEST_F(OverwriteTest, FolderWithSomethingInItIsNotReplacedByAFile) {
  restore_two_files();
  for (const char* path : {"/large", "/small"}) std::filesystem::remove(at(path));
  write("/large/precious", "mine");
  std::filesystem::create_directories(at("/small"));
  const auto report = restore();
  ASSERT_TRUE(report);
  EXPECT_THAT(trouble_paths(), ElementsAre("/large"));
  EXPECT_EQ(report->files_failed, 1U);
  EXPECT_EQ(text_of("/large/precious"), "mine");
  EXPECT_TRUE(text_of("/small") == small_);

  troubles_.clear();
  options_.delete_extra = true;
  restore_well();
  expect_two_files();
}

// ---- damage

class DamageTest : public RestoreFixture {
 protected:
  // The names of all data packs, and the place of a chunk in them.
  void damage(const snapshot::Extent& extent) {
    const auto location = repository_->index().find(extent.id);
    ASSERT_TRUE(location.has_value());
    faults_.flip_byte(repo::object_name(repo::ObjectKind::kDataPack, location->frame.pack),
                      location->frame.offset + 5);
  }
};

TEST_F(DamageTest, FileWithADamagedChunkIsReportedAndNotLeftBehind) {
  const Entry bad = add_file("/bad", noise(20'000, 1));
  add_file("/bad-small", noise(900, 3));
  const Entry small = entries_["bad-small"];
  add_file("/good", noise(20'000, 2));
  finish();
  damage(bad.content.extents[7]);
  damage(small.content.extents[0]);
  const auto report = restore();
  ASSERT_TRUE(report);
  EXPECT_EQ(report->files_failed, 2U);
  EXPECT_EQ(report->files_restored, 1U);
  EXPECT_THAT(trouble_paths(), ElementsAre("/bad", "/bad-small"));
  EXPECT_THAT(names(), ElementsAre("/good"));
  EXPECT_TRUE(text_of("/good") == noise(20'000, 2));
}

TEST_F(DamageTest, NothingThatCannotBeReadReplacesWhatIsThere) {
  const Entry small = add_file("/small", noise(900, 3));
  finish();
  damage(small.content.extents[0]);
  write("/small", "still here");
  ASSERT_TRUE(restore());
  EXPECT_THAT(troubles_, SizeIs(1));
  EXPECT_EQ(text_of("/small"), "still here");
  EXPECT_THAT(names(), ElementsAre("/small"));
}

TEST_F(DamageTest, FileThatCannotBecomeWholeStaysAsItWas) {
  const Entry large = add_file("/large", noise(20'000, 1));
  finish();
  for (const std::size_t old_bytes : {20'000U, 5000U, 30'000U}) {
    const std::string old = noise(old_bytes, 2);
    write("/large", old);
    set_modified("/large", {1'700'000'000, 5});
    damage(large.content.extents[7]);
    troubles_.clear();
    const auto report = restore();
    ASSERT_TRUE(report);
    EXPECT_THAT(trouble_paths(), ElementsAre("/large"));
    EXPECT_TRUE(text_of("/large") == old) << old_bytes;
    EXPECT_EQ(stat_of("/large").st_mtim.tv_sec, 1'700'000'000);
    EXPECT_THAT(names(), ElementsAre("/large"));
  }
}

TEST_F(DamageTest, FileChangedForLackOfRoomIsTrustedByNoRuleUntilItIsWhole) {
  limits_.free_bytes = [](int) { return std::uint64_t{0}; };
  const std::string text = noise(20'000, 1);
  const Entry large = add_file("/large", text);
  finish();
  const std::string old = noise(20'000, 2);
  write("/large", old);
  damage(large.content.extents[7]);
  ASSERT_TRUE(restore());
  ASSERT_THAT(troubles_, SizeIs(1));
  EXPECT_THAT(troubles_[0].second, HasSubstr("both states"));
  EXPECT_THAT(names(), ElementsAre("/large"));
  const std::string now = text_of("/large");
  for (std::size_t at = 0; at < 20'000; at += 1000) {
    const std::string block = now.substr(at, 1000);
    EXPECT_TRUE(block == text.substr(at, 1000) || block == old.substr(at, 1000)) << at;
  }
  EXPECT_EQ(stat_of("/large").st_mtim.tv_sec, 0);
  auto undamaged = repo::Repository::open(
      std::make_unique<backend::FaultBackend>(static_cast<backend::Backend&>(memory_)), {}, {},
      {clock_, rng_});
  ASSERT_TRUE(undamaged.has_value());
  repository_ = *std::move(undamaged);
  ASSERT_TRUE(repository_->load_index([](const auto&, const Error&) {}));
  troubles_.clear();
  options_.overwrite = Overwrite::kIfNewer;
  restore_well();
  EXPECT_TRUE(text_of("/large") == text);
}

TEST_F(DamageTest, FileThatWasToBeChangedButWasNotKeepsItsTime) {
  limits_.free_bytes = [](int) { return std::uint64_t{0}; };
  const std::string text = noise(20'000, 1);
  const Entry large = add_file("/large", text);
  finish();
  std::string old = text;
  old[7500] = static_cast<char>(~old[7500]);
  write("/large", old);
  set_modified("/large", {1'700'000'000, 5});
  damage(large.content.extents[7]);
  ASSERT_TRUE(restore());
  EXPECT_THAT(trouble_paths(), ElementsAre("/large"));
  EXPECT_TRUE(text_of("/large") == old);
  EXPECT_EQ(stat_of("/large").st_mtim.tv_sec, 1'700'000'000);
  EXPECT_THAT(names(), ElementsAre("/large"));
}

TEST_F(DamageTest, FileWithAMissingChunkIsNotTouched) {
  auto extents = store(noise(20'000, 1));
  extents[11].id = chunk::ChunkId::from_hex(std::string(64, 'a')).value();
  add_file_of("/updated", extents);
  add_file_of("/new", extents);
  finish();
  const std::string old = noise(30'000, 2);
  write("/updated", old);
  const auto report = restore();
  ASSERT_TRUE(report);
  EXPECT_EQ(report->files_failed, 2U);
  EXPECT_THAT(trouble_paths(), ElementsAre("/new", "/updated"));
  EXPECT_TRUE(text_of("/updated") == old);
  EXPECT_THAT(names(), ElementsAre("/updated"));
}

TEST_F(DamageTest, DryRunNamesFilesWithMissingChunks) {
  auto extents = store(noise(5000, 1));
  extents[1].id = chunk::ChunkId::from_hex(std::string(64, 'a')).value();
  add_file_of("/lost", extents);
  add_file("/fine", "x");
  finish();
  options_.dry_run = true;
  const auto report = restore();
  ASSERT_TRUE(report);
  EXPECT_THAT(trouble_paths(), ElementsAre("/lost"));
  EXPECT_EQ(report->files_restored, 1U);
  EXPECT_EQ(report->files_failed, 1U);
}

TEST_F(DamageTest, LinksToAFailedFileAreReportedToo) {
  Entry file = add_file("/one", noise(20'000, 1));
  file.inode = 3;
  file.links = 2;
  add("/one", file);
  add("/two", file);
  finish();
  damage(file.content.extents[4]);
  const auto report = restore();
  ASSERT_TRUE(report);
  EXPECT_THAT(trouble_paths(), ElementsAre("/one", "/two"));
  EXPECT_EQ(report->files_failed, 2U);
  EXPECT_THAT(names(), IsEmpty());
}

TEST_F(DamageTest, ChunkOfAnotherLengthIsRefused) {
  auto extents = store(noise(3000, 1));
  extents[1].length = 5000;
  add_file_of("/wrong", extents);
  finish();
  ASSERT_TRUE(restore());
  EXPECT_THAT(trouble_paths(), ElementsAre("/wrong"));
  EXPECT_THAT(names(), IsEmpty());
}

TEST_F(DamageTest, SomethingBelowAFileIsLeftOut) {
  add_file("/file", "a file");
  add_file("/file/below", "never");
  add_folder("/file/deeper");
  add_file("/file/deeper/still", "never");
  add_file("/next", "x");
  finish();
  ASSERT_TRUE(restore());
  EXPECT_THAT(trouble_paths(), Contains("/file/below"));
  EXPECT_EQ(text_of("/file"), "a file");
  EXPECT_THAT(names(), ElementsAre("/file", "/next"));
}

class DamagedTreeTest : public DamageTest {
 protected:
  // Twenty folders of a hundred files; one page of several, not the root, is damaged.
  void make_tree();
};

void DamagedTreeTest::make_tree() {
  for (int i = 1000; i < 3000; ++i) {
    if (i % 100 == 0) add_folder("/d" + std::to_string(i / 100));
    Entry& file = add_file("/d" + std::to_string(i / 100) + "/f" + std::to_string(i), "");
    file.xattrs = {{.name = "user.filler", .value = Bytes(200, 7)}};
  }
  finish();
  std::vector<chunk::ChunkRef> leaves;
  ASSERT_TRUE(snapshot::for_each_page(*repository_, snapshot_.tree,
                                      [&](const chunk::ChunkRef& page, std::uint8_t level) {
                                        if (level == 0) leaves.push_back(page);
                                        return Result<bool>(true);
                                      }));
  ASSERT_GE(leaves.size(), 3U);
  const auto location = repository_->index().find(leaves[1].id);
  faults_.flip_byte(repo::object_name(repo::ObjectKind::kMetaPack, location->frame.pack),
                    location->frame.offset + 5);
  reopen();
}

TEST_F(DamagedTreeTest, IsReportedAndNothingIsDeleted) {
  make_tree();
  options_.delete_extra = true;
  write("/d10/extra", "x");
  write("/d29/extra", "x");
  const auto report = restore();
  ASSERT_TRUE(report) << report.error().describe();
  EXPECT_GE(report->errors, 1U);
  EXPECT_GT(report->files_restored, 500U);
  EXPECT_LT(report->files_restored, 2000U);
  EXPECT_TRUE(exists("/d29/extra"));
  EXPECT_TRUE(exists("/d10/f1000"));
  EXPECT_TRUE(exists("/d29/f2999"));
}

TEST_F(DamagedTreeTest, FoldersThatAreNotSelectedMayEndOnADamagedPage) {
  make_tree();
  ASSERT_TRUE(options_.includes.add("/d29", snapshot::Case::kSensitive));
  const auto report = restore();
  ASSERT_TRUE(report) << report.error().describe();
  EXPECT_EQ(report->files_restored, 100U);
  EXPECT_EQ(report->errors, 1U);
  EXPECT_THAT(report->unmatched, IsEmpty());
}

// ---- stopping

TEST_F(DamageTest, StopLeavesNoPartialFiles) {
  for (int i = 0; i < 200; ++i)
    add_file("/f" + std::to_string(i), noise(10'000, static_cast<std::uint64_t>(i)));
  finish();
  limits_.window_pieces = 20;
  std::jthread stopper([this] {
    while (progress_.files_done < 5) std::this_thread::yield();
    stop_.request_stop();
  });
  const auto report = restore();
  ASSERT_FALSE(report);
  EXPECT_EQ(report.error().code(), ErrorCode::kCancelled);
  EXPECT_THAT(names(), Not(Contains(HasSubstr(".partial"))));
  for (const std::string& name : names())
    EXPECT_TRUE(text_of(name) == noise(10'000, std::stoul(name.substr(2)))) << name;
}

TEST_F(DamageTest, StopEndsALongRunOfZeros) {
  add_file_of("/zeros", {zeros(2ULL << 30)});
  finish();
  limits_.zero_buffer_bytes = 4096;
  std::jthread stopper([this] {
    while (!std::filesystem::exists(target()) || std::filesystem::is_empty(target()))
      std::this_thread::yield();
    stop_.request_stop();
  });
  EXPECT_EQ(restore().error().code(), ErrorCode::kCancelled);
  EXPECT_THAT(names(), IsEmpty());
}

}  // namespace
}  // namespace backstay::engine
