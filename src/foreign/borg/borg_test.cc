// What borg prints, taken apart; tests/e2e/import_borg_test.py has borg itself.
#include <gtest/gtest.h>

#include "base/hex.h"
#include "foreign/borg/archive.h"
#include "foreign/borg/item.h"
#include "foreign/borg/spool.h"
#include "snapshot/tree_key.h"

namespace backstay::foreign::borg {
namespace {

using snapshot::EntryType;

Item file(const std::string& path, std::uint64_t size = 0, const std::string& link_to = "") {
  Item item;
  item.path = path;
  item.entry = snapshot::Entry{};
  item.entry->type = EntryType::kFile;
  item.entry->size_bytes = size;
  item.link_to = link_to;
  return item;
}

Item folder(const std::string& path) {
  Item item = file(path);
  item.entry->type = EntryType::kDirectory;
  return item;
}

Result<Archive> archive_of(std::vector<Item> items, const std::string& base = "") {
  ArchiveBuilder builder(base);
  const ForeignHooks hooks{.report = [](const std::string&, const Error&) {},
                           .note = [](const std::string&) {},
                           .stop = {}};
  for (Item& item : items) TRY(builder.add(std::move(item), hooks));
  return builder.finish();
}

std::vector<std::string> paths_of(const Archive& archive) {
  std::vector<std::string> paths;
  for (const ArchiveEntry& entry : archive.entries)
    paths.push_back(snapshot::path_from_key(entry.key));
  return paths;
}

TEST(BorgItem, KeepsAllThatBorgKnows) {
  const auto item = parse_item(
      R"({"acl_access":"user::rw-\nuser:ann:r--:1234\ngroup::r-x\t#effective:r--\nmask::r--\n)"
      R"(other::---","bsdflags":1,"birthtime":5,"chunks":[["\u007fff",6,49],["ab",4,9]],)"
      R"("ctime":1795314868549349817,"atime":-1,"gid":2,"group":"staff","hardlink_master":true,)"
      R"("mode":35300,"mtime":0,"path":"\u007fff2f61","size":10,"uid":1,"user":null,)"
      R"("xattrs":{"user.b":"\u007fff00","user.a":null}})");
  ASSERT_TRUE(item) << item.error().describe();
  const snapshot::Entry& entry = *item->entry;
  EXPECT_EQ(item->path, "\xff/a");
  EXPECT_EQ(entry.type, EntryType::kFile);
  EXPECT_EQ(entry.mode, 04744U);
  EXPECT_EQ(entry.size_bytes, 10U);
  EXPECT_EQ(entry.changed, (Timestamp{.seconds = 1795314868, .nanos = 549'349'817}));
  EXPECT_EQ(entry.accessed, (Timestamp{.seconds = -1, .nanos = 999'999'999}));
  EXPECT_EQ(entry.inode_flags, 0x40U);
  EXPECT_EQ(item->group + item->user, "staff");
  ASSERT_EQ(entry.xattrs.size(), 3U);
  EXPECT_EQ(
      to_hex(entry.xattrs[0].value),
      "0200000001000600ffffffff02000400d204000004000500ffffffff10000400ffffffff20000000ffffffff");
  EXPECT_EQ(entry.xattrs[2].value, (Bytes{0xff, 0}));
  EXPECT_TRUE(snapshot::validate_entry(entry).error().code() == ErrorCode::kInvalidArgument);
}

TEST(BorgItem, KnowsLinksDevicesAndParts) {
  const auto link = parse_item(R"({"path":"l","mode":41471,"source":"x y"})");
  EXPECT_EQ(link->entry->symlink_target, "x y");
  EXPECT_EQ(link->link_to, "");
  const auto hard = parse_item(R"({"path":"h","mode":33188,"source":"a/b","part":1})");
  EXPECT_EQ(hard->link_to, "a/b");
  EXPECT_TRUE(hard->is_part);
  const auto device = parse_item(R"({"path":"d","mode":24996,"rdev":286327664})");
  EXPECT_EQ(device->entry->special_device, (std::uint64_t{259} << 32) | 70000);
  EXPECT_FALSE(parse_item(R"({"path":"s","mode":49645})")->entry);
}

TEST(BorgItem, RefusesWhatBorgDoesNotWrite) {
  for (const char* text :
       {"", "{", "[]", R"({"mode":33188})", R"({"path":"","mode":33188})",
        R"({"path":"a\u0000b","mode":33188})", R"({"path":"a","mtime":1.5})",
        R"({"path":"a","uid":4294967296})", R"({"path":"a","chunks":[[]]})",
        R"({"path":"a","chunks":[["x",4294967296,1]]})", R"({"path":"\u007fxyz","mode":33188})",
        R"({"path":"a","acl_access":"user::rwx\nnobody"})",
        R"({"path":"a","acl_access":"user:ann:rwx\nuser::rwx\ngroup::r--\nother::r--"})"}) {
    const auto item = parse_item(text);
    ASSERT_FALSE(item) << text;
    EXPECT_EQ(item.error().code(), ErrorCode::kCorruption);
  }
}

TEST(BorgItem, KeepsNoAccessListThatSaysWhatTheModeSays) {
  const char* const basic = "user::rwx\ngroup::r-x\nother::r-x\n";
  EXPECT_FALSE(parse_acl(basic, false)->has_value());
  EXPECT_TRUE(parse_acl(basic, true)->has_value());
}

TEST(BorgList, NamesArchivesInOrderOfTimeAndTheirOrigin) {
  const auto all = parse_list(
      R"({"archives":[{"name":"b","id":")" + std::string(64, 'b') +
      R"(","start":"2026-01-02T00:00:00.000000","end":"2026-01-02T00:00:05.000000","hostname":"h",)"
      R"("username":"u"},{"name":"a","id":")" +
      std::string(64, 'a') +
      R"(","start":"2026-01-01T00:00:00.000000","end":"2026-01-01T00:00:00.000000"}],)"
      R"("encryption":{"mode":"none"},"repository":{"id":"1234"}})");
  ASSERT_TRUE(all) << all.error().describe();
  ASSERT_EQ(all->size(), 2U);
  EXPECT_EQ((*all)[0].name, "a");
  EXPECT_EQ((*all)[1].record.origin, "borg:1234/" + std::string(64, 'b'));
  EXPECT_EQ((*all)[1].record.started.seconds, 1767312000);
  EXPECT_EQ(parse_list("{}").error().code(), ErrorCode::kCorruption);
}

