#include "io/node.h"

#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sched.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>

#include "io/attributes.h"
#include "io/testing/as_nobody.h"
#include "io/testing/temporary_folder.h"

namespace backstay::io {
namespace {

namespace fs = std::filesystem;
using testing::HasSubstr;
using testing::UnorderedElementsAre;

class Node : public testing::Test {
 protected:
  void SetUp() override {
    fs::create_directory(home_ / "tree");
    fs::create_directory(home_ / "outside");
    std::ofstream(home_ / "outside/secret") << "secret";
    folder_ = open_folder_path(home_ / "tree").value();
  }
  [[nodiscard]] int folder() const { return folder_.get(); }
  [[nodiscard]] std::string in_tree(const std::string& name) const {
    return home_ / ("tree/" + name);
  }
  [[nodiscard]] bool outside_is_untouched() const {
    std::string text;
    std::ifstream(home_ / "outside/secret") >> text;
    return text == "secret" && std::distance(fs::directory_iterator(home_ / "outside"), {}) == 1;
  }

  TemporaryFolder home_;
  Fd folder_;
};

TEST_F(Node, NamesWithSlashesDotsOrZeroBytesAreRefused) {
  const std::string zero("a\0b", 3);
  for (const std::string& name :
       {std::string(), std::string("."), std::string(".."), std::string("a/b"), std::string("/"),
        std::string("../outside/secret"), zero, std::string(256, 'n')}) {
    EXPECT_EQ(validate_name(name).error().code(), ErrorCode::kInvalidArgument) << quoted(name);
    EXPECT_FALSE(find_at(folder(), name)) << quoted(name);
    EXPECT_FALSE(make_folder_at(folder(), name, 0700)) << quoted(name);
    EXPECT_FALSE(create_regular_at(folder(), name, 0600)) << quoted(name);
    EXPECT_FALSE(remove_tree_at(folder(), name)) << quoted(name);
    EXPECT_FALSE(rename_at(folder(), name, "x")) << quoted(name);
    EXPECT_FALSE(link_at(folder(), "x", folder(), name)) << quoted(name);
  }
  EXPECT_TRUE(outside_is_untouched());
  EXPECT_TRUE(validate_name(std::string(255, 'n')));
  EXPECT_TRUE(validate_name("..."));
}

TEST_F(Node, MessagesCannotSendCommandsToTheTerminal) {
  EXPECT_EQ(quoted("a\x1b[31m\n"), "'a\\x1b[31m\\x0a'");
  EXPECT_EQ(quoted("\xc3\xa4"), "'\xc3\xa4'");
}

TEST_F(Node, AFifoIsNeverOpenedForChange) {
  ASSERT_TRUE(make_special_at(folder(), "pipe", FileKind::kFifo));
  EXPECT_EQ(open_for_change_at(folder(), "pipe").error().code(), ErrorCode::kConflict);
}

TEST_F(Node, ALinkIsNeverFollowedToBeChanged) {
  ASSERT_TRUE(make_symlink_at(folder(), "link", home_ / "outside/secret"));
  EXPECT_EQ(open_for_change_at(folder(), "link").error().code(), ErrorCode::kConflict);
  EXPECT_EQ(create_regular_at(folder(), "link", 0600).error().code(), ErrorCode::kAlreadyExists);
  EXPECT_EQ(find_at(folder(), "link")->value().kind, FileKind::kSymlink);
}

TEST_F(Node, NamesAreListedWithoutMovingTheFolder) {
  fs::create_directory(in_tree("a"));
  fs::create_directory(in_tree("b"));
  for (int round = 0; round < 2; ++round) {
    EXPECT_THAT(names_in(folder()).value(), UnorderedElementsAre("a", "b"));
  }
}

TEST_F(Node, RemovingATreeRemovesLinksAndNotWhatTheyPointTo) {
  fs::create_directories(in_tree("a/b/c"));
  fs::create_directory_symlink(home_ / "outside", in_tree("a/b/link"));
  fs::create_symlink(home_ / "outside/secret", in_tree("a/file"));
  fs::create_hard_link(home_ / "outside/secret", in_tree("a/hard"));
  ASSERT_TRUE(remove_tree_at(folder(), "a"));
  EXPECT_FALSE(find_at(folder(), "a")->has_value());
  fs::create_directory_symlink(home_ / "outside", in_tree("link"));
  ASSERT_TRUE(remove_tree_at(folder(), "link"));
  EXPECT_TRUE(outside_is_untouched());
  EXPECT_TRUE(remove_tree_at(folder(), "gone"));
}

TEST_F(Node, ATreeOfAnyDepthIsRemovedWithFewDescriptors) {
  constexpr int kDepth = 1000;
  std::vector<Fd> above;
  above.push_back(open_folder_path(home_ / "tree").value());
  for (int level = 0; level < kDepth; ++level) {
    const int at = above.back().get();
    ASSERT_TRUE(make_folder_at(at, "deep", 0700));
    ASSERT_TRUE(create_regular_at(at, "file", 0600));
    Fd below = open_folder_to_walk(at, "deep", FolderUse::kList).value().fd;
    above.clear();
    above.push_back(std::move(below));
  }
  ASSERT_TRUE(remove_tree_at(folder(), "deep"));
  EXPECT_THAT(names_in(folder()).value(), UnorderedElementsAre("file"));
}

TEST_F(Node, AWideTreeWithFullFoldersIsRemoved) {
  for (int i = 0; i < 20; ++i) {
    const std::string sub = in_tree("wide/" + std::to_string(i));
    fs::create_directories(sub);
    for (int j = 0; j < 20; ++j) std::ofstream(sub + "/" + std::to_string(j)) << j;
  }
  ASSERT_TRUE(remove_tree_at(folder(), "wide"));
  EXPECT_FALSE(fs::exists(in_tree("wide")));
}

TEST_F(Node, ItsOwnerMayRemoveAFolderThatIsClosedToEverybody) {
  fs::permissions(home_.path(), fs::perms::all);
  fs::permissions(home_ / "tree", fs::perms::all);
  expect_without_root([&] {
    fs::create_directories(in_tree("a/b"));
    fs::permissions(in_tree("a/b"), fs::perms::none);
    fs::permissions(in_tree("a"), fs::perms::owner_read | fs::perms::owner_exec);
    const Result<void> removed = remove_tree_at(folder(), "a");
    EXPECT_TRUE(removed) << removed.error().describe();
  });
  EXPECT_FALSE(fs::exists(in_tree("a")));
}

TEST_F(Node, AMountPointIsNotEmptied) {
  if (!is_root()) GTEST_SKIP() << "needs root to mount";
  fs::create_directories(in_tree("a/mounted"));
  const auto private_mounts = [] {
    return ::unshare(CLONE_NEWNS) == 0 &&
           ::mount(nullptr, "/", nullptr, MS_REC | MS_PRIVATE, nullptr) == 0;
  };
  expect_in_child(private_mounts, [&] {
    const std::string outside = home_ / "outside";
    ASSERT_EQ(::mount(outside.c_str(), in_tree("a/mounted").c_str(), nullptr, MS_BIND, nullptr), 0);
    // The descriptor from before belongs to the other mount namespace.
    folder_ = open_folder_path(home_ / "tree").value();
    const Result<void> removed = remove_tree_at(folder(), "a");
    ASSERT_FALSE(removed);
    EXPECT_EQ(removed.error().code(), ErrorCode::kConflict);
    EXPECT_THAT(removed.error().describe(), HasSubstr("mount point"));
  });
  EXPECT_TRUE(outside_is_untouched());
}

TEST_F(Node, RenamingReplacesFilesAndLinksAndNothingElse) {
  std::ofstream(in_tree("new")) << "new";
  fs::create_symlink(home_ / "outside/secret", in_tree("link"));
  ASSERT_TRUE(rename_at(folder(), "new", "link"));
  EXPECT_TRUE(fs::is_regular_file(fs::symlink_status(in_tree("link"))));
  fs::create_directory(in_tree("folder"));
  EXPECT_EQ(rename_at(folder(), "link", "folder").error().code(), ErrorCode::kConflict);
  EXPECT_EQ(rename_at(folder(), "gone", "x").error().code(), ErrorCode::kNotFound);
  fs::create_hard_link(in_tree("link"), in_tree("other"));
  EXPECT_EQ(rename_if_free_at(folder(), "link", "folder").error().code(),
            ErrorCode::kAlreadyExists);
  ASSERT_TRUE(rename_if_free_at(folder(), "link", "free"));
  ASSERT_TRUE(rename_at(folder(), "free", "link"));
  ASSERT_TRUE(rename_at(folder(), "link", "other"));
  EXPECT_THAT(names_in(folder()).value(), UnorderedElementsAre("folder", "other"));
  EXPECT_TRUE(outside_is_untouched());
}

// Files on which flags can be set; skipped where the file system or this user cannot.
class ProtectedNode : public Node {
 protected:
  void SetUp() override {
    Node::SetUp();
    const Fd probe = create_regular_at(folder(), "probe", 0600).value();
    if (!set_inode_flags(probe.get(), inode_flags(probe.get()).value() | kProtectionFlags)) {
      GTEST_SKIP() << "immutable files need root and a file system that has them";
    }
    ASSERT_TRUE(clear_protection(probe.get()));
    ASSERT_TRUE(remove_non_folder_at(folder(), "probe"));
  }
  void protect(const std::string& path) {
    const Fd fd(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
    ASSERT_TRUE(set_inode_flags(fd.get(), inode_flags(fd.get()).value() | 0x10));
  }
  [[nodiscard]] bool is_protected(const std::string& path) {
    const Fd fd(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
    return (inode_flags(fd.get()).value() & kProtectionFlags) != 0;
  }
};

TEST_F(ProtectedNode, IsRemovedAndItsOtherNamesStayProtected) {
  fs::create_hard_link(home_ / "outside/secret", in_tree("hard"));
  protect(in_tree("hard"));
  ASSERT_TRUE(remove_tree_at(folder(), "hard"));
  EXPECT_FALSE(fs::exists(in_tree("hard")));
  EXPECT_TRUE(is_protected(home_ / "outside/secret"));
  ASSERT_TRUE(clear_protection(Fd(::open((home_ / "outside/secret").c_str(), O_RDONLY)).get()));
}

TEST_F(ProtectedNode, FoldersAreRemovedWithWhatIsInThem) {
  fs::create_directories(in_tree("a/b"));
  std::ofstream(in_tree("a/b/file")) << "x";
  for (const char* path : {"a/b/file", "a/b", "a"}) protect(in_tree(path));
  const Result<void> removed = remove_tree_at(folder(), "a");
  ASSERT_TRUE(removed) << removed.error().describe();
  EXPECT_FALSE(fs::exists(in_tree("a")));
}

TEST_F(ProtectedNode, IsRenamedAndReplacedAndKeepsItsFlags) {
  std::ofstream(in_tree("new")) << "new";
  std::ofstream(in_tree("old")) << "old";
  protect(in_tree("new"));
  protect(in_tree("old"));
  const Result<void> renamed = rename_at(folder(), "new", "old");
  ASSERT_TRUE(renamed) << renamed.error().describe();
  EXPECT_FALSE(fs::exists(in_tree("new")));
  EXPECT_TRUE(is_protected(in_tree("old")));
  ASSERT_TRUE(remove_tree_at(folder(), "old"));
}

TEST_F(ProtectedNode, StaysWhereItCannotBeReplaced) {
  fs::create_directory(in_tree("closed"));
  const Fd closed = open_folder_path(in_tree("closed")).value();
  for (const char* name : {"closed/new", "closed/old"}) {
    std::ofstream(in_tree(name)) << name;
    protect(in_tree(name));
  }
  protect(in_tree("closed"));
  EXPECT_FALSE(rename_at(closed.get(), "new", "old"));
  EXPECT_THAT(names_in(closed.get()).value(), UnorderedElementsAre("new", "old"));
  EXPECT_TRUE(is_protected(in_tree("closed/old")));
  EXPECT_TRUE(is_protected(in_tree("closed/new")));
  ASSERT_TRUE(remove_tree_at(folder(), "closed"));
}

}  // namespace
}  // namespace backstay::io
