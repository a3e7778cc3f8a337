#include "io/file.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <thread>

#include "io/new_file.h"
#include "io/testing/temporary_folder.h"

namespace backstay::io {
namespace {

Result<void> create(const std::string& path, std::string_view text) {
  const ByteView bytes = as_bytes(text);
  return create_file(path, {&bytes, 1}, Durability::kSynced);
}
std::string content(const std::string& path) {
  const Result<Bytes> bytes = read_file(path, 1 << 20);
  return bytes ? std::string(as_text(*bytes)) : bytes.error().describe();
}

TEST(CreateFile, RefusesATakenNameAndLeavesTheFileThere) {
  const TemporaryFolder folder;
  ASSERT_TRUE(create(folder / "a", "first").has_value());
  EXPECT_EQ(create(folder / "a", "second").error().code(), ErrorCode::kAlreadyExists);
  EXPECT_EQ(content(folder / "a"), "first");
  EXPECT_EQ(list_directory(folder.path()).value(), std::vector<std::string>{"a"});
}

TEST(CreateFile, JoinsThePiecesAndLetsOnlyTheOwnerRead) {
  const TemporaryFolder folder;
  const std::vector<ByteView> pieces{as_bytes("one "), as_bytes(""), as_bytes("two")};
  ASSERT_TRUE(create_file(folder / "a", pieces, Durability::kUnsynced).has_value());
  EXPECT_EQ(content(folder / "a"), "one two");
  struct stat st {};
  ASSERT_EQ(::stat((folder / "a").c_str(), &st), 0);
  EXPECT_EQ(st.st_mode & 07777U, 0600U);
  EXPECT_EQ(st.st_nlink, 1U);
}

TEST(CreateFile, NamesTheFileWhenTheFolderIsMissing) {
  const TemporaryFolder folder;
  const auto made = create(folder / "missing/a", "x");
  ASSERT_FALSE(made.has_value());
  EXPECT_EQ(made.error().code(), ErrorCode::kNotFound);
  EXPECT_NE(made.error().describe().find(folder / "missing/a"), std::string::npos);
}

TEST(CreateFile, LetsExactlyOneOfManyRacersWin) {
  const TemporaryFolder folder;
  std::atomic<int> won = 0;
  std::atomic<int> lost = 0;
  {
    std::vector<std::jthread> racers;
    for (int i = 0; i < 8; ++i) {
      racers.emplace_back([&, i] {
        const auto made = create(folder / "a", std::to_string(i));
        if (made) ++won;
        if (!made && made.error().code() == ErrorCode::kAlreadyExists) ++lost;
      });
    }
  }
  EXPECT_EQ(won, 1);
  EXPECT_EQ(lost, 7);
}

TEST(CreateFile, WorksAlikeInEveryWay) {
  for (const Naming naming : {Naming::kUnnamed, Naming::kRenamed, Naming::kRelinked}) {
    const TemporaryFolder folder;
    ASSERT_TRUE(make_directories(folder / "temporary").has_value());
    const std::vector<ByteView> pieces{as_bytes("one "), as_bytes("two")};
    const NewFile file{folder / "a", pieces, Durability::kSynced, folder / "temporary"};
    EXPECT_EQ(create_file_by(naming, file).value(), Outcome::kCreated);
    EXPECT_EQ(create_file_by(naming, file).error().code(), ErrorCode::kAlreadyExists);
    const NewFile lost{folder / "missing/b", pieces, Durability::kSynced, folder / "temporary"};
    const auto failed = create_file_by(naming, lost);
    EXPECT_EQ(failed.error().code(), ErrorCode::kNotFound);
    EXPECT_NE(failed.error().describe().find("missing/b"), std::string::npos);
    EXPECT_EQ(content(folder / "a"), "one two");
    struct stat st {};
    ASSERT_EQ(::stat((folder / "a").c_str(), &st), 0);
    EXPECT_EQ(st.st_mode & 07777U, 0600U);
    EXPECT_EQ(st.st_nlink, 1U);
    EXPECT_TRUE(list_directory(folder / "temporary")->empty());
    EXPECT_EQ(list_directory(folder.path())->size(), 2U);
  }
}

TEST(ReplaceFile, ReplacesInOneStepAndLeavesNothingBeside) {
  const TemporaryFolder folder;
  ASSERT_TRUE(replace_file(folder / "a", as_bytes("first")).has_value());
  ASSERT_TRUE(replace_file(folder / "a", as_bytes("second")).has_value());
  EXPECT_EQ(content(folder / "a"), "second");
  EXPECT_EQ(list_directory(folder.path()).value().size(), 1U);
}

TEST(ReadFile, RefusesMoreThanItsLimitAndTakesExactlyIt) {
  const TemporaryFolder folder;
  ASSERT_TRUE(create(folder / "a", "12345").has_value());
  EXPECT_EQ(read_file(folder / "a", 5).value().size(), 5U);
  EXPECT_EQ(read_file(folder / "a", 4).error().code(), ErrorCode::kInvalidArgument);
  EXPECT_EQ(read_file(folder / "none", 4).error().code(), ErrorCode::kNotFound);
}

TEST(ReadFile, ReadsFilesThatDoNotKnowTheirSize) {
  EXPECT_GT(read_file("/proc/self/status", 1 << 20).value().size(), 10U);
  EXPECT_EQ(read_file("/proc/self/status", 10).error().code(), ErrorCode::kInvalidArgument);
  EXPECT_EQ(read_file("/dev/zero", 5000).error().code(), ErrorCode::kInvalidArgument);
}

TEST(OpenFile, ReadsObjectsOnlyFromRegularFiles) {
  const TemporaryFolder folder;
  ASSERT_TRUE(create(folder / "file", "x").has_value());
  ASSERT_EQ(::symlink("file", (folder / "link").c_str()), 0);
  ASSERT_EQ(::mkfifo((folder / "fifo").c_str(), 0600), 0);
  ASSERT_TRUE(make_directories(folder / "folder").has_value());
  EXPECT_TRUE(open_file(folder / "file", OpenMode::kReadObject).has_value());
  EXPECT_TRUE(open_file(folder / "link", OpenMode::kRead).has_value());
  for (const char* const name : {"link", "fifo", "folder", "none"}) {
    const auto opened = open_file(folder / name, OpenMode::kReadObject);
    ASSERT_FALSE(opened.has_value()) << name;
    EXPECT_EQ(opened.error().code(), ErrorCode::kNotFound) << name;
  }
  EXPECT_TRUE(file_info(folder / "link").value().is_regular);
  EXPECT_FALSE(file_info(folder / "link", Links::kStay).value().is_regular);
}

TEST(PreadFull, StopsAtTheEndAndRefusesOffsetsBeyondAllFiles) {
  const TemporaryFolder folder;
  ASSERT_TRUE(create(folder / "a", "0123456789").has_value());
  const Fd fd = std::move(open_file(folder / "a", OpenMode::kReadNoAtime)).value();
  Bytes out(4);
  EXPECT_EQ(pread_full(fd.get(), out, 8).value(), 2U);
  EXPECT_EQ(as_text(ByteView(out).first(2)), "89");
  EXPECT_EQ(pread_full(fd.get(), out, 100).value(), 0U);
  EXPECT_EQ(pread_full(fd.get(), out, ~std::uint64_t{0}).error().code(),
            ErrorCode::kInvalidArgument);
}

TEST(MappedFile, ShowsTheSameBytesAfterItsPagesAreForgotten) {
  const TemporaryFolder folder;
  const Bytes bytes(100'000, 7);
  const ByteView pieces[] = {bytes};
  ASSERT_TRUE(create_file(folder / "a", pieces, Durability::kUnsynced));
  const auto file = MappedFile::open(folder / "a").value();
  EXPECT_TRUE(same_bytes(file->bytes(), bytes));
  file->forget_pages();
  EXPECT_TRUE(same_bytes(file->bytes(), bytes));
}

TEST(MappedFile, ShowsTheBytesAndTakesAnEmptyFile) {
  const TemporaryFolder folder;
  ASSERT_TRUE(create(folder / "a", "mapped").has_value());
  ASSERT_TRUE(create(folder / "empty", "").has_value());
  EXPECT_EQ(as_text(MappedFile::open(folder / "a").value()->bytes()), "mapped");
  EXPECT_TRUE(MappedFile::open(folder / "empty").value()->bytes().empty());
  EXPECT_FALSE(MappedFile::open(folder / "none").has_value());
}

TEST(MakeDirectories, MakesWhatIsMissingAndNothingOverAFile) {
  const TemporaryFolder folder;
  ASSERT_TRUE(make_directories(folder / "a/b//c/").has_value());
  ASSERT_TRUE(make_directories(folder / "a/b/c").has_value());
  ASSERT_TRUE(create(folder / "a/file", "x").has_value());
  EXPECT_EQ(make_directories(folder / "a/file").error().code(), ErrorCode::kAlreadyExists);
  EXPECT_FALSE(make_directories(folder / "a/file/b").has_value());
  struct stat st {};
  ASSERT_EQ(::stat((folder / "a/b/c").c_str(), &st), 0);
  EXPECT_EQ(st.st_mode & 07777U, 0700U);
}

TEST(RemoveTree, RemovesDeepTreesAndDoesNotFollowLinks) {
  const TemporaryFolder folder;
  ASSERT_TRUE(make_directories(folder / "kept").has_value());
  ASSERT_TRUE(create(folder / "kept/file", "x").has_value());
  // Deeper than descriptors allow, and longer than a path may be.
  std::string path = folder / "tree";
  ASSERT_TRUE(make_directories(path).has_value());
  Fd at = std::move(open_file(path, OpenMode::kRead)).value();
  for (int depth = 0; depth < 1500; ++depth) {
    ASSERT_EQ(::mkdirat(at.get(), "level", 0700), 0);
    ASSERT_EQ(::symlinkat((folder / "kept").c_str(), at.get(), "link"), 0);
    at = Fd(::openat(at.get(), "level", O_RDONLY | O_DIRECTORY | O_CLOEXEC));
    ASSERT_TRUE(at);
  }
  const auto removed = remove_tree(path);
  EXPECT_TRUE(removed.has_value()) << removed.error().describe();
  EXPECT_EQ(file_info(path).error().code(), ErrorCode::kNotFound);
  EXPECT_EQ(content(folder / "kept/file"), "x");
  EXPECT_TRUE(remove_tree(path).has_value()) << "what is not there counts as removed";
}

TEST(RemoveTree, RemovesALinkAndNotWhatItNames) {
  const TemporaryFolder folder;
  ASSERT_TRUE(make_directories(folder / "kept").has_value());
  ASSERT_EQ(::symlink((folder / "kept").c_str(), (folder / "link").c_str()), 0);
  ASSERT_TRUE(remove_tree(folder / "link").has_value());
  EXPECT_EQ(list_directory(folder.path()).value(), std::vector<std::string>{"kept"});
}

TEST(RemoveFile, CountsAMissingFileAsRemoved) {
  const TemporaryFolder folder;
  ASSERT_TRUE(create(folder / "a", "").has_value());
  EXPECT_TRUE(remove_file(folder / "a").has_value());
  EXPECT_TRUE(remove_file(folder / "a").has_value());
  EXPECT_FALSE(remove_file(folder.path()).has_value());
}

TEST(FileSystemTime, AgreesWithTheTimeOfNewFiles) {
  const TemporaryFolder folder;
  const Timestamp before = file_system_time(folder.path()).value();
  ASSERT_TRUE(create(folder / "a", "x").has_value());
  const Timestamp modified = file_info(folder / "a").value().modified;
  EXPECT_LE(before, modified);
  EXPECT_LE(modified, file_system_time(folder.path()).value());
  EXPECT_EQ(list_directory(folder.path()).value().size(), 1U);
}

TEST(WriteFull, SaysThatTheDiskIsFullAndWhatToDo) {
  const Fd full(::open("/dev/full", O_WRONLY | O_CLOEXEC));
  ASSERT_TRUE(full);
  const auto written = write_full(full.get(), as_bytes("x"));
  ASSERT_FALSE(written.has_value());
  EXPECT_EQ(written.error().code(), ErrorCode::kNoSpace);
  EXPECT_FALSE(written.error().hint().empty());
}

TEST(FreeBytes, IsKnownForFoldersThatExist) {
  const TemporaryFolder folder;
  EXPECT_LE(free_bytes(folder.path()).value(), total_bytes(folder.path()).value());
  EXPECT_EQ(free_bytes(folder / "none").error().code(), ErrorCode::kNotFound);
  EXPECT_EQ(total_bytes(folder / "none").error().code(), ErrorCode::kNotFound);
}

}  // namespace
}  // namespace backstay::io
