// Somebody else writes to the target, before the restore and during it. Nothing may ever leave the
// target.
#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "io/attributes.h"
#include "io/testing/as_nobody.h"
#include "source/target_tree.h"
#include "source/testing/target_fixture.h"

namespace backstay::source {
namespace {

namespace fs = std::filesystem;
using snapshot::Entry;
using snapshot::EntryType;

class HostileTarget : public TargetFixture {
 protected:
  void TearDown() override { expect_outside_untouched(); }

  [[nodiscard]] TargetFolderPtr root() const { return tree_->root(); }
  // A second name of the outside file puts a new ctime on it, and nothing else.
  void plant_hard_link(const std::string& name) {
    fs::create_hard_link(outside_ + "/secret", in_target(name));
  }
  void plant_link(const std::string& name, const std::string& to) {
    fs::create_symlink(to, in_target(name));
  }
};

TEST_F(HostileTarget, NamesThatAreNotNamesAreRefusedEverywhere) {
  Entry fifo = entry_of(EntryType::kFifo, 0600);
  for (const std::string& name :
       {std::string(), std::string("."), std::string(".."), std::string("/"), std::string("a/b"),
        std::string("../outside/secret"), outside_ + "/secret", std::string("a\0b", 3),
        std::string("\0", 1), std::string(256, 'n'), std::string(100'000, 'n')}) {
    const auto expect_refused = [&](const auto& result) {
      ASSERT_FALSE(result);
      EXPECT_EQ(result.error().code(), ErrorCode::kInvalidArgument);
    };
    expect_refused(tree_->look(root(), name));
    expect_refused(tree_->make_folder(root(), name));
    expect_refused(tree_->open_for_write(root(), name, 0, Existing::kReplace));
    expect_refused(tree_->open_for_write(root(), name, 0, Existing::kKeepBytes));
    expect_refused(tree_->open_for_read(root(), name));
    expect_refused(tree_->make_special(root(), name, fifo));
    expect_refused(tree_->make_hard_link(root(), name, root(), "x"));
    expect_refused(tree_->make_hard_link(root(), "x", root(), name));
    expect_refused(tree_->set_attributes(root(), name, fifo));
    expect_refused(tree_->rename(root(), name, "x"));
    expect_refused(tree_->rename(root(), "x", name));
    expect_refused(tree_->remove(root(), name));
  }
  EXPECT_TRUE(fs::is_empty(target_));
}

TEST_F(HostileTarget, ALinkPlantedAsAFolderIsReplacedByAFolder) {
  plant_link("a", outside_);
  plant_link("b", "..");
  for (const char* name : {"a", "b"}) {
    const TargetFolderPtr folder = tree_->make_folder(root(), name).value();
    write(tree_->open_for_write(folder, "secret", 1, Existing::kReplace), "x");
    EXPECT_TRUE(fs::is_directory(fs::symlink_status(in_target(name))));
    EXPECT_EQ(text_of(in_target(std::string(name) + "/secret")), "x");
  }
}

TEST_F(HostileTarget, ALinkOfTheSnapshotIsNotFollowedByTheSnapshot) {
  Entry link = entry_of(EntryType::kSymlink, 0777);
  link.symlink_target = outside_;
  ASSERT_TRUE(tree_->make_special(root(), "a", link));
  const TargetFolderPtr folder = tree_->make_folder(root(), "a").value();
  write(tree_->open_for_write(folder, "secret", 1, Existing::kReplace), "x");
  EXPECT_TRUE(fs::is_directory(fs::symlink_status(in_target("a"))));
}

TEST_F(HostileTarget, ALinkPlantedAsAFileIsReplacedByAFile) {
  for (const Existing existing : {Existing::kReplace, Existing::kKeepBytes}) {
    for (const std::string& to : {outside_ + "/secret", outside_ + "/new", outside_}) {
      fs::remove(in_target("file"));
      plant_link("file", to);
      write(tree_->open_for_write(root(), "file", 1, existing), "x");
      EXPECT_TRUE(fs::is_regular_file(fs::symlink_status(in_target("file"))));
      EXPECT_EQ(text_of(in_target("file")), "x");
    }
  }
}

TEST_F(HostileTarget, ALinkIsNotReadThrough) {
  plant_link("file", outside_ + "/secret");
  EXPECT_EQ(tree_->open_for_read(root(), "file").error().code(), ErrorCode::kConflict);
  EXPECT_EQ(tree_->look(root(), "file")->value().entry.type, EntryType::kSymlink);
}

TEST_F(HostileTarget, AttributesAreNotSetThroughALink) {
  plant_link("file", outside_ + "/secret");
  plant_link("folder", outside_);
  EXPECT_EQ(tree_->set_attributes(root(), "file", entry_of(EntryType::kFile, 0777)).error().code(),
            ErrorCode::kConflict);
  EXPECT_FALSE(tree_->set_attributes(root(), "folder", entry_of(EntryType::kDirectory, 0777)));
  Entry link = entry_of(EntryType::kSymlink, 0777);
  link.modified = {77, 0};
  ASSERT_TRUE(tree_->set_attributes(root(), "file", link));
  EXPECT_EQ(stat_of(in_target("file")).st_mtim.tv_sec, 77);
}

TEST_F(HostileTarget, APlantedHardLinkIsNeverWrittenThrough) {
  plant_hard_link("new");
  write(tree_->open_for_write(root(), "new", 6, Existing::kReplace), "xx");
  plant_hard_link("kept");
  write(tree_->open_for_write(root(), "kept", 8, Existing::kKeepBytes), "xx");
  EXPECT_EQ(text_of(in_target("kept")), std::string("xxcret\0\0", 8));
  plant_hard_link("shorter");
  ASSERT_TRUE(tree_->open_for_write(root(), "shorter", 3, Existing::kKeepBytes));
  EXPECT_EQ(text_of(in_target("shorter")), "sec");
}

TEST_F(HostileTarget, AttributesOfAPlantedHardLinkStayInsideTheTarget) {
  plant_hard_link("file");
  ASSERT_TRUE(tree_->set_attributes(root(), "file", entry_of(EntryType::kFile, 0777)));
  EXPECT_EQ(text_of(in_target("file")), "secret");
  EXPECT_EQ(stat_of(in_target("file")).st_mode & 07777U, 0777U);
  EXPECT_NE(stat_of(in_target("file")).st_ino, stat_of(outside_ + "/secret").st_ino);
}

TEST_F(HostileTarget, AHardLinkWhoseAttributesFitIsLeftAlone) {
  plant_hard_link("file");
  Entry entry = tree_->look(root(), "file")->value().entry;
  ASSERT_TRUE(tree_->set_attributes(root(), "file", entry));
  EXPECT_EQ(stat_of(in_target("file")).st_ino, stat_of(outside_ + "/secret").st_ino);
}

TEST_F(HostileTarget, AGroupWithALinkFromOutsideIsNotChanged) {
  plant_hard_link("a");
  ASSERT_TRUE(tree_->make_hard_link(root(), "a", root(), "b"));
  EXPECT_EQ(tree_->set_attributes(root(), "a", entry_of(EntryType::kFile, 0777)).error().code(),
            ErrorCode::kConflict);
}

TEST_F(HostileTarget, AHardLinkToALinkIsALink) {
  plant_link("link", outside_ + "/secret");
  ASSERT_TRUE(tree_->make_hard_link(root(), "link", root(), "second"));
  EXPECT_TRUE(fs::is_symlink(fs::symlink_status(in_target("second"))));
  EXPECT_FALSE(tree_->make_hard_link(root(), "gone", root(), "third"));
  fs::create_directory(in_target("folder"));
  EXPECT_FALSE(tree_->make_hard_link(root(), "folder", root(), "third"));
}

TEST_F(HostileTarget, AFolderSwappedForALinkIsNotEnteredAgain) {
  TargetTree::Options options;
  options.open_folders_max = 2;
  open(std::move(options));
  const TargetFolderPtr a = tree_->make_folder(root(), "a").value();
  const TargetFolderPtr inner = tree_->make_folder(a, "inner").value();
  const TargetFolderPtr b = tree_->make_folder(root(), "b").value();
  const TargetFolderPtr c = tree_->make_folder(root(), "c").value();
  fs::rename(in_target("a"), in_target("moved"));
  plant_link("a", outside_);
  fs::create_directory(in_target("moved/other"));
  for (const TargetFolderPtr& folder : {a, inner}) {
    const auto expect_conflict = [](const auto& result) {
      ASSERT_FALSE(result);
      EXPECT_EQ(result.error().code(), ErrorCode::kConflict);
    };
    expect_conflict(tree_->open_for_write(folder, "x", 0, Existing::kReplace));
    expect_conflict(tree_->make_folder(folder, "x"));
    expect_conflict(tree_->look(folder, "secret"));
    expect_conflict(tree_->names(folder));
    expect_conflict(tree_->remove(folder, "secret"));
    expect_conflict(tree_->set_attributes(folder, "secret", entry_of(EntryType::kFile, 0777)));
  }
}

TEST_F(HostileTarget, AFolderSwappedForAnotherFolderIsNotEnteredAgain) {
  TargetTree::Options options;
  options.open_folders_max = 1;
  open(std::move(options));
  const TargetFolderPtr a = tree_->make_folder(root(), "a").value();
  const TargetFolderPtr b = tree_->make_folder(root(), "b").value();
  fs::rename(in_target("a"), in_target("moved"));
  fs::create_directory(in_target("a"));
  EXPECT_EQ(tree_->names(a).error().code(), ErrorCode::kConflict);
  fs::remove(in_target("a"));
  fs::rename(in_target("moved"), in_target("a"));
  EXPECT_TRUE(tree_->names(a));
}

TEST_F(HostileTarget, AFolderThatIsOpenWhileItIsSwappedStaysTheSame) {
  const TargetFolderPtr a = tree_->make_folder(root(), "a").value();
  fs::rename(in_target("a"), in_target("moved"));
  plant_link("a", outside_);
  write(tree_->open_for_write(a, "secret", 1, Existing::kReplace), "x");
  EXPECT_EQ(text_of(in_target("moved/secret")), "x");
}

TEST_F(HostileTarget, AFifoInTheWayDoesNotHang) {
  const Entry fifo = entry_of(EntryType::kFifo, 0600);
  for (const Existing existing : {Existing::kReplace, Existing::kKeepBytes}) {
    ASSERT_TRUE(tree_->make_special(root(), "x", fifo));
    EXPECT_EQ(tree_->open_for_read(root(), "x").error().code(), ErrorCode::kConflict);
    EXPECT_EQ(tree_->look(root(), "x")->value().entry.type, EntryType::kFifo);
    EXPECT_FALSE(tree_->set_attributes(root(), "x", entry_of(EntryType::kFile, 0600)));
    write(tree_->open_for_write(root(), "x", 1, existing), "x");
    EXPECT_EQ(text_of(in_target("x")), "x");
  }
  ASSERT_TRUE(tree_->make_special(root(), "x", fifo));
  ASSERT_TRUE(tree_->make_folder(root(), "x"));
}

TEST_F(HostileTarget, RemovingFollowsNoLink) {
  fs::create_directories(in_target("a/b"));
  plant_link("a/b/folder", outside_);
  plant_link("a/b/file", outside_ + "/secret");
  plant_link("a/up", "../..");
  plant_hard_link("a/hard");
  ASSERT_TRUE(tree_->remove(root(), "a"));
  plant_link("link", outside_);
  ASSERT_TRUE(tree_->remove(root(), "link"));
  EXPECT_TRUE(fs::is_empty(target_));
}

TEST_F(HostileTarget, RenamingReplacesALinkAndDoesNotFollowIt) {
  plant_link("a", outside_ + "/secret");
  write(tree_->open_for_write(root(), "new", 1, Existing::kReplace), "x");
  ASSERT_TRUE(tree_->rename(root(), "new", "a"));
  EXPECT_EQ(text_of(in_target("a")), "x");
  plant_link("folder", outside_);
  ASSERT_TRUE(tree_->rename(root(), "a", "folder"));
  EXPECT_EQ(text_of(in_target("folder")), "x");
}

TEST_F(HostileTarget, ImpossibleEntriesAreRefusedOrCounted) {
  write(tree_->open_for_write(root(), "file", 1, Existing::kReplace), "x");
  Entry entry = entry_of(EntryType::kFile, 0644);
  entry.uid = UINT32_MAX;
  entry.modified = {0, (1U << 30) - 1};  // "now" to the kernel
  entry.xattrs = {{std::string("user.a\0b", 8), {}}, {"", {}}, {"user.", {}}, {"nothing", {}}};
  entry.inode_flags = UINT32_MAX & ~std::uint32_t{0x30};
  const AttributeReport report = tree_->set_attributes(root(), "file", entry).value();
  EXPECT_THAT(report.not_set, testing::IsSupersetOf({"owner", "times", "xattr nothing", "flags"}));
  EXPECT_FALSE(tree_->open_for_write(root(), "huge", UINT64_MAX, Existing::kReplace));
}

class ProtectedTarget : public HostileTarget {
 protected:
  void SetUp() override {
    HostileTarget::SetUp();
    std::ofstream(in_target("file")) << "0123";
    if (!protect("file")) GTEST_SKIP() << "needs root and a file system with immutable files";
  }
  bool protect(const std::string& name) {
    const io::Fd fd = io::open_file(in_target(name), io::OpenMode::kRead).value();
    return io::set_inode_flags(fd.get(), io::inode_flags(fd.get()).value() | 0x10).has_value();
  }
};

TEST_F(ProtectedTarget, AnImmutableFileIsReplaced) {
  write(tree_->open_for_write(root(), "file", 1, Existing::kReplace), "x");
  EXPECT_EQ(text_of(in_target("file")), "x");
}

TEST_F(ProtectedTarget, AnImmutableFileIsChangedInPlace) {
  write(tree_->open_for_write(root(), "file", 4, Existing::kKeepBytes), "x");
  EXPECT_EQ(text_of(in_target("file")), "x123");
}

TEST_F(ProtectedTarget, AnImmutableFileGetsAttributesAndLinks) {
  Entry entry = entry_of(EntryType::kFile, 0640);
  entry.inode_flags = 0x10;
  ASSERT_TRUE(tree_->set_attributes(root(), "file", entry));
  EXPECT_EQ(tree_->look(root(), "file")->value().entry.inode_flags, 0x10U);
  EXPECT_EQ(stat_of(in_target("file")).st_mode & 07777U, 0640U);
  ASSERT_TRUE(tree_->make_hard_link(root(), "file", root(), "link"));
  EXPECT_EQ(tree_->look(root(), "link")->value().entry.inode_flags, 0x10U);
  ASSERT_TRUE(tree_->remove(root(), "link"));
  ASSERT_TRUE(tree_->remove(root(), "file"));
}

TEST_F(ProtectedTarget, AnImmutableFolderIsFilled) {
  const TargetFolderPtr folder = tree_->make_folder(root(), "folder").value();
  Entry entry = entry_of(EntryType::kDirectory, 0755);
  entry.inode_flags = 0x10;
  ASSERT_TRUE(tree_->set_attributes(root(), "folder", entry));
  ASSERT_FALSE(tree_->open_for_write(folder, "x", 0, Existing::kReplace));
  const TargetFolderPtr again = tree_->make_folder(root(), "folder").value();
  EXPECT_TRUE(tree_->open_for_write(again, "x", 0, Existing::kReplace));
  ASSERT_TRUE(tree_->remove(root(), "file"));
}

TEST_F(ProtectedTarget, ItsOtherNamesOutsideStayProtected) {
  plant_hard_link("hard");
  ASSERT_TRUE(protect("hard"));
  write(tree_->open_for_write(root(), "hard", 1, Existing::kReplace), "x");
  const io::Fd secret = io::open_file(outside_ + "/secret", io::OpenMode::kRead).value();
  EXPECT_NE(io::inode_flags(secret.get()).value() & 0x10, 0U);
  ASSERT_TRUE(io::clear_protection(secret.get()));
  ASSERT_TRUE(tree_->remove(root(), "file"));
}

}  // namespace
}  // namespace backstay::source
