#include "source/target_tree.h"

#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <thread>

#include "io/testing/as_nobody.h"
#include "source/testing/target_fixture.h"

namespace backstay::source {
namespace {

namespace fs = std::filesystem;
using snapshot::Entry;
using snapshot::EntryType;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::UnorderedElementsAre;

class TargetTreeTest : public TargetFixture {};

TEST_F(TargetTreeTest, MissingTargetIsMadeForItsOwnerOnly) {
  target_ = home_ / "a/b/c";
  open();
  EXPECT_EQ(stat_of(target_).st_mode & 07777U, 0700U);
  EXPECT_EQ(stat_of(home_ / "a").st_mode & 07777U, 0700U);
}

TEST_F(TargetTreeTest, AFileCannotBeATarget) {
  EXPECT_FALSE(TargetTree::open(outside_ + "/secret", {}));
  expect_outside_untouched();
}

TEST_F(TargetTreeTest, ATargetMayBeNamedThroughALink) {
  fs::create_directory_symlink(target_, home_ / "link");
  target_ = home_ / "link";
  open();
  EXPECT_TRUE(tree_->make_folder(tree_->root(), "a"));
  EXPECT_TRUE(fs::is_directory(home_ / "target/a"));
}

TEST_F(TargetTreeTest, FilesAndFoldersAppearClosedToOthers) {
  const TargetFolderPtr a = tree_->make_folder(tree_->root(), "a").value();
  const TargetFolderPtr b = tree_->make_folder(a, "b").value();
  write(tree_->open_for_write(b, "file", 5, Existing::kReplace), "hello");
  EXPECT_EQ(text_of(in_target("a/b/file")), "hello");
  EXPECT_EQ(stat_of(in_target("a/b/file")).st_mode & 07777U, 0600U);
  EXPECT_EQ(stat_of(in_target("a/b")).st_mode & 07777U, 0700U);
  EXPECT_THAT(tree_->names(a).value(), UnorderedElementsAre("b"));
}

TEST_F(TargetTreeTest, AFileIsAHoleUntilItIsWritten) {
  constexpr std::uint64_t kSize = std::uint64_t{64} << 20;
  ASSERT_TRUE(tree_->open_for_write(tree_->root(), "file", kSize, Existing::kReplace));
  EXPECT_EQ(static_cast<std::uint64_t>(stat_of(in_target("file")).st_size), kSize);
  EXPECT_EQ(stat_of(in_target("file")).st_blocks, 0);
}

TEST_F(TargetTreeTest, AnExistingFolderIsKeptWithWhatIsInIt) {
  fs::create_directories(in_target("a/kept"));
  ASSERT_TRUE(tree_->make_folder(tree_->root(), "a"));
  EXPECT_TRUE(fs::exists(in_target("a/kept")));
}

TEST_F(TargetTreeTest, AFolderReplacesAFileAndAFileReplacesAFolder) {
  std::ofstream(in_target("a")) << "file";
  fs::create_directories(in_target("b/c/d"));
  ASSERT_TRUE(tree_->make_folder(tree_->root(), "a"));
  write(tree_->open_for_write(tree_->root(), "b", 1, Existing::kReplace), "x");
  EXPECT_TRUE(fs::is_directory(in_target("a")));
  EXPECT_EQ(text_of(in_target("b")), "x");
}

TEST_F(TargetTreeTest, KeptFilesKeepTheirBytesAndGetTheirSize) {
  std::ofstream(in_target("file")) << "0123456789";
  const std::uint64_t inode = stat_of(in_target("file")).st_ino;
  write(tree_->open_for_write(tree_->root(), "file", 6, Existing::kKeepBytes), "ab");
  EXPECT_EQ(text_of(in_target("file")), "ab2345");
  EXPECT_EQ(stat_of(in_target("file")).st_ino, inode);
  write(tree_->open_for_write(tree_->root(), "file", 2, Existing::kReplace), "x");
  EXPECT_EQ(text_of(in_target("file")), std::string("x\0", 2));
  ASSERT_TRUE(tree_->open_for_write(tree_->root(), "new", 3, Existing::kKeepBytes));
  EXPECT_EQ(text_of(in_target("new")), std::string(3, '\0'));
}

TEST_F(TargetTreeTest, AFileThatIsRunningIsReplacedByACopy) {
  fs::copy_file("/bin/sleep", in_target("program"));
  const std::uint64_t inode = stat_of(in_target("program")).st_ino;
  const std::string before = text_of(in_target("program"));
  FILE* running = ::popen((in_target("program") + " 100 & echo $!").c_str(), "r");
  ASSERT_NE(running, nullptr);
  int child = 0;
  ASSERT_EQ(std::fscanf(running, "%d", &child), 1);
  // Until then it is a shell that will become the program.
  const std::string program = "/proc/" + std::to_string(child) + "/exe";
  while (fs::read_symlink(program) != in_target("program")) std::this_thread::yield();
  const Result<io::Fd> fd =
      tree_->open_for_write(tree_->root(), "program", before.size(), Existing::kKeepBytes);
  ::kill(child, SIGKILL);
  ::pclose(running);
  ASSERT_TRUE(fd) << fd.error().describe();
  EXPECT_EQ(text_of(in_target("program")), before);
  EXPECT_NE(stat_of(in_target("program")).st_ino, inode);
}

TEST_F(TargetTreeTest, SpecialFilesAreMadeAndReplaceWhatIsThere) {
  Entry link = entry_of(EntryType::kSymlink, 0777);
  link.symlink_target = "../outside/secret";
  for (const char* name : {"fifo", "socket", "link"}) std::ofstream(in_target(name)) << "old";
  ASSERT_TRUE(tree_->make_special(tree_->root(), "fifo", entry_of(EntryType::kFifo, 0600)));
  ASSERT_TRUE(tree_->make_special(tree_->root(), "socket", entry_of(EntryType::kSocket, 0600)));
  ASSERT_TRUE(tree_->make_special(tree_->root(), "link", link));
  EXPECT_TRUE(S_ISFIFO(stat_of(in_target("fifo")).st_mode));
  EXPECT_TRUE(S_ISSOCK(stat_of(in_target("socket")).st_mode));
  EXPECT_EQ(fs::read_symlink(in_target("link")), "../outside/secret");
  EXPECT_EQ(tree_->look(tree_->root(), "link")->value().entry.symlink_target, "../outside/secret");
}

TEST_F(TargetTreeTest, DeviceNodesKeepTheirNumbers) {
  if (!io::is_root()) GTEST_SKIP() << "device nodes need root";
  Entry device = entry_of(EntryType::kCharDevice, 0600);
  device.special_device = (std::uint64_t{1} << 32) | 3;
  ASSERT_TRUE(tree_->make_special(tree_->root(), "null", device));
  EXPECT_EQ(tree_->look(tree_->root(), "null")->value().entry.special_device,
            device.special_device);
}

TEST_F(TargetTreeTest, SymbolicLinksWithoutATargetAreRefused) {
  Entry link = entry_of(EntryType::kSymlink, 0777);
  EXPECT_FALSE(tree_->make_special(tree_->root(), "link", link));
  link.symlink_target = std::string("a\0b", 3);
  EXPECT_FALSE(tree_->make_special(tree_->root(), "link", link));
  EXPECT_FALSE(tree_->make_special(tree_->root(), "link", entry_of(EntryType::kFile, 0600)));
  EXPECT_THAT(tree_->names(tree_->root()).value(), IsEmpty());
}

TEST_F(TargetTreeTest, HardLinksShareOneInodeAndReplaceWhatIsThere) {
  write(tree_->open_for_write(tree_->root(), "a", 1, Existing::kReplace), "x");
  const TargetFolderPtr folder = tree_->make_folder(tree_->root(), "folder").value();
  fs::create_directories(in_target("folder/b/c"));
  for (int round = 0; round < 2; ++round) {
    ASSERT_TRUE(tree_->make_hard_link(tree_->root(), "a", folder, "b"));
    EXPECT_EQ(stat_of(in_target("a")).st_ino, stat_of(in_target("folder/b")).st_ino);
    EXPECT_EQ(stat_of(in_target("a")).st_nlink, 2U);
  }
  EXPECT_EQ(tree_->look(folder, "b")->value().entry.links, 2U);
}

TEST_F(TargetTreeTest, AttributesOfAHardLinkGroupAreSetInPlace) {
  write(tree_->open_for_write(tree_->root(), "a", 1, Existing::kReplace), "x");
  ASSERT_TRUE(tree_->make_hard_link(tree_->root(), "a", tree_->root(), "b"));
  ASSERT_TRUE(tree_->set_attributes(tree_->root(), "a", entry_of(EntryType::kFile, 0644)));
  EXPECT_EQ(stat_of(in_target("a")).st_ino, stat_of(in_target("b")).st_ino);
  EXPECT_EQ(stat_of(in_target("b")).st_mode & 07777U, 0644U);
}

TEST_F(TargetTreeTest, LookSeesNothingUnderAFreeName) {
  EXPECT_FALSE(tree_->look(tree_->root(), "free")->has_value());
  EXPECT_EQ(tree_->open_for_read(tree_->root(), "free").error().code(), ErrorCode::kNotFound);
}

TEST_F(TargetTreeTest, RemovingIsForFilesFoldersAndWhatIsGone) {
  fs::create_directories(in_target("a/b/c"));
  std::ofstream(in_target("file")) << "x";
  for (const char* name : {"a", "file", "gone"}) EXPECT_TRUE(tree_->remove(tree_->root(), name));
  EXPECT_THAT(tree_->names(tree_->root()).value(), IsEmpty());
}

TEST_F(TargetTreeTest, RenamingPutsAWholeFileInThePlaceOfAnother) {
  std::ofstream(in_target("file")) << "old";
  write(tree_->open_for_write(tree_->root(), ".new", 3, Existing::kReplace), "new");
  ASSERT_TRUE(tree_->rename(tree_->root(), ".new", "file"));
  EXPECT_EQ(text_of(in_target("file")), "new");
  fs::create_directory(in_target("folder"));
  EXPECT_EQ(tree_->rename(tree_->root(), "file", "folder").error().code(), ErrorCode::kConflict);
}

TEST_F(TargetTreeTest, NamesOf255BytesAndAnyByteWork) {
  std::string name;
  for (int byte = 1; byte < 256; ++byte) {
    if (byte != '/') name += static_cast<char>(byte);
  }
  name += 'x';
  ASSERT_EQ(name.size(), 255U);
  write(tree_->open_for_write(tree_->root(), name, 1, Existing::kReplace), "x");
  EXPECT_THAT(tree_->names(tree_->root()).value(), UnorderedElementsAre(name));
}

TEST_F(TargetTreeTest, TreesFarBeyondPathMaxAreMadeAttributedAndRemoved) {
  constexpr std::size_t kDepth = 5000;
  TargetTree::Options options;
  options.open_folders_max = 8;
  open(std::move(options));
  const std::string name(20, 'd');
  std::vector<TargetFolderPtr> path{tree_->root()};
  for (std::size_t level = 0; level < kDepth; ++level) {
    Result<TargetFolderPtr> folder = tree_->make_folder(path.back(), name);
    ASSERT_TRUE(folder) << level << ": " << folder.error().describe();
    path.push_back(std::move(*folder));
  }
  write(tree_->open_for_write(path.back(), "file", 4, Existing::kReplace), "deep");
  const TargetFolderPtr deepest = path.back();
  // Now and then on the way back: the folder was closed long ago and is reopened from the root.
  for (std::size_t level = kDepth; level > 0; level -= 500) {
    const auto set =
        tree_->set_attributes(path[level - 1], name, entry_of(EntryType::kDirectory, 0750));
    ASSERT_TRUE(set) << set.error().describe();
    path.resize(level);
  }
  path.clear();
  EXPECT_EQ(tree_->look(deepest, "file")->value().entry.size_bytes, 4U);
  ASSERT_TRUE(tree_->remove(tree_->root(), name));
  EXPECT_FALSE(tree_->look(tree_->root(), name)->has_value());
}

TEST_F(TargetTreeTest, ManyThreadsShareFewOpenFolders) {
  TargetTree::Options options;
  options.open_folders_max = 2;
  open(std::move(options));
  constexpr int kFolders = 16;
  std::vector<TargetFolderPtr> folders;
  for (int i = 0; i < kFolders; ++i) {
    const TargetFolderPtr outer = tree_->make_folder(tree_->root(), std::to_string(i)).value();
    folders.push_back(tree_->make_folder(outer, "inner").value());
  }
  {
    std::vector<std::jthread> threads;
    for (int t = 0; t < 4; ++t) {
      threads.emplace_back([&, t] {
        for (int i = 0; i < 200; ++i) {
          const std::string name = std::to_string(t) + "-" + std::to_string(i);
          const TargetFolderPtr& folder = folders[static_cast<std::size_t>(i % kFolders)];
          ASSERT_TRUE(tree_->open_for_write(folder, name, 0, Existing::kReplace));
        }
      });
    }
  }
  std::size_t files = 0;
  for (const TargetFolderPtr& folder : folders) files += tree_->names(folder)->size();
  EXPECT_EQ(files, 800U);
}

TEST_F(TargetTreeTest, AReadOnlyFolderIsFilledByItsOwner) {
  fs::permissions(home_.path(), fs::perms::all);
  fs::permissions(target_, fs::perms::all);
  io::expect_without_root([&] {
    fs::create_directories(in_target("a/b"));
    std::ofstream(in_target("a/file")) << "0123";
    fs::permissions(in_target("a/file"), fs::perms::owner_read);
    fs::permissions(in_target("a/b"), fs::perms::none);
    fs::permissions(in_target("a"), fs::perms(0555));
    const TargetFolderPtr a = tree_->make_folder(tree_->root(), "a").value();
    const TargetFolderPtr b = tree_->make_folder(a, "b").value();
    write(tree_->open_for_write(b, "file", 1, Existing::kReplace), "x");
    write(tree_->open_for_write(a, "file", 4, Existing::kKeepBytes), "ab");
    EXPECT_EQ(text_of(in_target("a/file")), "ab23");
    EXPECT_TRUE(tree_->set_attributes(a, "b", entry_of(EntryType::kDirectory, 0)));
    EXPECT_TRUE(tree_->set_attributes(a, "file", entry_of(EntryType::kFile, 0)));
    EXPECT_TRUE(tree_->set_attributes(tree_->root(), "a", entry_of(EntryType::kDirectory, 0555)));
    EXPECT_EQ(stat_of(in_target("a")).st_mode & 07777U, 0555U);
    EXPECT_EQ(stat_of(in_target("a/b")).st_mode & 07777U, 0U);
    EXPECT_EQ(stat_of(in_target("a/file")).st_mode & 07777U, 0U);
  });
}

TEST_F(TargetTreeTest, WhatAUserMayNotMakeIsDeniedWithAHint) {
  fs::permissions(home_.path(), fs::perms::all);
  fs::permissions(target_, fs::perms::all);
  fs::create_directory(in_target("others"));
  io::expect_without_root([&] {
    Entry device = entry_of(EntryType::kBlockDevice, 0600);
    device.special_device = (std::uint64_t{7} << 32) | 200;
    const Result<void> made = tree_->make_special(tree_->root(), "device", device);
    ASSERT_FALSE(made);
    EXPECT_EQ(made.error().code(), ErrorCode::kPermissionDenied);
    EXPECT_THAT(made.error().hint(), HasSubstr("as root"));
    if (process_uid() != io::kNobody) return;
    const TargetFolderPtr others = tree_->make_folder(tree_->root(), "others").value();
    EXPECT_EQ(tree_->open_for_write(others, "x", 0, Existing::kReplace).error().code(),
              ErrorCode::kPermissionDenied);
  });
}

}  // namespace
}  // namespace backstay::source
