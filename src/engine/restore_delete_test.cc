// What a restore with --delete takes away, and what it never touches.
#include <gmock/gmock.h>

#include "engine/restore.h"
#include "engine/testing/restore_fixture.h"

namespace backstay::engine {
namespace {

using snapshot::EntryType;
using snapshot::LeftOut;
using testing::Contains;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::UnorderedElementsAre;

class DeleteTest : public RestoreFixture {
 protected:
  DeleteTest() { options_.delete_extra = true; }
  void make_tree() {
    add_folder("/home");
    add_folder("/home/ann");
    add_file("/home/ann/b", "b");
    add_folder("/home/ann/d");
    add_file("/home/ann/d/e", "e");
    snapshot_.paths = {"/home/ann"};
  }
};

TEST_F(DeleteTest, RemovesWhatTheSnapshotDoesNotHave) {
  make_tree();
  finish();
  restore_well();
  for (const char* path :
       {"/home/ann/a", "/home/ann/c/deep/x", "/home/ann/d/e2", "/home/ann/z", "/home/ann/b2"})
    write(path, "extra");
  std::filesystem::create_symlink("/", at("/home/ann/link"));
  const RestoreReport report = restore_well();
  EXPECT_EQ(report.files_deleted, 6U);
  EXPECT_EQ(report.dirs_deleted, 2U);
  EXPECT_THAT(names(),
              ElementsAre("/home", "/home/ann", "/home/ann/b", "/home/ann/d", "/home/ann/d/e"));
}

TEST_F(DeleteTest, StaysInsideThePathsThatWereBackedUp) {
  make_tree();
  finish();
  write("/home/bob/mine", "x");
  write("/elsewhere", "x");
  EXPECT_EQ(restore_well().files_deleted, 0U);
  EXPECT_EQ(text_of("/home/bob/mine"), "x");
  EXPECT_EQ(text_of("/elsewhere"), "x");
}

TEST_F(DeleteTest, KeepsWhatIsNotSelected) {
  make_tree();
  finish();
  write("/home/ann/keep.log", "x");
  write("/home/ann/d/gone", "x");
  write("/home/ann/not-included", "x");
  ASSERT_TRUE(options_.excludes.add("*.log", snapshot::Case::kSensitive));
  ASSERT_TRUE(options_.includes.add("/home/ann/d", snapshot::Case::kSensitive));
  EXPECT_EQ(restore_well().files_deleted, 1U);
  EXPECT_FALSE(exists("/home/ann/d/gone"));
  EXPECT_TRUE(exists("/home/ann/keep.log"));
  EXPECT_TRUE(exists("/home/ann/not-included"));
  EXPECT_TRUE(exists("/home/ann/d/e"));
}

TEST_F(DeleteTest, KeepsWhatTheSnapshotHasButIsNotSelected) {
  make_tree();
  finish();
  write("/home/ann/b", "my own");
  ASSERT_TRUE(options_.excludes.add("/home/ann/b", snapshot::Case::kSensitive));
  restore_well();
  EXPECT_EQ(text_of("/home/ann/b"), "my own");
}

TEST_F(DeleteTest, KeepsWhatTheBackupLeftOutOrCouldNotRead) {
  make_tree();
  snapshot_.excludes = {"*.cache"};
  snapshot_.errors = {{"/home/ann/secret/key", "permission denied"}};
  snapshot_.stats.errors = 1;
  finish();
  write("/home/ann/x.cache", "x");
  write("/home/ann/secret/key", "x");
  write("/home/ann/extra", "x");
  EXPECT_EQ(restore_well().files_deleted, 1U);
  EXPECT_TRUE(exists("/home/ann/x.cache"));
  EXPECT_TRUE(exists("/home/ann/secret/key"));
}

TEST_F(DeleteTest, DeletesNothingForWhatAnotherProgramBackedUp) {
  make_tree();
  snapshot_.origin = "restic:12/34";
  finish();
  write("/home/ann/extra", "x");
  EXPECT_EQ(restore_well().files_deleted, 0U);
  EXPECT_TRUE(exists("/home/ann/extra"));
}

TEST_F(DeleteTest, DeletesForCopiesAsForTheirOriginals) {
  make_tree();
  snapshot_.origin = "backstay:12/34";
  finish();
  write("/home/ann/extra", "x");
  EXPECT_EQ(restore_well().files_deleted, 1U);
}

// Which patterns were given without regard to case is not recorded.
TEST_F(DeleteTest, KeepsWhatWasLeftOutUnderAnyReadingOfThePatterns) {
  make_tree();
  snapshot_.excludes = {"*.LOG", "!keep.LOG", "\xef\xbb\xbf*.bom", "[!x]1", "!back"};
  finish();
  for (const char* name : {"KEEP.LOG", "other.log", "a.bom", "X1", "keep.LOG", "back", "x1"})
    write(std::string("/home/ann/") + name, "x");
  EXPECT_EQ(restore_well().files_deleted, 3U);
  for (const char* kept : {"KEEP.LOG", "other.log", "a.bom", "X1"})
    EXPECT_TRUE(exists(std::string("/home/ann/") + kept)) << kept;
  for (const char* gone : {"keep.LOG", "back", "x1"})
    EXPECT_FALSE(exists(std::string("/home/ann/") + gone)) << gone;
}

TEST_F(DeleteTest, DeletesNothingWhenThePathOfAnErrorIsNotKnownInFull) {
  make_tree();
  snapshot_.stats.errors = 1;
  finish();
  for (const std::string& path :
       {"/" + std::string(255, 'a') + "[...]" + std::string(256, 'b'), std::string()}) {
    snapshot_.errors = {{path, "permission denied"}};
    write("/home/ann/extra", "x");
    EXPECT_EQ(restore_well().files_deleted, 0U);
    EXPECT_THAT(notes_, Contains(HasSubstr("nothing is deleted")));
    notes_.clear();
  }
}

TEST_F(DeleteTest, DeletesNothingWhenNotAllErrorsOfTheBackupAreKnown) {
  make_tree();
  snapshot_.stats.errors = 1000;
  finish();
  write("/home/ann/extra", "x");
  EXPECT_EQ(restore_well().files_deleted, 0U);
  EXPECT_THAT(notes_, Contains(HasSubstr("nothing is deleted")));
}

TEST_F(DeleteTest, NamesWhatGoesAndADryRunNamesTheSame) {
  make_tree();
  finish();
  restore_well();
  write("/home/ann/extra", "x");
  write("/home/ann/more/deep/x", "x");
  std::vector<std::string> named;
  options_.on_delete = [&](const std::string& path, EntryType) { named.push_back(path); };
  options_.dry_run = true;
  const RestoreReport planned = restore_well();
  const auto named_before = std::exchange(named, {});
  EXPECT_TRUE(exists("/home/ann/more/deep/x"));
  options_.dry_run = false;
  const RestoreReport done = restore_well();
  EXPECT_EQ(named, named_before);
  EXPECT_THAT(named, UnorderedElementsAre("/home/ann/extra", "/home/ann/more/deep/x",
                                          "/home/ann/more/deep", "/home/ann/more"));
  EXPECT_EQ(planned.files_deleted, 2U);
  EXPECT_EQ(planned.dirs_deleted, 2U);
  EXPECT_EQ(done.files_deleted, 2U);
  EXPECT_EQ(done.dirs_deleted, 2U);
}

TEST_F(DeleteTest, KeepsTheRepositoryAndTheFoldersAboveIt) {
  make_tree();
  finish();
  restore_well();
  write("/home/ann/new/backups/repository/config", "precious");
  write("/home/ann/new/backups/beside", "x");
  // Named by a link, so that it is the inode that counts.
  std::filesystem::create_directory_symlink(at("/home/ann/new/backups/repository"),
                                            scratch_ / "link");
  options_.keep = {scratch_ / "link"};
  for (const bool dry_run : {true, false}) {
    options_.dry_run = dry_run;
    EXPECT_EQ(restore_well().files_deleted, 0U);
    EXPECT_THAT(notes_, ElementsAre(HasSubstr("/home/ann/new is not deleted")));
    notes_.clear();
    EXPECT_EQ(text_of("/home/ann/new/backups/repository/config"), "precious");
  }
}

TEST_F(DeleteTest, KeepsALinkThatLeadsToTheRepository) {
  make_tree();
  finish();
  restore_well();
  const std::string repository = scratch_ / "repository";
  std::filesystem::create_directories(repository);
  std::filesystem::create_directory_symlink(repository, at("/home/ann/link"));
  options_.keep = {at("/home/ann/link")};
  EXPECT_EQ(restore_well().files_deleted, 0U);
  EXPECT_TRUE(exists("/home/ann/link"));
}

TEST_F(DeleteTest, NothingOfTheSnapshotReplacesTheRepositoryOrAFolderAboveIt) {
  make_tree();
  add_file("/home/ann/backups", "a file of the snapshot");
  add_folder("/home/ann/repository");
  add_file("/home/ann/repository/config", "a file of the snapshot");
  finish();
  write("/home/ann/backups/inner/config", "precious");
  write("/home/ann/repository/config", "precious");
  options_.keep = {at("/home/ann/backups/inner"), at("/home/ann/repository")};
  const auto report = restore();
  ASSERT_TRUE(report);
  EXPECT_THAT(trouble_paths(), ElementsAre("/home/ann/backups", "/home/ann/repository",
                                           "/home/ann/repository/config"));
  EXPECT_EQ(report->files_failed, 2U);
  EXPECT_EQ(text_of("/home/ann/backups/inner/config"), "precious");
  EXPECT_EQ(text_of("/home/ann/repository/config"), "precious");
}

TEST_F(DeleteTest, ATargetInsideTheRepositoryIsRefused) {
  make_tree();
  finish();
  std::filesystem::create_directories(target());
  options_.keep = {target()};
  for (const std::string& inside : {target(), at("/data/deep")}) {
    options_.target = inside;
    const auto report = restore();
    ASSERT_FALSE(report);
    EXPECT_EQ(report.error().code(), ErrorCode::kInvalidArgument);
  }
  EXPECT_TRUE(std::filesystem::is_empty(target()));
}

TEST_F(DeleteTest, KeepsWhatMayHaveBeenInAFolderThatWasNotTakenWhole) {
  make_tree();
  for (const char* path : {"/home/ann/mount", "/home/ann/cache", "/home/ann/marked"})
    add_folder(path);
  entries_[snapshot::key_from_path("/home/ann/mount")].left_out = LeftOut::kOtherFileSystem;
  entries_[snapshot::key_from_path("/home/ann/cache")].left_out = LeftOut::kCache;
  entries_[snapshot::key_from_path("/home/ann/marked")].left_out = LeftOut::kMarked;
  add_folder("/home/ann/cache/given");
  finish();
  for (const char* path : {"/home/ann/mount/a/b", "/home/ann/cache/a", "/home/ann/marked/a/b",
                           "/home/ann/cache/given/a", "/home/ann/d/a"})
    write(path, "x");
  EXPECT_EQ(restore_well().files_deleted, 2U);
  EXPECT_TRUE(exists("/home/ann/mount/a/b"));
  EXPECT_TRUE(exists("/home/ann/cache/a"));
  EXPECT_TRUE(exists("/home/ann/marked/a/b"));
  EXPECT_FALSE(exists("/home/ann/cache/given/a"));
  EXPECT_FALSE(exists("/home/ann/d/a"));
}

TEST_F(DeleteTest, KeepsFilesThatWereTooLargeForTheBackup) {
  make_tree();
  snapshot_.larger_left_out = 10;
  snapshot_.started = {clock_.now().seconds + 100'000, 0};
  finish();
  write("/home/ann/large", "eleven bytes");
  write("/home/ann/moved/large", "eleven bytes");
  write("/home/ann/moved/small", "x");
  const RestoreReport report = restore_well();
  EXPECT_EQ(report.files_deleted, 1U);
  EXPECT_EQ(report.dirs_deleted, 0U);
  EXPECT_TRUE(exists("/home/ann/large"));
  EXPECT_TRUE(exists("/home/ann/moved/large"));
  EXPECT_FALSE(exists("/home/ann/moved/small"));
}

TEST_F(DeleteTest, KeepsFilesThatMayHaveBeenTooLargeForTheBackup) {
  make_tree();
  snapshot_.larger_left_out = 10;
  snapshot_.started = clock_.now();
  finish();
  write("/home/ann/smaller-now", "x");
  set_modified("/home/ann/smaller-now", {1'000'000'000, 0});
  std::filesystem::create_symlink("/", at("/home/ann/link"));
  EXPECT_EQ(restore_well().files_deleted, 1U);
  EXPECT_TRUE(exists("/home/ann/smaller-now"));
  EXPECT_THAT(notes_, ElementsAre(HasSubstr("/home/ann/smaller-now is not deleted")));
}

TEST_F(DeleteTest, KeepsPlacesThatTheBackupLeftOut) {
  make_tree();
  snapshot_.places_left_out = {"/home/ann/backups/repository"};
  finish();
  write("/home/ann/backups/repository/data/x", "x");
  write("/home/ann/backups/other", "x");
  EXPECT_EQ(restore_well().files_deleted, 1U);
  EXPECT_TRUE(exists("/home/ann/backups/repository/data/x"));
}

TEST_F(DeleteTest, RemovesWhatIsClosedToItsOwner) {
  make_tree();
  finish();
  restore_well();
  write("/home/ann/closed/inner/x", "x");
  std::filesystem::permissions(at("/home/ann/closed/inner"), std::filesystem::perms::none);
  std::filesystem::permissions(at("/home/ann/closed"), std::filesystem::perms::none);
  EXPECT_EQ(restore_well().files_deleted, 1U);
  EXPECT_FALSE(exists("/home/ann/closed"));
}

}  // namespace
}  // namespace backstay::engine