// borg has them in their exact order, and says whole seconds.
TEST(BorgList, KeepsTheOrderOfArchivesOfOneSecond) {
  std::string list = R"({"archives":[)";
  for (const char id : {'f', '3', 'a', '0'}) {
    list += R"({"name":")" + std::string(1, id) + R"(","id":")" + std::string(64, id) +
            R"(","start":"2026-01-01T00:00:00.000000","end":"2026-01-01T00:00:00.000000"})";
    list += id == '0' ? "]," : ",";
  }
  const auto all = parse_list(list + R"("repository":{"id":"1234"}})");
  ASSERT_TRUE(all) << all.error().describe();
  std::string names;
  for (const auto& one : *all) names += one.name;
  EXPECT_EQ(names, "f3a0");
}

TEST(BorgArchive, SortsItemsAndFindsTheirTops) {
  const auto archive =
      archive_of({folder("srv/z"), file("srv/z/b"), folder("srv/z/a"), file("srv/z/a.x"),
                  file("srv/z/a/y"), folder("etc"), file("etc/passwd")});
  ASSERT_TRUE(archive) << archive.error().describe();
  EXPECT_EQ(paths_of(*archive),
            (std::vector<std::string>{"/etc", "/etc/passwd", "/srv/z", "/srv/z/a", "/srv/z/a/y",
                                      "/srv/z/a.x", "/srv/z/b"}));
  EXPECT_EQ(archive->paths, (std::vector<std::string>{"/etc", "/srv/z"}));
}

TEST(BorgArchive, LaysPathsIntoTheBase) {
  const auto archive = archive_of({folder("."), file("a")}, std::string("home\0ann", 8));
  EXPECT_EQ(paths_of(*archive), (std::vector<std::string>{"/home/ann", "/home/ann/a"}));
  EXPECT_EQ(archive->paths, (std::vector<std::string>{"/home/ann"}));
}

TEST(BorgArchive, JoinsHardLinks) {
  const auto archive =
      archive_of({file("b", 7), file("c", 0, "b"), file("a", 0, "b"), file("d", 3)});
  ASSERT_TRUE(archive) << archive.error().describe();
  for (const std::size_t i : {0U, 1U, 2U}) {
    const ArchiveEntry& entry = archive->entries[i];
    EXPECT_EQ(entry.bytes_of, 1U);
    EXPECT_EQ(entry.size, 7U);
    const auto decoded = snapshot::decode_entry(entry.record);
    EXPECT_EQ(decoded->links, 3U);
    EXPECT_EQ(decoded->size_bytes, 7U);
    EXPECT_EQ(decoded->inode, snapshot::decode_entry(archive->entries[0].record)->inode);
  }
  EXPECT_EQ(snapshot::decode_entry(archive->entries[3].record)->links, 1U);
}

TEST(BorgArchive, RefusesWhatLeadsOutsideOrMakesNoSense) {
  std::vector<std::vector<Item>> bad;
  for (const char* path : {"../x", "a/../b", "a//b", "a/", "a/./b"}) bad.push_back({file(path)});
  bad.push_back({file("a"), file("a")});
  bad.push_back({file("a"), file("a/b")});
  bad.push_back({file("a", 0, "nothing")});
  bad.push_back({file("a"), file("b", 0, "a"), file("c", 0, "b")});
  bad.push_back({folder("a"), file("b", 0, "a")});
  bad.push_back({file(".")});
  bad.push_back({file(std::string(300, 'x'))});
  for (std::size_t i = 0; i < bad.size(); ++i) {
    const auto archive = archive_of(std::move(bad[i]));
    ASSERT_FALSE(archive) << i;
    EXPECT_EQ(archive.error().code(), ErrorCode::kCorruption) << i;
  }
  Item damaged = file("a");
  damaged.is_damaged = true;
  std::vector<Item> items;
  items.push_back(std::move(damaged));
  EXPECT_EQ(archive_of(std::move(items)).error().code(), ErrorCode::kCorruption);
}

TEST(BorgSpool, TellsWhichPathsFitALine) {
  for (const char* path : {"a", "#a", " a", "a b", "\xc3\xa9", "!x", "re:.*"})
    EXPECT_TRUE(fits_a_line(path)) << path;
  for (const char* path : {"a ", "a\n", "a\nb", "a\rb", "\xff", "a\xc2\x85", "a\xe3\x80\x80", "\t"})
    EXPECT_FALSE(fits_a_line(path)) << path;
}

}  // namespace
}  // namespace backstay::foreign::borg
