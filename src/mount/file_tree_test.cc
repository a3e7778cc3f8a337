#include "mount/file_tree.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/sysmacros.h>

#include "mount/testing/tree_fixture.h"

namespace backstay::mount {
namespace {

using testing::ElementsAre;
using testing::UnorderedElementsAre;

class MountedTree : public TreeFixture {
 protected:
  static constexpr const char* kFirst = "1970-01-01T01-00-00Z-01010101";
  static constexpr const char* kSecond = "1970-01-01T02-00-00Z-02020202";
  static constexpr const char* kThird = "1970-01-01T03-00-00Z-03030303";

  // A file that changes, one that does not, and one that becomes a folder.
  void make_three() {
    add_folder("/home");
    add_file("/home/report.txt", "one");
    add_file("/home/same", "the same");
    add_file("/home/turns", "a file");
    add_snapshot("alpha", 1, {"daily"});
    add_file("/home/report.txt", "one and two");
    add_folder("/home/turns");
    add_file("/home/turns/inner", "inner");
    add_snapshot("beta", 2, {"daily", "weekly"});
    add_file("/home/report.txt", "one").mode = 0600;
    add_file("/home/new", "new");
    add_snapshot("alpha", 3);
  }
};

TEST_F(MountedTree, ShowsSnapshotsByTimeHostAndTag) {
  make_three();
  EXPECT_THAT(names(""), ElementsAre("by-path", "hosts", "snapshots", "tags", "latest"));
  EXPECT_THAT(names("snapshots"), ElementsAre(kFirst, kSecond, kThird, "latest"));
  EXPECT_THAT(names("hosts"), ElementsAre("alpha", "beta"));
  EXPECT_THAT(names("hosts/alpha"), ElementsAre(kFirst, kThird, "latest"));
  EXPECT_THAT(names("tags"), ElementsAre("daily", "weekly"));
  EXPECT_THAT(names("tags/daily"), ElementsAre(kFirst, kSecond, "latest"));
  EXPECT_EQ(link("latest"), std::string("snapshots/") + kThird);
  EXPECT_EQ(link("snapshots/latest"), kThird);
  EXPECT_EQ(link("hosts/beta/latest"), std::string("../../snapshots/") + kSecond);
  EXPECT_EQ(link(std::string("tags/daily/") + kFirst), std::string("../../snapshots/") + kFirst);
  EXPECT_FALSE(find("snapshots/never"));
  EXPECT_FALSE(find("hosts/gamma"));
  EXPECT_FALSE(find("hosts/alpha/" + std::string(kSecond)));
}

TEST_F(MountedTree, ShowsNoLatestWhereThereIsNoSnapshot) {
  EXPECT_THAT(names(""), ElementsAre("by-path", "hosts", "snapshots", "tags"));
  EXPECT_THAT(names("by-path"), ElementsAre());
  EXPECT_FALSE(find("latest"));
}

TEST_F(MountedTree, ALatestIsNoSafetySnapshotUnlessThereAreNoOthers) {
  add_file("/file", "text");
  add_snapshot("alpha", 1);
  add_snapshot("alpha", 2, {"safety"});
  snapshots_.back().snapshot.description = "before restore 0123456789abcdef";
  EXPECT_EQ(link("latest"), std::string("snapshots/") + kFirst);
  EXPECT_THAT(names("snapshots"), ElementsAre(kFirst, kSecond, "latest"));
}

TEST_F(MountedTree, FilesAreReadAtAnyPlace) {
  std::string all;
  for (int i = 0; i < 900; ++i) all += "line " + std::to_string(i) + "\n";
  add_file("/file", all);
  add_snapshot("alpha", 1);
  const std::string path = std::string("snapshots/") + kFirst + "/file";
  EXPECT_EQ(*text(path), all);
  for (const std::size_t from :
       {0UL, 1UL, 999UL, 1000UL, 2500UL, all.size() - 1, all.size(), 99999UL})
    for (const std::size_t size : {0UL, 1UL, 7UL, 1000UL, 4001UL})
      EXPECT_EQ(*text(path, from, size), from < all.size() ? all.substr(from, size) : "")
          << from << " " << size;
}

TEST_F(MountedTree, HolesAreReadAsZerosAndFound) {
  std::vector<snapshot::Extent> extents = store(std::string(1000, 'a'));
  extents.push_back(hole(5000));
  extents.push_back(zeros(300));
  extents.push_back(hole(700));
  add_file_of("/sparse", extents);
  add_snapshot("alpha", 1);
  const std::string path = std::string("snapshots/") + kFirst + "/sparse";
  EXPECT_EQ(*text(path), std::string(1000, 'a') + std::string(6000, '\0'));
  EXPECT_EQ(find(path)->status.st_blocks, 8);
  const auto file = *tree().open_file(inode(path));
  EXPECT_EQ(*file->next_hole(0), 1000U);
  EXPECT_EQ(*file->next_hole(3000), 3000U);
  EXPECT_EQ(*file->next_data(10), 10U);
  EXPECT_EQ(*file->next_data(1000), 6000U);
  EXPECT_EQ(*file->next_hole(6000), 6300U);
  EXPECT_EQ(*file->next_data(6300), std::nullopt);
  EXPECT_EQ(*file->next_hole(7000), std::nullopt);
}

TEST_F(MountedTree, AttributesAreThoseOfTheEntry) {
  snapshot::Entry& file = add_file("/file", "text");
  file.mode = 04751;
  file.uid = 12;
  file.gid = 34;
  file.modified = {.seconds = -5, .nanos = 7};
  file.changed = {.seconds = 9, .nanos = 8};
  file.xattrs = {{.name = "user.note", .value = {1, 0, 2}}};
  snapshot::Entry device = entry(snapshot::EntryType::kCharDevice);
  device.special_device = (std::uint64_t{4} << 32) | 64;
  add("/tty", device);
  snapshot::Entry target = entry(snapshot::EntryType::kSymlink);
  target.symlink_target = "to/there";
  add("/link", target);
  add_snapshot("alpha", 1);
  const std::string top = std::string("snapshots/") + kFirst;
  const struct stat status = find(top + "/file")->status;
  EXPECT_EQ(status.st_mode, static_cast<mode_t>(S_IFREG | 04751));
  EXPECT_EQ(status.st_uid, 12U);
  EXPECT_EQ(status.st_gid, 34U);
  EXPECT_EQ(status.st_size, 4);
  EXPECT_EQ(status.st_mtim.tv_sec, -5);
  EXPECT_EQ(status.st_mtim.tv_nsec, 7);
  EXPECT_EQ(status.st_ctim.tv_nsec, 8);
  EXPECT_EQ(find(top + "/tty")->status.st_rdev, makedev(4, 64));
  EXPECT_EQ(find(top + "/link")->status.st_size, 8);
  EXPECT_EQ(link(top + "/link"), "to/there");
  EXPECT_EQ(tree().xattrs(inode(top + "/file"))->at(0).value, (Bytes{1, 0, 2}));
  EXPECT_TRUE(tree().xattrs(inode(top + "/tty"))->empty());
  EXPECT_EQ(tree().status(inode(top + "/file"))->status.st_mode, status.st_mode);
  EXPECT_FALSE(tree().open_file(inode(top + "/link")));
}

TEST_F(MountedTree, NamesOfOneFileShareAnInodeAndOthersDoNot) {
  for (const char* name : {"/a", "/b", "/c"}) {
    snapshot::Entry& file = add_file(name, name == std::string("/c") ? "other" : "text");
    file.links = 3;
    file.inode = 77;
    file.device = 5;
  }
  add_file("/d", "text");
  add_snapshot("alpha", 1);
  add_snapshot("alpha", 2);
  const std::string top = std::string("snapshots/") + kFirst;
  EXPECT_EQ(inode(top + "/a"), inode(top + "/b"));
  EXPECT_NE(inode(top + "/a"), inode(top + "/c"));  // the number was used again
  EXPECT_NE(inode(top + "/a"), inode(top + "/d"));
  EXPECT_NE(inode(top + "/a"), inode(std::string("snapshots/") + kSecond + "/a"));
  EXPECT_EQ(find(top + "/a")->status.st_nlink, 3U);
  EXPECT_EQ(*text(top + "/c"), "other");
}

TEST_F(MountedTree, FoldersAreListedFromAnyPlaceAndPastWhatIsBelow) {
  add_folder("/f");
  std::vector<std::string> expected;
  for (int i = 1000; i < 5000; ++i) {
    const std::string name = "n" + std::to_string(i);
    add_file("/f/" + name, "");
    expected.push_back(name);
  }
  add_folder("/f/m");
  add_file("/f/m/below", "");
  add_folder("/f/m.x");
  expected.insert(expected.begin(), {"m", "m.x"});
  add_folder("/g");
  add_snapshot("alpha", 1);
  const std::string path = std::string("snapshots/") + kFirst + "/f";
  EXPECT_EQ(names(path), expected);
  EXPECT_THAT(names(std::string("snapshots/") + kFirst), ElementsAre("f", "g"));
  const auto folder = *tree().open_folder(inode(path));
  for (const std::size_t number : {3999UL, 0UL, 1UL, 2047UL, 2048UL, 2049UL, 1024UL, 4001UL, 7UL})
    EXPECT_EQ((**folder->at(number)).name, expected[number]) << number;
  EXPECT_FALSE(folder->at(4002)->has_value());
  EXPECT_FALSE(folder->at(1'000'000)->has_value());
  EXPECT_EQ((**folder->at(4001)).name, expected[4001]);
}

TEST_F(MountedTree, ByPathShowsEachContentOnceUnderTheOldestSnapshotThatHasIt) {
  make_three();
  EXPECT_THAT(names("by-path"), ElementsAre("home"));
  EXPECT_THAT(names("by-path/home"), ElementsAre("new", "report.txt", "same", "turns"));
  const std::string one = std::string(kFirst) + "_3_report.txt";
  const std::string two = std::string(kSecond) + "_11_report.txt";
  EXPECT_THAT(names("by-path/home/report.txt"), ElementsAre(one, two));
  EXPECT_EQ(*text("by-path/home/report.txt/" + one), "one");
  EXPECT_EQ(*text("by-path/home/report.txt/" + two), "one and two");
  EXPECT_THAT(names("by-path/home/same"), ElementsAre(std::string(kFirst) + "_8_same"));
  // A folder in one snapshot and a file in another.
  EXPECT_THAT(names("by-path/home/turns"), ElementsAre("inner", std::string(kFirst) + "_6_turns"));
  EXPECT_FALSE(find("by-path/home/never"));
  EXPECT_FALSE(find("by-path/home/report.txt/never"));
  // It is the file of the snapshot, not another.
  EXPECT_EQ(inode("by-path/home/report.txt/" + one),
            inode(std::string("snapshots/") + kFirst + "/home/report.txt"));
}

TEST_F(MountedTree, ByPathAllowsNoMoreThanAllSnapshotsDo) {
  add_folder("/open").mode = 0755;
  add_folder("/moved").mode = 0755;
  add_file("/secret", "a").mode = 0600;
  add_snapshot("alpha", 1);
  add_folder("/open").mode = 0700;
  add_folder("/moved").uid += 1;
  add_file("/secret", "b").mode = 0644;
  add_snapshot("alpha", 2);
  add_folder("/open").mode = 0755;
  add_snapshot("alpha", 3);
  EXPECT_EQ(find("by-path/open")->status.st_mode & 07777, 0700U);
  EXPECT_EQ(find("by-path/moved")->status.st_mode & 07777, 0700U);
  EXPECT_EQ(find("by-path/moved")->status.st_uid, 0U);
  EXPECT_EQ(find("by-path/secret")->status.st_mode, static_cast<mode_t>(S_IFDIR | 0500));
  const auto folder = *tree().open_folder(inode("by-path"));
  for (std::uint64_t number = 0; number < 3; ++number) {
    const Child child = **folder->at(number);
    EXPECT_EQ(child.status.st_mode, find("by-path/" + child.name)->status.st_mode) << child.name;
  }
}

TEST_F(MountedTree, ASnapshotThatIsMadeLaterAppears) {
  add_file("/file", "one");
  add_snapshot("alpha", 1);
  EXPECT_THAT(names("by-path/file"), ElementsAre(std::string(kFirst) + "_3_file"));
  EXPECT_EQ(find("latest")->lasting, Lasting::kForNow);
  add_file("/file", "three");
  add_snapshot("beta", 2);
  ASSERT_TRUE(repository_->load_index([](const auto&, const Error&) {}));
  EXPECT_THAT(names("snapshots"), ElementsAre(kFirst, kSecond, "latest"));
  EXPECT_EQ(link("latest"), std::string("snapshots/") + kSecond);
  EXPECT_THAT(names("by-path/file"),
              ElementsAre(std::string(kFirst) + "_3_file", std::string(kSecond) + "_5_file"));
  EXPECT_EQ(*text(std::string("snapshots/") + kSecond + "/file"), "three");
  snapshots_.erase(snapshots_.begin());
  EXPECT_THAT(names("snapshots"), ElementsAre(kSecond, "latest"));
}

TEST_F(MountedTree, InodesAreKnownUntilTheyAreForgotten) {
  add_file("/file", "text");
  add_snapshot("alpha", 1);
  const std::string path = std::string("snapshots/") + kFirst + "/file";
  const Inode file = inode(path);
  EXPECT_EQ(inode(path), file);
  tree().forget(file, 1);
  EXPECT_TRUE(tree().status(file));
  tree().forget(file, 1);
  EXPECT_FALSE(tree().status(file));
  EXPECT_EQ(inode(path), file);
  tree().forget(kRootInode, 1000);
  EXPECT_TRUE(tree().status(kRootInode));
}

TEST_F(MountedTree, DamageFailsTheReadsThatNeedItAndNoOthers) {
  Bytes noise(5000);
  rng_.fill(noise);
  add_file("/bad", std::string(as_text(noise)));
  finish();
  const std::size_t packs = memory_.objects().size();
  std::vector<std::string> damaged;
  for (const auto& [name, bytes] : memory_.objects())
    if (name.starts_with("data/")) damaged.push_back(name);
  add_file("/good", std::string(5000, 'g'));
  add_snapshot("alpha", 1);
  ASSERT_GT(memory_.objects().size(), packs);
  for (const std::string& name : damaged) faults_.flip_byte(name, 500);
  const std::string top = std::string("snapshots/") + kFirst;
  for (int i = 0; i < 2; ++i) {
    const auto read = text(top + "/bad");
    ASSERT_FALSE(read.has_value());
    EXPECT_EQ(read.error().code(), ErrorCode::kCorruption);
  }
  EXPECT_EQ(*text(top + "/good"), std::string(5000, 'g'));
}

TEST_F(MountedTree, WhatIsKeptOfFilesStaysWithinTheLimit) {
  for (int i = 0; i < 20; ++i)
    add_file("/file" + std::to_string(i), std::string(9000, static_cast<char>('a' + i)));
  add_snapshot("alpha", 1);
  for (int i = 0; i < 20; ++i) {
    EXPECT_EQ(text(std::string("snapshots/") + kFirst + "/file" + std::to_string(i))->size(),
              9000U);
    EXPECT_LE(frames_->bytes(), kCacheBytes);
  }
}

TEST_F(MountedTree, WhoGivesUpDoesNotWait) {
  add_file("/file", std::string(9000, 'x'));
  add_snapshot("alpha", 1);
  const auto file = *tree().open_file(inode(std::string("snapshots/") + kFirst + "/file"));
  Bytes bytes(9000);
  const auto read = file->read(0, bytes, [] { return true; });
  EXPECT_TRUE(read || read.error().code() == ErrorCode::kCancelled);
  EXPECT_EQ(*file->read(0, bytes, [] { return false; }), 9000U);
}

TEST_F(MountedTree, AMissingNameIsNoFailure) {
  add_folder("/folder");
  add_snapshot("alpha", 1);
  EXPECT_FALSE(find(std::string("snapshots/") + kFirst + "/folder/none"));
  for (const char* name : {"", ".", "..", "a/b"})
    EXPECT_FALSE(tree().lookup(inode(std::string("snapshots/") + kFirst), name)->has_value());
  EXPECT_FALSE(tree().lookup(4711, "none").has_value());
}

}  // namespace
}  // namespace backstay::mount
