#include "io/metadata.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <sys/xattr.h>
#include <unistd.h>

#include <set>
#include <string>

#include "io/attributes.h"
#include "io/directory_reader.h"
#include "io/testing/temporary_folder.h"

namespace backstay::io {
namespace {

class Metadata : public testing::Test {
 protected:
  Metadata() : folder_(::open(temporary_.path().c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC)) {}

  [[nodiscard]] int folder() const { return folder_.get(); }
  // A file of `size` bytes without any data.
  Fd make_file(const char* name, off_t size = 0) {
    Fd fd(::openat(folder(), name, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0640));
    EXPECT_TRUE(fd);
    EXPECT_EQ(::ftruncate(fd.get(), size), 0);
    return fd;
  }
  static std::vector<FileExtent> extents(int fd, std::uint64_t size) {
    std::vector<FileExtent> all;
    std::uint64_t at = 0;
    while (true) {
      const auto extent = extent_at(fd, at, size);
      EXPECT_TRUE(extent.has_value());
      if (!extent || !*extent) return all;
      EXPECT_EQ((*extent)->offset, at);
      at += (*extent)->length;
      all.push_back(**extent);
    }
  }

  TemporaryFolder temporary_;
  Fd folder_;
};

TEST_F(Metadata, StatusTellsKindsApartWithoutFollowingLinks) {
  make_file("file", 7);
  ASSERT_EQ(::mkdirat(folder(), "folder", 0750), 0);
  ASSERT_EQ(::symlinkat("folder", folder(), "link"), 0);
  ASSERT_EQ(::mkfifoat(folder(), "fifo", 0600), 0);
  const auto kind = [&](const char* name) { return full_status_at(folder(), name).value().kind; };
  EXPECT_EQ(kind("file"), FileKind::kRegular);
  EXPECT_EQ(kind("folder"), FileKind::kDirectory);
  EXPECT_EQ(kind("link"), FileKind::kSymlink);
  EXPECT_EQ(kind("fifo"), FileKind::kFifo);
  EXPECT_EQ(full_status_at(folder(), "link", LastLink::kFollow).value().kind, FileKind::kDirectory);
  EXPECT_EQ(full_status_at(folder(), "absent").error().code(), ErrorCode::kNotFound);
  EXPECT_EQ(full_status_at(folder(), "file").value().size, 7U);
}

TEST_F(Metadata, TimesBeforeTheEpochAndNanosecondsSurvive) {
  const Fd fd = make_file("old");
  const timespec times[2] = {{-5'000'000, 1}, {-1'000'000'000, 999'999'999}};
  ASSERT_EQ(::futimens(fd.get(), times), 0);
  const FileStatus status = full_status_of(fd.get()).value();
  EXPECT_EQ(status.modified, (Timestamp{-1'000'000'000, 999'999'999}));
  EXPECT_EQ(status.accessed, (Timestamp{-5'000'000, 1}));
}

TEST_F(Metadata, OpensOnlyRegularFilesAndNeverWaits) {
  make_file("file");
  ASSERT_EQ(::mkfifoat(folder(), "fifo", 0600), 0);
  ASSERT_EQ(::symlinkat("file", folder(), "link"), 0);
  ASSERT_EQ(::mkdirat(folder(), "folder", 0750), 0);
  EXPECT_TRUE(open_file_to_read(folder(), "file").has_value());
  for (const char* name : {"fifo", "link", "folder"}) {
    const auto opened = open_file_to_read(folder(), name);
    ASSERT_FALSE(opened.has_value()) << name;
    EXPECT_EQ(opened.error().code(), ErrorCode::kConflict) << name;
  }
}

TEST_F(Metadata, OpensOnlyFoldersForWalking) {
  make_file("file");
  ASSERT_EQ(::mkdirat(folder(), "folder", 0750), 0);
  ASSERT_EQ(::symlinkat("folder", folder(), "link"), 0);
  for (const FolderUse use : {FolderUse::kList, FolderUse::kPass}) {
    EXPECT_TRUE(open_folder_to_walk(folder(), "folder", use).has_value());
    EXPECT_EQ(open_folder_to_walk(folder(), "file", use).error().code(), ErrorCode::kConflict);
    EXPECT_EQ(open_folder_to_walk(folder(), "link", use).error().code(), ErrorCode::kConflict);
    EXPECT_TRUE(open_folder_to_walk(folder(), "link", use, LastLink::kFollow).has_value());
  }
}

TEST_F(Metadata, ReadsLongLinkTargets) {
  const std::string target(1000, 'x');  // XFS takes 1,023 bytes
  ASSERT_EQ(::symlinkat(target.c_str(), folder(), "long"), 0);
  EXPECT_EQ(read_link_at(folder(), "long").value(), target);
}

TEST_F(Metadata, ExtendedAttributesComeSortedAndWhole) {
  const Fd fd = make_file("file");
  const std::string large(3000, 'v');
  if (::fsetxattr(fd.get(), "user.b", large.data(), large.size(), 0) != 0) {
    GTEST_SKIP() << "this file system has no extended attributes";
  }
  ASSERT_EQ(::fsetxattr(fd.get(), "user.a", "", 0, 0), 0);
  XattrReader reader;
  std::vector<NamedValue> by_fd;
  std::vector<NamedValue> by_name;
  ASSERT_TRUE(reader.read(fd.get(), by_fd).has_value());
  ASSERT_TRUE(reader.read_at(folder(), "file", by_name).has_value());
  for (const auto& values : {by_fd, by_name}) {
    ASSERT_EQ(values.size(), 2U);
    EXPECT_EQ(values[0].name, "user.a");
    EXPECT_TRUE(values[0].value.empty());
    EXPECT_EQ(values[1].name, "user.b");
    EXPECT_EQ(as_text(values[1].value), large);
  }
}

TEST_F(Metadata, LongListsOfExtendedAttributesAreWhole) {
  const Fd fd = make_file("file");
  std::size_t set = 0;
  for (; set < 40; ++set) {
    const std::string name =
        "user." + std::string(50, static_cast<char>('a' + set % 26)) + std::to_string(set);
    if (::fsetxattr(fd.get(), name.c_str(), "", 0, 0) != 0) break;
  }
  if (set < 25) GTEST_SKIP() << "this file system has no room for long lists";
  XattrReader reader;
  std::vector<NamedValue> values;
  ASSERT_TRUE(reader.read(fd.get(), values).has_value());
  EXPECT_EQ(values.size(), set);
  ASSERT_TRUE(reader.read_at(folder(), "file", values).has_value());
  EXPECT_EQ(values.size(), set);
}

TEST_F(Metadata, AttributesOfLinksAreNotThoseOfTheirTargets) {
  const Fd fd = make_file("file");
  ASSERT_EQ(::symlinkat("file", folder(), "link"), 0);
  if (::fsetxattr(fd.get(), "user.a", "1", 1, 0) != 0) GTEST_SKIP() << "no extended attributes";
  XattrReader reader;
  std::vector<NamedValue> values;
  ASSERT_TRUE(reader.read_at(folder(), "link", values).has_value());
  EXPECT_TRUE(values.empty());
  EXPECT_EQ(reader.read_at(folder(), "absent", values).error().code(), ErrorCode::kNotFound);
}

TEST_F(Metadata, KeepsOnlyFlagsThatCanBeSet) {
  const Fd fd = make_file("file");
  constexpr std::uint32_t kNoDump = 0x40;
  if (!set_inode_flags(fd.get(), inode_flags(fd.get()).value() | kNoDump)) {
    GTEST_SKIP() << "this file system has no inode flags";
  }
  EXPECT_EQ(inode_attributes_of(fd.get()).value().flags, kNoDump);
}

TEST_F(Metadata, ExtentsCoverAFileAndItsHoles) {
  constexpr off_t kBlock = 64 * 1024;
  const Fd fd = make_file("sparse", 5 * kBlock);
  const std::string data(kBlock, 'd');
  ASSERT_EQ(::pwrite(fd.get(), data.data(), data.size(), kBlock), kBlock);
  ASSERT_EQ(::pwrite(fd.get(), data.data(), data.size(), 3 * kBlock), kBlock);
  const auto found = extents(fd.get(), 5 * kBlock);
  if (found.size() == 1 && !found[0].hole) GTEST_SKIP() << "this file system does not tell holes";
  ASSERT_EQ(found.size(), 5U);
  for (std::size_t i = 0; i < found.size(); ++i) {
    EXPECT_EQ(found[i].hole, i % 2 == 0) << i;
    EXPECT_EQ(found[i].length, static_cast<std::uint64_t>(kBlock)) << i;
  }
}

TEST_F(Metadata, HugeSparseFilesAreOneHole) {
  const Fd fd = make_file("huge", off_t{1} << 40);
  const auto found = extents(fd.get(), std::uint64_t{1} << 40);
  ASSERT_EQ(found.size(), 1U);
  EXPECT_TRUE(found[0].hole);
  EXPECT_EQ(found[0].length, std::uint64_t{1} << 40);
}

TEST_F(Metadata, ExtentsEndWhereAShrunkFileEnds) {
  const Fd fd = make_file("file", 100);
  EXPECT_TRUE(extents(fd.get(), 0).empty());
  ASSERT_EQ(::ftruncate(fd.get(), 40), 0);
  std::uint64_t covered = 0;
  for (const FileExtent& extent : extents(fd.get(), 100)) covered += extent.length;
  EXPECT_EQ(covered, 40U);
  EXPECT_FALSE(extent_at(fd.get(), 60, 100).value().has_value());
}

TEST_F(Metadata, DirectoryReaderGivesEveryNameOnceAlsoWhenStartedAgain) {
  std::set<std::string> made{"\xff\n", "..."};
  for (std::size_t i = 0; i < 500; ++i) {
    made.insert(std::to_string(i) + std::string(i % 200, 'x'));
  }
  for (const std::string& name : made) make_file(name.c_str());
  DirectoryReader reader(2048);
  for (int round = 0; round < 2; ++round) {
    std::set<std::string> found;
    ASSERT_TRUE(reader.start(folder()).has_value());
    while (true) {
      const auto name = reader.next();
      ASSERT_TRUE(name.has_value());
      if (!*name) break;
      EXPECT_EQ((*name)->data()[(*name)->size()], '\0');
      EXPECT_TRUE(found.emplace(**name).second);
    }
    EXPECT_EQ(found, made);
  }
}

}  // namespace
}  // namespace backstay::io
