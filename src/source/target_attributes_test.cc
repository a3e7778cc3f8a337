#include "source/target_attributes.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/xattr.h>

#include <algorithm>

#include "base/rng.h"
#include "io/attributes.h"
#include "io/testing/as_nobody.h"
#include "source/testing/target_fixture.h"

namespace backstay::source {
namespace {

namespace fs = std::filesystem;
using snapshot::Entry;
using snapshot::EntryType;
using snapshot::ExtendedAttribute;
using testing::Contains;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::Not;

// An ACL as the kernel gives it: user::rwx user:1000:r-- group::r-x mask::MASK other::r--.
Bytes acl_with_mask(std::uint16_t mask) {
  struct Item {
    std::uint16_t tag, rights;
    std::uint32_t id;
  };
  Bytes acl;
  append_le<std::uint32_t>(acl, 2);
  for (const Item& item :
       {Item{0x01, 7, UINT32_MAX}, Item{0x02, 4, 1000}, Item{0x04, 5, UINT32_MAX},
        Item{0x10, mask, UINT32_MAX}, Item{0x20, 4, UINT32_MAX}}) {
    append_le(acl, item.tag);
    append_le(acl, item.rights);
    append_le(acl, item.id);
  }
  return acl;
}

class TargetAttributes : public TargetFixture {
 protected:
  [[nodiscard]] TargetFolderPtr root() const { return tree_->root(); }
  void make_file(const std::string& name) {
    write(tree_->open_for_write(root(), name, 4, Existing::kReplace), "text");
  }
  std::vector<std::string> set(const std::string& name, const Entry& entry) {
    Result<AttributeReport> report = tree_->set_attributes(root(), name, entry);
    EXPECT_TRUE(report) << report.error().describe();
    return report ? std::move(report->not_set) : std::vector<std::string>();
  }
  [[nodiscard]] Entry look(const std::string& name) {
    return tree_->look(root(), name).value().value().entry;
  }
  void expect_same(const Entry& now, const Entry& wanted) {
    EXPECT_TRUE(has_attributes(now, wanted, {}));
    EXPECT_EQ(now.mode, wanted.mode);
    EXPECT_EQ(now.uid, wanted.uid);
    EXPECT_EQ(now.gid, wanted.gid);
    EXPECT_EQ(now.modified, wanted.modified);
    EXPECT_EQ(now.xattrs, wanted.xattrs);
    EXPECT_EQ(now.inode_flags, wanted.inode_flags);
    EXPECT_EQ(now.project_id, wanted.project_id);
  }
};

TEST_F(TargetAttributes, TimesBeforeTheEpochAndFarAheadAreKeptOrReported) {
  // 1901, 1969, 2106, 2300, 2446 and beyond what file systems hold.
  for (const std::int64_t seconds :
       {std::int64_t{-2147483648}, std::int64_t{-1}, std::int64_t{0}, std::int64_t{4294967296},
        std::int64_t{10413792000}, std::int64_t{15032385535}, std::int64_t{1} << 40}) {
    Entry entry = entry_of(EntryType::kFile, 0644);
    entry.modified = {seconds, 987'654'321};
    make_file("file");
    const std::vector<std::string> not_set = set("file", entry);
    if (not_set.empty()) {
      EXPECT_EQ(look("file").modified, entry.modified) << seconds;
    } else {
      EXPECT_THAT(not_set, ElementsAre("times"));
      EXPECT_NE(look("file").modified, entry.modified) << seconds;
    }
  }
}

TEST_F(TargetAttributes, AccessTimesAreSetWhereTheyWereKept) {
  make_file("file");
  Entry entry = entry_of(EntryType::kFile, 0644);
  entry.accessed = Timestamp{1234, 5678};
  EXPECT_THAT(set("file", entry), IsEmpty());
  EXPECT_EQ(stat_of(in_target("file")).st_atim.tv_sec, 1234);
  EXPECT_EQ(stat_of(in_target("file")).st_atim.tv_nsec, 5678);
}

TEST_F(TargetAttributes, EveryModeIsRestoredOnFilesFoldersAndFifos) {
  make_file("file");
  ASSERT_TRUE(tree_->make_folder(root(), "folder"));
  ASSERT_TRUE(tree_->make_special(root(), "fifo", entry_of(EntryType::kFifo, 0)));
  for (const std::uint32_t mode : {0U, 0400U, 0644U, 0755U, 01777U, 02755U, 04755U, 07777U}) {
    EXPECT_THAT(set("file", entry_of(EntryType::kFile, mode)), IsEmpty());
    EXPECT_THAT(set("folder", entry_of(EntryType::kDirectory, mode)), IsEmpty());
    EXPECT_THAT(set("fifo", entry_of(EntryType::kFifo, mode)), IsEmpty());
    for (const char* name : {"file", "folder", "fifo"}) EXPECT_EQ(look(name).mode, mode) << name;
  }
}

TEST_F(TargetAttributes, SetIdBitsSurviveTheChangeOfOwner) {
  if (!io::is_root()) GTEST_SKIP() << "changing owners needs root";
  make_file("file");
  Entry entry = entry_of(EntryType::kFile, 06755);
  entry.uid = 1234;
  entry.gid = 4321;
  EXPECT_THAT(set("file", entry), IsEmpty());
  expect_same(look("file"), entry);
}

TEST_F(TargetAttributes, OwnersAreMappedToThisMachine) {
  if (!io::is_root()) GTEST_SKIP() << "changing owners needs root";
  TargetTree::Options options;
  options.map_uid = [](std::uint32_t uid) { return uid + 1; };
  options.map_gid = [](std::uint32_t gid) { return gid + 2; };
  open(std::move(options));
  make_file("file");
  Entry entry = entry_of(EntryType::kFile, 0644);
  entry.uid = entry.gid = 1000;
  EXPECT_THAT(set("file", entry), IsEmpty());
  EXPECT_EQ(look("file").uid, 1001U);
  EXPECT_EQ(look("file").gid, 1002U);
}

TEST_F(TargetAttributes, WithoutOwnershipForeignSetIdBitsAreDropped) {
  TargetTree::Options options;
  options.ownership = Ownership::kSkip;
  open(std::move(options));
  make_file("file");
  Entry entry = entry_of(EntryType::kFile, 06755);
  EXPECT_THAT(set("file", entry), IsEmpty());
  EXPECT_EQ(look("file").mode, 06755U);
  ++entry.uid;
  ++entry.gid;
  EXPECT_THAT(set("file", entry), ElementsAre("set-id bits"));
  EXPECT_EQ(look("file").mode, 0755U);
  EXPECT_EQ(look("file").uid, process_uid());
}

TEST_F(TargetAttributes, ExtendedAttributesBecomeThoseOfTheEntry) {
  make_file("file");
  Entry entry = entry_of(EntryType::kFile, 0444);
  entry.xattrs = {
      {"user.a", to_owned(as_bytes("one"))}, {"user.b", {}}, {"user.c", Bytes(2000, 7)}};
  if (!set("file", entry).empty()) GTEST_SKIP() << "no extended attributes here";
  expect_same(look("file"), entry);
  entry.xattrs = {{"user.a", to_owned(as_bytes("two"))}, {"user.d", to_owned(as_bytes("new"))}};
  EXPECT_THAT(set("file", entry), IsEmpty());
  expect_same(look("file"), entry);
  entry.xattrs.clear();
  EXPECT_THAT(set("file", entry), IsEmpty());
  expect_same(look("file"), entry);
}

TEST_F(TargetAttributes, AccessListsAndModesAgreeInTheEnd) {
  make_file("file");
  Entry entry = entry_of(EntryType::kFile, 0754);
  entry.xattrs = {{"system.posix_acl_access", acl_with_mask(5)}};
  if (!set("file", entry).empty()) GTEST_SKIP() << "no access lists here";
  expect_same(look("file"), entry);
  EXPECT_THAT(set("file", entry), IsEmpty());
  expect_same(look("file"), entry);
  entry.xattrs = {{"system.posix_acl_access", acl_with_mask(6)}};
  entry.mode = 06764;
  EXPECT_THAT(set("file", entry), IsEmpty());
  expect_same(look("file"), entry);
  entry.xattrs.clear();
  entry.mode = 0640;
  EXPECT_THAT(set("file", entry), IsEmpty());
  expect_same(look("file"), entry);
}

TEST_F(TargetAttributes, AnAccessListThatContradictsTheModeDoesNotWidenIt) {
  make_file("file");
  Entry entry = entry_of(EntryType::kFile, 0600);
  entry.xattrs = {{"system.posix_acl_access", acl_with_mask(7)}};
  if (!set("file", entry).empty()) GTEST_SKIP() << "no access lists here";
  EXPECT_EQ(look("file").mode, 0600U);
}

TEST_F(TargetAttributes, WhatAFolderHandsDownDoesNotStayOnWhatIsRestored) {
  const TargetFolderPtr folder = tree_->make_folder(root(), "folder").value();
  Entry parent = entry_of(EntryType::kDirectory, 0755);
  parent.xattrs = {{"system.posix_acl_default", acl_with_mask(7)}};
  if (!set("folder", parent).empty()) GTEST_SKIP() << "no access lists here";
  write(tree_->open_for_write(folder, "file", 4, Existing::kReplace), "text");
  ASSERT_TRUE(tree_->make_folder(folder, "inner"));
  ASSERT_TRUE(tree_->make_special(folder, "fifo", entry_of(EntryType::kFifo, 0)));
  const Entry file = entry_of(EntryType::kFile, 0640);
  const Entry inner = entry_of(EntryType::kDirectory, 0750);
  const Entry fifo = entry_of(EntryType::kFifo, 0600);
  ASSERT_TRUE(tree_->set_attributes(folder, "file", file));
  ASSERT_TRUE(tree_->set_attributes(folder, "inner", inner));
  ASSERT_TRUE(tree_->set_attributes(folder, "fifo", fifo));
  expect_same(tree_->look(folder, "file")->value().entry, file);
  expect_same(tree_->look(folder, "inner")->value().entry, inner);
  expect_same(tree_->look(folder, "fifo")->value().entry, fifo);
  EXPECT_THAT(set("folder", parent), IsEmpty());
  expect_same(look("folder"), parent);
}

TEST_F(TargetAttributes, AFileThatWasMadeWithoutANameHasThemAllWhateverItsFolderHandsDown) {
  const TargetFolderPtr folder = tree_->make_folder(root(), "folder").value();
  Entry parent = entry_of(EntryType::kDirectory, 02755);
  parent.xattrs = {{"system.posix_acl_default", acl_with_mask(7)}};
  if (!set("folder", parent).empty()) GTEST_SKIP() << "no access lists here";
  for (const std::uint32_t mode : {0U, 0400U, 0600U, 0644U, 0660U, 0666U, 0750U, 0777U, 04755U}) {
    const Entry file = entry_of(EntryType::kFile, mode);
    const Result<io::Fd> made = tree_->open_unnamed(folder, mode & 0777U);
    if (!made && made.error().code() == ErrorCode::kUnsupported) GTEST_SKIP();
    write(made, "text");
    ASSERT_TRUE(tree_->set_attributes(folder, "file", file, made->get()));
    ASSERT_TRUE(tree_->name_unnamed(folder, "file", made->get()));
    expect_same(tree_->look(folder, "file")->value().entry, file);
    ASSERT_TRUE(tree_->remove(folder, "file"));
  }
}

TEST_F(TargetAttributes, CapabilitiesSurviveTheChangeOfOwner) {
  if (!io::is_root()) GTEST_SKIP() << "capabilities need root";
  make_file("file");
  Entry entry = entry_of(EntryType::kFile, 0755);
  entry.uid = 1000;
  // Version 2, effective, CAP_NET_RAW permitted.
  Bytes capability(20);
  store_le<std::uint32_t>(capability.data(), 0x02000001);
  store_le<std::uint32_t>(capability.data() + 4, 1U << 13);
  entry.xattrs = {{"security.capability", capability}};
  EXPECT_THAT(set("file", entry), IsEmpty());
  expect_same(look("file"), entry);
  entry.uid = 1001;
  EXPECT_THAT(set("file", entry), IsEmpty());
  expect_same(look("file"), entry);
}

TEST_F(TargetAttributes, LinksHaveOwnersTimesAndTrustedAttributesOfTheirOwn) {
  Entry link = entry_of(EntryType::kSymlink, 0777);
  link.symlink_target = outside_ + "/secret";
  if (io::is_root()) {
    link.uid = link.gid = 1000;
    link.xattrs = {{"trusted.mark", to_owned(as_bytes("x"))}};
  }
  ASSERT_TRUE(tree_->make_special(root(), "link", link));
  EXPECT_THAT(set("link", link), IsEmpty());
  expect_same(look("link"), link);
  expect_outside_untouched();
}

TEST_F(TargetAttributes, InodeFlagsAreSetClearedAndSetAgain) {
  make_file("file");
  ASSERT_TRUE(tree_->make_folder(root(), "folder"));
  Entry file = entry_of(EntryType::kFile, 0640);
  Entry folder = entry_of(EntryType::kDirectory, 0750);
  file.inode_flags = 0x40 | 0x80;  // no dump, no access times
  folder.inode_flags = 0x40 | 0x80;
  if (!set("file", file).empty()) GTEST_SKIP() << "no inode flags here";
  for (const std::uint32_t protection : {0x10U, 0x20U, 0x30U, 0U}) {
    if (protection != 0 && !io::is_root()) continue;
    file.inode_flags = (file.inode_flags & ~0x30U) | protection;
    folder.inode_flags = (folder.inode_flags & ~0x30U) | protection;
    ++file.modified.seconds;
    EXPECT_THAT(set("file", file), IsEmpty());
    EXPECT_THAT(set("folder", folder), IsEmpty());
    expect_same(look("file"), file);
    expect_same(look("folder"), folder);
  }
}

TEST_F(TargetAttributes, FlagsThatTheFileSystemLacksAreCountedAndTheOthersSet) {
  make_file("file");
  Entry entry = entry_of(EntryType::kFile, 0640);
  entry.inode_flags = 0x40;
  if (!set("file", entry).empty()) GTEST_SKIP() << "no inode flags here";
  entry.inode_flags = 0x40 | 0x80 | 0x40000000;  // case-insensitive: for empty folders only
  EXPECT_THAT(set("file", entry), ElementsAre("flags"));
  EXPECT_EQ(look("file").inode_flags, 0x40U | 0x80U);
}

TEST_F(TargetAttributes, ProjectIdsAreSetOrCounted) {
  make_file("file");
  Entry entry = entry_of(EntryType::kFile, 0640);
  entry.project_id = 4711;
  const std::vector<std::string> not_set = set("file", entry);
  if (!not_set.empty()) {
    EXPECT_THAT(not_set, ElementsAre("project id"));
    GTEST_SKIP() << "no project ids here";
  }
  expect_same(look("file"), entry);
}

TEST_F(TargetAttributes, TheTargetItselfGetsAttributesOfAFolderOnly) {
  const Entry entry = entry_of(EntryType::kDirectory, 0751);
  ASSERT_TRUE(tree_->set_root_attributes(entry));
  EXPECT_EQ(stat_of(target_).st_mode & 07777U, 0751U);
  EXPECT_EQ(stat_of(target_).st_mtim.tv_sec, kOldTime);
  EXPECT_FALSE(tree_->set_root_attributes(entry_of(EntryType::kFile, 0644)));
}

TEST_F(TargetAttributes, AnOpenFileNeedsNoName) {
  const io::Fd fd = tree_->open_for_write(root(), "file", 1, Existing::kReplace).value();
  ASSERT_TRUE(tree_->rename(root(), "file", "other"));
  ASSERT_TRUE(tree_->set_attributes(root(), "file", entry_of(EntryType::kFile, 0604), fd.get()));
  EXPECT_EQ(look("other").mode, 0604U);
  EXPECT_FALSE(
      tree_->set_attributes(root(), "other", entry_of(EntryType::kDirectory, 0604), fd.get()));
}

TEST_F(TargetAttributes, WhatAUserMayNotSetIsCountedAndTheRestIsSet) {
  fs::permissions(home_.path(), fs::perms::all);
  fs::permissions(target_, fs::perms::all);
  io::expect_without_root([&] {
    make_file("file");
    Entry entry = entry_of(EntryType::kFile, 06444);
    entry.uid = entry.gid = 12345;
    entry.xattrs = {{"security.capability", Bytes(20)},
                    {"trusted.a", to_owned(as_bytes("x"))},
                    {"user.a", to_owned(as_bytes("x"))}};
    entry.inode_flags = 0x50;  // immutable, no dump
    const std::vector<std::string> not_set = set("file", entry);
    for (const char* name : {"owner", "group", "set-id bits", "xattr security.capability",
                             "xattr trusted.a", "flags"}) {
      EXPECT_THAT(not_set, Contains(name));
    }
    const Entry now = look("file");
    EXPECT_EQ(now.mode, 0444U);
    EXPECT_EQ(now.modified, entry.modified);
    if (!std::count(not_set.begin(), not_set.end(), "xattr user.a")) {
      EXPECT_EQ(now.xattrs, (std::vector<ExtendedAttribute>{entry.xattrs.back()}));
      EXPECT_EQ(now.inode_flags, 0x40U);
      // Again on a file that its owner may not write any more.
      entry.xattrs = {{"user.b", {}}};
      EXPECT_THAT(set("file", entry), Not(Contains(HasSubstr("xattr"))));
      EXPECT_EQ(look("file").xattrs, entry.xattrs);
      EXPECT_EQ(look("file").mode, 0444U);
    }
  });
}

TEST_F(TargetAttributes, AnySequenceOfAttributesEndsWithTheLast) {
  SeededRng rng(42);
  make_file("file");
  Entry probe = entry_of(EntryType::kFile, 0600);
  probe.xattrs = {{"system.posix_acl_access", acl_with_mask(0)}, {"user.a", {}}};
  probe.mode = 0704;
  probe.inode_flags = 0x40;
  if (!set("file", probe).empty()) GTEST_SKIP() << "needs attributes, access lists and flags";
  for (int round = 0; round < 300; ++round) {
    const std::uint64_t bits = rng.next_u64();
    Entry entry = entry_of(EntryType::kFile, bits & 07777U);
    entry.modified = {static_cast<std::int64_t>(bits >> 34), static_cast<std::uint32_t>(round)};
    if ((bits & 0x10000) != 0) {
      const auto mask = static_cast<std::uint16_t>((entry.mode >> 3) & 7U);
      entry.mode = (entry.mode & 07070U) | 0704U;
      entry.xattrs.push_back({"system.posix_acl_access", acl_with_mask(mask)});
    }
    if (io::is_root() && (bits & 0x20000) != 0) entry.uid = 1000 + (bits & 3);
    if (io::is_root() && (bits & 0x40000) != 0) entry.inode_flags |= 0x10;
    if ((bits & 0x80000) != 0) entry.inode_flags |= 0x40;
    if ((bits & 0x100000) != 0) entry.xattrs.push_back({"user.a", Bytes(bits & 63, 1)});
    if ((bits & 0x200000) != 0) entry.xattrs.push_back({"user.b", Bytes(bits & 31, 2)});
    EXPECT_THAT(set("file", entry), IsEmpty());
    expect_same(look("file"), entry);
  }
  ASSERT_TRUE(tree_->remove(root(), "file"));
}

}  // namespace
}  // namespace backstay::source
