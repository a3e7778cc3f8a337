#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <sys/xattr.h>

#include <cstdio>
#include <filesystem>
#include <fstream>
#include <functional>
#include <memory>

#include "compare/tree_comparer.h"
#include "io/attributes.h"
#include "io/testing/temporary_folder.h"

namespace backstay::compare {
namespace {

namespace fs = std::filesystem;
using testing::HasSubstr;

struct Outcome {
  Totals totals;
  std::string text;
};

class CompareTrees : public testing::Test {
 protected:
  // Two equal trees with one of everything that needs no root.
  void SetUp() override {
    for (const std::string& tree : {left_, right_}) {
      fs::create_directories(tree + "/folder/deeper");
      std::ofstream(tree + "/file") << std::string(300'000, 'x') << "end";
      std::ofstream(tree + "/folder/small") << "small";
      std::ofstream(tree + "/empty");
      fs::create_symlink("target", tree + "/link");
      fs::create_hard_link(tree + "/folder/small", tree + "/hard");
      ASSERT_EQ(::mkfifo((tree + "/fifo").c_str(), 0600), 0);
      std::ofstream(tree + "/sparse");
      fs::resize_file(tree + "/sparse", 1 << 20);
      for (const auto& item : fs::recursive_directory_iterator(tree)) touch(item.path(), 1000);
      touch(tree, 1000);
    }
  }

  static void touch(const std::string& path, std::int64_t seconds, std::int64_t nanos = 5) {
    const timespec times[2] = {{seconds, nanos}, {seconds, nanos}};
    ASSERT_EQ(::utimensat(AT_FDCWD, path.c_str(), times, AT_SYMLINK_NOFOLLOW), 0);
  }

  Outcome compare(Options options = {}) const {
    options.left = left_;
    options.right = right_;
    char* text = nullptr;
    std::size_t size = 0;
    std::FILE* out = ::open_memstream(&text, &size);
    const Result<Totals> totals = compare_trees(options, out);
    std::fclose(out);
    Outcome outcome{totals.value_or(Totals()), std::string(text, size)};
    std::free(text);
    EXPECT_TRUE(totals) << totals.error().describe();
    return outcome;
  }

  // One change on the right is one difference of that kind, and none when it is ignored.
  void expect_found(What what, const std::string& name, const std::function<void()>& change) {
    ASSERT_EQ(compare().totals.differences, 0U) << compare().text;
    change();
    touch(right_, 1000);
    if (what != What::kModified && fs::exists(fs::symlink_status(right_ + "/" + name))) {
      touch(right_ + "/" + name, 1000);
    }
    const Outcome outcome = compare();
    EXPECT_EQ(outcome.totals.differences, 1U) << outcome.text;
    EXPECT_THAT(outcome.text, HasSubstr(name + ": " + std::string(to_string(what)) + ": "));
    Options options;
    options.ignored.insert(what);
    EXPECT_EQ(compare(options).totals.differences, 0U);
  }

  io::TemporaryFolder home_;
  std::string left_ = home_ / "left";
  std::string right_ = home_ / "right";
};

TEST_F(CompareTrees, EqualTreesAreIdentical) {
  const Outcome outcome = compare();
  EXPECT_EQ(outcome.totals.differences, 0U);
  EXPECT_EQ(outcome.totals.entries, 10U);
  EXPECT_EQ(outcome.totals.files, 5U);
  EXPECT_THAT(outcome.text, HasSubstr("identical"));
}

TEST_F(CompareTrees, OneByteIsFound) {
  expect_found(What::kContent, "file", [&] {
    std::fstream file(right_ + "/file");
    file.seekp(300'001);
    file << 'E';
  });
}

TEST_F(CompareTrees, ASizeIsFound) {
  expect_found(What::kSize, "file", [&] { fs::resize_file(right_ + "/file", 5); });
}

TEST_F(CompareTrees, AModeIsFound) {
  expect_found(What::kMode, "folder",
               [&] { fs::permissions(right_ + "/folder", fs::perms(0700)); });
}

TEST_F(CompareTrees, ANanosecondIsFound) {
  expect_found(What::kModified, "fifo", [&] { touch(right_ + "/fifo", 1000, 6); });
}

TEST_F(CompareTrees, ATargetIsFound) {
  expect_found(What::kTarget, "link", [&] {
    fs::remove(right_ + "/link");
    fs::create_symlink("other", right_ + "/link");
  });
}

TEST_F(CompareTrees, ATypeIsFound) {
  expect_found(What::kType, "fifo", [&] {
    fs::remove(right_ + "/fifo");
    std::ofstream(right_ + "/fifo");
  });
}

TEST_F(CompareTrees, AMissingEntryIsFound) {
  expect_found(What::kExistence, "empty", [&] { fs::remove(right_ + "/empty"); });
}

TEST_F(CompareTrees, ASurplusEntryIsFound) {
  expect_found(What::kExistence, "surplus", [&] { std::ofstream(right_ + "/surplus"); });
}

TEST_F(CompareTrees, AFilledHoleIsFound) {
  expect_found(What::kHoleMap, "sparse", [&] {
    std::fstream file(right_ + "/sparse");
    file.seekp(500'000);
    file << '\0';
  });
}

TEST_F(CompareTrees, ABrokenHardLinkIsFound) {
  expect_found(What::kHardLinks, "hard", [&] {
    fs::remove(right_ + "/hard");
    fs::copy_file(right_ + "/folder/small", right_ + "/hard");
  });
}

// Threads read the entries in any order.
TEST_F(CompareTrees, TheSameNameOfABrokenHardLinkIsFoundEachTime) {
  fs::remove(right_ + "/hard");
  fs::copy_file(right_ + "/folder/small", right_ + "/hard");
  touch(right_ + "/hard", 1000);
  touch(right_, 1000);
  Options options;
  options.threads = 4;
  for (int round = 0; round < 100; ++round) {
    const Outcome outcome = compare(options);
    ASSERT_EQ(outcome.totals.differences, 1U) << outcome.text;
    ASSERT_THAT(outcome.text, HasSubstr("hard: hard-links: "));
  }
}

TEST_F(CompareTrees, AHardLinkThatWasNoneIsFound) {
  std::ofstream(left_ + "/other") << "small";
  std::ofstream(right_ + "/other") << "small";
  for (const std::string& tree : {left_, right_}) {
    touch(tree + "/other", 1000);
    touch(tree, 1000);
  }
  expect_found(What::kHardLinks, "other", [&] {
    fs::remove(right_ + "/other");
    fs::create_hard_link(right_ + "/hard", right_ + "/other");
  });
}

TEST_F(CompareTrees, AnExtendedAttributeIsFound) {
  const std::string file = right_ + "/file";
  if (::setxattr(file.c_str(), "user.probe", "x", 1, 0) != 0) GTEST_SKIP() << "no attributes here";
  ::removexattr(file.c_str(), "user.probe");
  expect_found(What::kXattrs, "file", [&] { ::setxattr(file.c_str(), "user.a", "x", 1, 0); });
}

TEST_F(CompareTrees, InodeFlagsAreFound) {
  const io::Fd fd = io::open_file(right_ + "/file", io::OpenMode::kRead).value();
  const std::uint32_t flags = io::inode_flags(fd.get()).value();
  if (!io::set_inode_flags(fd.get(), flags)) GTEST_SKIP() << "no inode flags here";
  expect_found(What::kFlags, "file",
               [&] { ASSERT_TRUE(io::set_inode_flags(fd.get(), flags | 0x40)); });
}

TEST_F(CompareTrees, OwnersAreFoundUnlessTheyAreNotToBeCompared) {
  const io::Fd fd = io::open_file(right_ + "/file", io::OpenMode::kRead).value();
  if (!io::set_owner({fd.get()}, 1234, std::nullopt)) GTEST_SKIP() << "changing owners needs root";
  EXPECT_EQ(compare().totals.differences, 1U);
  EXPECT_THAT(compare().text, HasSubstr("file: owner: 0 1234"));
  Options options;
  options.ownership = Ownership::kIgnore;
  EXPECT_EQ(compare(options).totals.differences, 0U);
}

TEST_F(CompareTrees, WhatIsExcludedIsNotCompared) {
  std::ofstream(right_ + "/file") << "other";
  fs::remove_all(right_ + "/folder");
  touch(right_, 1000);
  Options options;
  options.excluded = {left_ + "/file", "folder"};
  EXPECT_EQ(compare(options).totals.differences, 0U);
  options.excluded.erase("folder");
  EXPECT_EQ(compare(options).totals.differences, 1U);
}

TEST_F(CompareTrees, DeepTreesAreWalkedToTheirEnd) {
  std::string path = "/deep";
  for (int i = 0; i < 300; ++i) path += "/d";
  for (const std::string& tree : {left_, right_}) fs::create_directories(tree + path);
  std::ofstream(right_ + path + "/x");
  Options options;
  options.ignored.insert(What::kModified);
  const Outcome outcome = compare(options);
  EXPECT_EQ(outcome.totals.differences, 1U);
  EXPECT_EQ(outcome.totals.entries, 311U);
  EXPECT_THAT(outcome.text, HasSubstr("d/x: existence: missing present"));
}

TEST_F(CompareTrees, AMissingTreeIsAFailure) {
  Options options;
  options.left = left_;
  options.right = home_ / "nowhere";
  EXPECT_FALSE(compare_trees(options, stdout));
  options.right = left_ + "/file";
  EXPECT_FALSE(compare_trees(options, stdout));
}

}  // namespace
}  // namespace backstay::compare
