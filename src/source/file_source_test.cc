#include "source/file_source.h"

#include <gmock/gmock.h>
#include <sys/socket.h>
#include <sys/sysmacros.h>
#include <sys/un.h>
#include <sys/xattr.h>

#include <random>

#include "io/attributes.h"
#include "source/testing/scratch_tree.h"

namespace backstay::source {
namespace {

using snapshot::EntryType;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::UnorderedElementsAre;

using FileSource = ScratchTree;

TEST_F(FileSource, GivesFoldersAboveAPathOnceWithTheirAttributes) {
  write("file", "1");
  walk();
  ASSERT_GE(walked_.items.size(), 3U);
  EXPECT_EQ(walked_.items.front().key, "");
  EXPECT_EQ(walked_.items.front().entry.type, EntryType::kDirectory);
  struct stat above {};
  ASSERT_EQ(::stat("/tmp", &above), 0);
  if (const SourceItem* tmp = walked_.find("/tmp")) {
    EXPECT_EQ(tmp->entry.mode, above.st_mode & 07777U);
    EXPECT_EQ(tmp->entry.inode, above.st_ino);
  }
  EXPECT_THAT(given(), ElementsAre("file"));
  EXPECT_THAT(walked_.errors, IsEmpty());
}

TEST_F(FileSource, KeysAscendAsTheBytesOfTheNamesSay) {
  std::mt19937 random(7);
  for (int i = 0; i < 250; ++i) {
    std::string name;
    for (std::size_t length = 1 + random() % 12; name.size() < length;) {
      const std::uint64_t plain = static_cast<std::uint8_t>("ab.-0"[random() % 5]);
      const char byte = static_cast<char>(random() % 5 == 0 ? random() % 255 + 1 : plain);
      if (byte != '/') name += byte;
    }
    if (name == "." || name == "..") continue;
    std::error_code taken;
    const std::string folder = i % 3 == 0 ? "" : "d" + std::to_string(i % 7) + "/";
    if (!folder.empty()) make_folder(folder);
    if (i % 5 == 0) {
      std::filesystem::create_directories(at(folder + name + "/inner"), taken);
    } else if (!std::filesystem::exists(at(folder + name))) {
      write(folder + name, "x");
    }
  }
  walk();
  std::vector<std::string> found;
  for (const SourceItem& item : walked_.items) found.push_back(item.key);
  std::vector<std::string> sorted = found;
  std::sort(sorted.begin(), sorted.end());
  EXPECT_EQ(found, sorted);
  EXPECT_EQ(std::adjacent_find(sorted.begin(), sorted.end()), sorted.end());
  std::size_t on_disk = 0;
  for (const auto& entry : std::filesystem::recursive_directory_iterator(top())) {
    EXPECT_NE(walked_.find(entry.path().native()), nullptr) << entry.path();
    ++on_disk;
  }
  EXPECT_EQ(given().size(), on_disk);
}

TEST_F(FileSource, AFolderComesBeforeWhatIsInItAndBeforeLongerNames) {
  make_folder("a");
  write("a/z", "");
  write("a.b", "");
  write("a\x01", "");
  write("B", "");
  walk();
  EXPECT_THAT(given(), ElementsAre("B", "a", "a/z", "a\x01", "a.b"));
}

TEST_F(FileSource, KeepsNamesThatAreNotText) {
  for (const char* name : {"\xff\xfe", "new\nline", " ", "-rf", "\\", "...", "\x7f"})
    write(name, "");
  write(std::string(255, 'n'), "");
  walk();
  EXPECT_EQ(given().size(), 8U);
  EXPECT_NE(walked_.find(at("\xff\xfe")), nullptr);
  EXPECT_NE(walked_.find(at(std::string(255, 'n'))), nullptr);
}

TEST_F(FileSource, KeepsModeSizeLinksAndTimes) {
  write("file", "12345");
  ASSERT_EQ(::link(at("file").c_str(), at("second").c_str()), 0);
  ASSERT_EQ(::chmod(at("file").c_str(), 06751), 0);
  const timespec times[2] = {{-3, 5}, {-86'400'000, 123'456'789}};
  ASSERT_EQ(::utimensat(AT_FDCWD, at("file").c_str(), times, 0), 0);
  struct stat stat {};
  ASSERT_EQ(::stat(at("file").c_str(), &stat), 0);
  FileSourceOptions options;
  options.with_atime = true;
  walk(std::move(options));
  const snapshot::Entry& first = walked_.find(at("file"))->entry;
  const snapshot::Entry& second = walked_.find(at("second"))->entry;
  EXPECT_EQ(first, second);
  EXPECT_EQ(first.type, EntryType::kFile);
  EXPECT_EQ(first.mode, 06751U);
  EXPECT_EQ(first.size_bytes, 5U);
  EXPECT_EQ(first.links, 2U);
  EXPECT_EQ(first.inode, stat.st_ino);
  EXPECT_NE(first.device, 0U);
  EXPECT_EQ(first.uid, stat.st_uid);
  EXPECT_EQ(first.modified, (Timestamp{-86'400'000, 123'456'789}));
  EXPECT_EQ(first.accessed, (Timestamp{-3, 5}));
  EXPECT_EQ(first.changed.seconds, stat.st_ctim.tv_sec);
}

TEST_F(FileSource, KeepsYearsThatNanosecondsInSixtyFourBitsCannotHold) {
  constexpr std::int64_t kYear2400 = 13'569'465'600;
  write("file", "");
  const timespec times[2] = {{kYear2400, 0}, {kYear2400, 987'654'321}};
  ASSERT_EQ(::utimensat(AT_FDCWD, at("file").c_str(), times, 0), 0);
  struct stat stat {};
  ASSERT_EQ(::stat(at("file").c_str(), &stat), 0);
  if (stat.st_mtim.tv_sec != kYear2400) GTEST_SKIP() << "this file system cannot hold that year";
  walk();
  EXPECT_EQ(walked_.find(at("file"))->entry.modified, (Timestamp{kYear2400, 987'654'321}));
}

TEST_F(FileSource, KeepsAccessTimesOnlyWhenAsked) {
  write("file", "");
  walk();
  EXPECT_FALSE(walked_.find(at("file"))->entry.accessed.has_value());
  EXPECT_EQ(walked_.find(at("file"))->entry.links, 1U);
}

TEST_F(FileSource, ReadingLeavesAccessTimesAlone) {
  write("file", "text");
  const timespec times[2] = {{1000, 0}, {1000, 0}};
  ASSERT_EQ(::utimensat(AT_FDCWD, at("file").c_str(), times, 0), 0);
  const auto source = open();
  walk(*source);
  EXPECT_EQ(read_all(**source->open(*walked_.find(at("file")))), "text");
  struct stat stat {};
  ASSERT_EQ(::stat(at("file").c_str(), &stat), 0);
  EXPECT_EQ(stat.st_atim.tv_sec, 1000);
}

TEST_F(FileSource, KeepsLinksFifosSocketsAndDevicesWithoutOpeningThem) {
  const std::string target(3000, 't');
  link_to(target, "link");
  ASSERT_EQ(::mkfifo(at("fifo").c_str(), 0600), 0);
  const int socket = ::socket(AF_UNIX, SOCK_STREAM, 0);
  sockaddr_un address{AF_UNIX, {}};
  ASSERT_LT(at("socket").size(), sizeof address.sun_path);
  at("socket").copy(address.sun_path, sizeof address.sun_path - 1);
  ASSERT_EQ(::bind(socket, reinterpret_cast<const sockaddr*>(&address), sizeof address), 0);
  const io::Fd closes(socket);
  const bool devices = ::mknod(at("null").c_str(), S_IFCHR | 0666, makedev(1, 3)) == 0 &&
                       ::mknod(at("loop").c_str(), S_IFBLK | 0600, makedev(7, 300)) == 0;
  walk();
  EXPECT_EQ(walked_.find(at("link"))->entry.type, EntryType::kSymlink);
  EXPECT_EQ(walked_.find(at("link"))->entry.symlink_target, target);
  EXPECT_EQ(walked_.find(at("fifo"))->entry.type, EntryType::kFifo);
  EXPECT_EQ(walked_.find(at("socket"))->entry.type, EntryType::kSocket);
  if (devices) {
    EXPECT_EQ(walked_.find(at("null"))->entry.type, EntryType::kCharDevice);
    EXPECT_EQ(walked_.find(at("null"))->entry.special_device, (std::uint64_t{1} << 32) + 3);
    EXPECT_EQ(walked_.find(at("loop"))->entry.type, EntryType::kBlockDevice);
    EXPECT_EQ(walked_.find(at("loop"))->entry.special_device, (std::uint64_t{7} << 32) + 300);
  }
  EXPECT_THAT(walked_.errors, IsEmpty());
}

TEST_F(FileSource, KeepsExtendedAttributesAclsAndCapabilities) {
  write("file", "");
  make_folder("folder");
  if (::setxattr(at("file").c_str(), "user.z", "\0z", 2, 0) != 0) GTEST_SKIP() << "no attributes";
  ASSERT_EQ(::setxattr(at("folder").c_str(), "user.f", "", 0, 0), 0);
  // Version 2; owner rwx, user 1000 r, group r, mask r, others nothing.
  constexpr std::string_view kAcl(
      "\2\0\0\0"
      "\1\0\7\0\xff\xff\xff\xff"
      "\2\0\4\0\xe8\3\0\0"
      "\4\0\4\0\xff\xff\xff\xff"
      "\x10\0\4\0\xff\xff\xff\xff"
      "\x20\0\0\0\xff\xff\xff\xff",
      44);
  const bool acl = ::setxattr(at("folder").c_str(), "system.posix_acl_default", kAcl.data(),
                              kAcl.size(), 0) == 0;
  constexpr std::string_view kNetRaw("\1\0\0\2\0\x20\0\0\0\0\0\0\0\0\0\0\0\0\0\0", 20);
  const bool capability =
      ::setxattr(at("file").c_str(), "security.capability", kNetRaw.data(), kNetRaw.size(), 0) == 0;
  walk_and_complete();
  const auto value = [&](const char* name, const char* attribute) -> std::string {
    for (const auto& xattr : walked_.find(at(name))->entry.xattrs) {
      if (xattr.name == attribute) return std::string(as_text(xattr.value));
    }
    return "(absent)";
  };
  EXPECT_EQ(value("file", "user.z"), std::string("\0z", 2));
  EXPECT_EQ(value("folder", "user.f"), "");
  if (acl) {
    EXPECT_EQ(value("folder", "system.posix_acl_default"), kAcl);
  }
  if (capability) {
    EXPECT_EQ(value("file", "security.capability"), kNetRaw);
  }
}

TEST_F(FileSource, KeepsInodeFlagsOfFilesAndFolders) {
  constexpr std::uint32_t kNoDump = 0x40;
  constexpr std::uint32_t kNoAccessTime = 0x80;
  write("file", "");
  make_folder("folder");
  const auto set = [&](const char* name, std::uint32_t flags) {
    const io::Fd fd(::open(at(name).c_str(), O_RDONLY | O_CLOEXEC));
    return io::set_inode_flags(fd.get(), *io::inode_flags(fd.get()) | flags).has_value();
  };
  if (!set("file", kNoAccessTime)) GTEST_SKIP() << "no inode flags here";
  ASSERT_TRUE(set("folder", kNoDump));
  walk_and_complete();
  EXPECT_EQ(walked_.find(at("file"))->entry.inode_flags, kNoAccessTime);
  EXPECT_EQ(walked_.find(at("folder"))->entry.inode_flags, kNoDump);
}

TEST_F(FileSource, NestedAndRepeatedPathsAreGivenOnce) {
  make_folder("a/b/c");
  make_folder("d");
  write("a/b/c/file", "");
  FileSourceOptions options;
  options.paths = {at("a/b/c"), at("d"), at("a"), at("a"), at("a/b/c/file")};
  walk(std::move(options));
  EXPECT_THAT(given(), ElementsAre("a", "a/b", "a/b/c", "a/b/c/file", "d"));
  EXPECT_THAT(walked_.errors, IsEmpty());
}

TEST_F(FileSource, GivesNothingBesideThePathsButTheFoldersAbove) {
  make_folder("a/b");
  write("a/other", "");
  write("a/b/file", "1");
  write("a/b/unwanted", "1");
  FileSourceOptions options;
  options.paths = {at("a/b/file")};
  walk(std::move(options));
  EXPECT_THAT(given(), ElementsAre("a", "a/b", "a/b/file"));
}

TEST_F(FileSource, TheRootFolderCanBeGiven) {
  FileSourceOptions options;
  options.paths = {"/"};
  const auto source = open(std::move(options));
  const auto root = source->next();
  const auto first = source->next();
  ASSERT_TRUE(root.has_value() && root->has_value() && first.has_value() && first->has_value());
  EXPECT_EQ((*root)->key, "");
  EXPECT_GT((*first)->key, "");
  EXPECT_EQ((*first)->key.find('\0'), std::string::npos);
}

TEST_F(FileSource, APathThatIsALinkIsKeptAsALink) {
  make_folder("folder");
  write("folder/file", "");
  link_to("folder", "link");
  FileSourceOptions options;
  options.paths = {at("link")};
  walk(std::move(options));
  EXPECT_THAT(given(), ElementsAre("link"));
  EXPECT_EQ(walked_.find(at("link"))->entry.type, EntryType::kSymlink);
}

TEST_F(FileSource, ALinkOnTheWayToAPathIsKeptAsTheFolderItLeadsTo) {
  make_folder("folder");
  write("folder/file", "text");
  link_to("folder", "link");
  FileSourceOptions options;
  options.paths = {at("link/file")};
  const auto source = open(std::move(options));
  walk(*source);
  EXPECT_THAT(given(), ElementsAre("link", "link/file"));
  EXPECT_EQ(walked_.find(at("link"))->entry.type, EntryType::kDirectory);
  EXPECT_EQ(read_all(**source->open(*walked_.find(at("link/file")))), "text");
}

TEST_F(FileSource, ALinkWithinAPathIsNeverALinkOnTheWay) {
  make_folder("folder");
  write("folder/file", "");
  link_to("folder", "link");
  FileSourceOptions options;
  options.paths = {top(), at("link/file")};
  walk(std::move(options));
  EXPECT_THAT(given(), ElementsAre("folder", "folder/file", "link"));
  EXPECT_THAT(walked_.error_paths(), ElementsAre(at("link/file")));
}

TEST_F(FileSource, ReportsPathsThatDoNotExistAndGoesOn) {
  write("file", "");
  FileSourceOptions options;
  options.paths = {at("absent/deep/er"), at("file"), at("gone"), at("file/below")};
  walk(std::move(options));
  EXPECT_THAT(given(), ElementsAre("file"));
  EXPECT_THAT(walked_.error_paths(),
              UnorderedElementsAre(at("absent/deep/er"), at("gone"), at("file/below")));
}

TEST_F(FileSource, RefusesOptionsThatMakeNoSense) {
  for (const std::vector<std::string>& paths : {std::vector<std::string>{},
                                                {"relative"},
                                                {"/a/../b"},
                                                {"/a/"},
                                                {std::string("/a\0b", 4)}}) {
    FileSourceOptions options;
    options.paths = paths;
    const auto source = open_file_source(std::move(options), {});
    ASSERT_FALSE(source.has_value());
    EXPECT_EQ(source.error().code(), ErrorCode::kInvalidArgument);
  }
}

TEST_F(FileSource, ReportsWhatVanishesDuringTheWalk) {
  write("a", "");
  write("b", "");
  write("c", "");
  const auto source = open();
  walk(*source, at("a"));
  remove("b");
  walk(*source);
  EXPECT_THAT(given(), ElementsAre("a", "c"));
  EXPECT_THAT(walked_.error_paths(), ElementsAre(at("b")));
  EXPECT_THAT(walked_.errors.at(0).second, HasSubstr("vanished while the backup ran"));
}

TEST_F(FileSource, AFolderThatCannotBeListedIsKeptAndReported) {
  make_folder("closed");
  write("closed/file", "");
  write("open", "");
  ASSERT_EQ(::chmod(top().c_str(), 0755), 0);
  ASSERT_EQ(::chmod(at("closed").c_str(), 0), 0);
  {
    const OrdinaryUser user;
    walk();
  }
  ::chmod(at("closed").c_str(), 0700);
  EXPECT_THAT(given(), ElementsAre("closed", "open"));
  EXPECT_THAT(walked_.error_paths(), ElementsAre(at("closed")));
}

TEST_F(FileSource, APathBelowAFolderThatCannotBeListedIsReached) {
  make_folder("search_only/inner");
  write("search_only/inner/file", "");
  ASSERT_EQ(::chmod(top().c_str(), 0755), 0);
  ASSERT_EQ(::chmod(at("search_only").c_str(), 0111), 0);
  FileSourceOptions options;
  options.paths = {at("search_only/inner")};
  {
    const OrdinaryUser user;
    walk(std::move(options));
  }
  ::chmod(at("search_only").c_str(), 0700);
  EXPECT_THAT(given(), ElementsAre("search_only", "search_only/inner", "search_only/inner/file"));
  EXPECT_THAT(walked_.errors, IsEmpty());
}

TEST_F(FileSource, LargeFoldersAreGivenInOrderWithLittleMemory) {
  std::vector<std::string> names;
  for (int i = 0; i < 1000; ++i) names.push_back("name-" + std::to_string(i * 7919 % 10007));
  for (const std::string& name : names) write(name, "");
  FileSourceOptions options;
  options.names_memory_max = 2048;
  walk(std::move(options));
  std::sort(names.begin(), names.end());
  EXPECT_EQ(given(), names);
}

// trusted.* can be set on anything, by root.
TEST_F(FileSource, KeepsExtendedAttributesOfLinksAndPipes) {
  link_to("nowhere", "link");
  ASSERT_EQ(::mkfifo(at("pipe").c_str(), 0600), 0);
  for (const char* name : {"link", "pipe"}) {
    if (::lsetxattr(at(name).c_str(), "trusted.note", name, 4, 0) != 0)
      GTEST_SKIP() << "no attributes";
  }
  walk_and_complete();
  for (const char* name : {"link", "pipe"}) {
    const auto& xattrs = walked_.find(at(name))->entry.xattrs;
    ASSERT_EQ(xattrs.size(), 1U) << name;
    EXPECT_EQ(as_text(xattrs.front().value), name);
  }
}

TEST_F(FileSource, ALinkThatVanishesAfterItWasSeenIsKeptAndNotTrusted) {
  link_to("nowhere", "link");
  const auto source = open();
  walk(*source);
  remove("link");
  SourceItem& item = *walked_.find(at("link"));
  source->read_attributes(item);
  EXPECT_TRUE(item.incomplete);
  EXPECT_EQ(item.entry.symlink_target, "nowhere");
  EXPECT_TRUE(walked_.errors.empty());
}

// ---- attributes of folders

class FolderAttributes : public ScratchTree {
 protected:
  // Folders "0" to "9", each with an attribute that has its name as its value.
  void SetUp() override {
    for (char name = '0'; name <= '9'; ++name) {
      make_folder({&name, 1});
      const std::string path = at({&name, 1});
      if (::setxattr(path.c_str(), "user.name", &name, 1, 0) != 0) GTEST_SKIP() << "no attributes";
    }
  }
  SourceItem& read(Source& source, std::string_view name) {
    SourceItem& item = *walked_.find(at(name));
    source.read_attributes(item);
    return item;
  }
  static std::string attribute_of(const SourceItem& item) {
    if (item.entry.xattrs.size() != 1) return "(none)";
    return std::string(as_text(item.entry.xattrs.front().value));
  }
  static FileSourceOptions with_few_open() {
    FileSourceOptions options;
    options.open_directories_max = 4;
    return options;
  }
};

TEST_F(FolderAttributes, AreNotReadByTheWalk) {
  const auto source = open();
  walk(*source);
  EXPECT_EQ(attribute_of(*walked_.find(at("1"))), "(none)");
  EXPECT_EQ(attribute_of(read(*source, "1")), "1");
  EXPECT_FALSE(walked_.find(at("1"))->incomplete);
}

TEST_F(FolderAttributes, AreReadFromFoldersThatAreNotOpenAnyMore) {
  const auto source = open(with_few_open());
  walk(*source);
  for (char name = '0'; name <= '9'; ++name) {
    const SourceItem& item = read(*source, {&name, 1});
    EXPECT_EQ(attribute_of(item), std::string(1, name));
    EXPECT_FALSE(item.incomplete);
  }
  EXPECT_THAT(walked_.errors, IsEmpty());
}

TEST_F(FolderAttributes, AreThoseOfTheFolderThatWasSeenAsLongAsItIsOpen) {
  const auto source = open();
  walk(*source);
  std::filesystem::rename(at("1"), at("moved"));
  std::filesystem::rename(at("2"), at("1"));
  EXPECT_EQ(attribute_of(read(*source, "1")), "1");
}

TEST_F(FolderAttributes, AreNotTakenFromAFolderThatTookThePlaceOfAnother) {
  const auto source = open(with_few_open());
  walk(*source);
  std::filesystem::rename(at("1"), at("moved"));
  std::filesystem::rename(at("2"), at("1"));
  const SourceItem& item = read(*source, "1");
  EXPECT_EQ(attribute_of(item), "(none)");
  EXPECT_TRUE(item.incomplete);
  EXPECT_THAT(walked_.error_paths(), ElementsAre(at("1")));
  EXPECT_THAT(walked_.errors.at(0).second, HasSubstr("replaced while the backup ran"));
}

TEST_F(FolderAttributes, OfAFolderThatCannotBeOpenedAreIncompleteWithoutASecondError) {
  ASSERT_EQ(::chmod(top().c_str(), 0755), 0);
  ASSERT_EQ(::chmod(at("1").c_str(), 0), 0);
  {
    const OrdinaryUser user;
    const auto source = open();
    walk(*source);
    EXPECT_TRUE(read(*source, "1").incomplete);
  }
  ::chmod(at("1").c_str(), 0700);
  EXPECT_THAT(walked_.error_paths(), ElementsAre(at("1")));
}

TEST_F(FolderAttributes, OfTheRootFolderAreRead) {
  const auto source = open();
  walk(*source);
  SourceItem& root = walked_.items.front();
  ASSERT_EQ(root.key, "");
  source->read_attributes(root);
  EXPECT_FALSE(root.incomplete);
  EXPECT_THAT(walked_.errors, IsEmpty());
}

}  // namespace
}  // namespace backstay::source
