// A tree of files that was backed up and restored is the tree that it was.
#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <sys/xattr.h>

#include <filesystem>
#include <fstream>
#include <string>

#include "engine/backup.h"
#include "engine/testing/restore_fixture.h"
#include "io/file.h"
#include "source/file_source.h"

namespace backstay::engine {
namespace {

namespace fs = std::filesystem;

class RoundTripTest : public RestoreFixture {
 protected:
  static Activity quiet(Progress& progress) {
    return {.progress = progress,
            .stop = {},
            .report = [](const std::string& path,
                         const Error& error) { ADD_FAILURE() << path << ": " << error.describe(); },
            .note = [](const std::string&) {}};
  }

  [[nodiscard]] std::string source() const { return scratch_ / "source"; }

  std::unique_ptr<source::Source> open_source(const std::string& path) {
    source::FileSourceOptions options;
    options.paths = {path};
    auto opened = source::open_file_source(std::move(options),
                                           [](const std::string& where, const Error& error) {
                                             ADD_FAILURE() << where << ": " << error.describe();
                                           });
    EXPECT_TRUE(opened.has_value());
    return *std::move(opened);
  }

  void back_up() {
    Progress progress;
    Activity activity = quiet(progress);
    BackupOptions options;
    options.paths = {source()};
    options.threads = 2;
    const auto open_files = [&](source::SourceHooks hooks) {
      source::FileSourceOptions files;
      files.paths = {source()};
      return source::open_file_source(std::move(files), std::move(hooks.report));
    };
    const auto report = backup(*repository_, open_files, options, activity);
    ASSERT_TRUE(report.has_value()) << report.error().describe();
    snapshot_ = report->snapshot;
  }

  // Everything that a restore brings back of what is below `path`, and the bytes with their holes.
  std::map<std::string, std::string> describe(const std::string& path) {
    std::map<std::string, std::string> items;
    std::map<std::pair<std::uint64_t, std::uint64_t>, std::string> first_names;
    const auto walk = open_source(path);
    while (auto item = *walk->next()) {
      const std::string at = snapshot::path_from_key(item->key);
      if (!at.starts_with(path)) continue;
      snapshot::Entry& entry = item->entry;
      std::string bytes;
      if (entry.type == snapshot::EntryType::kFile) bytes = bytes_of(*walk->open(*item).value());
      // Which name is the first says which names are one file.
      bytes += first_names.try_emplace({entry.device, entry.inode}, at.substr(path.size()))
                   .first->second;
      entry.inode = 0;
      entry.device = 0;
      entry.changed = {};
      entry.accessed.reset();
      entry.born.reset();
      Bytes record;
      snapshot::encode_entry(entry, record);
      items[at.substr(path.size())] = std::string(as_text(record)) + bytes;
    }
    return items;
  }

  static std::string bytes_of(source::FileReader& reader) {
    std::string bytes;
    Bytes buffer(100'000);
    while (auto run = *reader.next_run()) {
      bytes += run->hole ? "hole " + std::to_string(run->length) : "data ";
      while (!run->hole) {
        const std::size_t got = *reader.read(buffer);
        if (got == 0) break;
        bytes += as_text(ByteView(buffer).first(got));
      }
    }
    return bytes;
  }

  void make_file(const std::string& name, const std::string& text) const {
    std::ofstream(source() + name, std::ios::binary) << text;
  }
  static void set_time(const std::string& path, std::int64_t seconds, long nanos) {
    const timespec times[2] = {{0, UTIME_OMIT}, {seconds, nanos}};
    ASSERT_EQ(::utimensat(AT_FDCWD, path.c_str(), times, AT_SYMLINK_NOFOLLOW), 0);
  }
};

TEST_F(RoundTripTest, RestoredTreeIsTheTreeThatWasBackedUp) {
  fs::create_directories(source() + "/a/b/c");
  fs::create_directories(source() + "/empty");
  make_file("/a/small", "small");
  make_file("/a/none", "");
  make_file("/a/b/big", noise(9'000'000, 1));
  make_file("/a/b/twice", noise(9'000'000, 1));
  make_file("/a/b/c/text", std::string(3'000'000, 'x'));
  make_file("/a/zeros", std::string(5'000'000, '\0'));
  make_file("/a/\x01\xff not UTF-8", "name");
  for (int i = 0; i < 300; ++i)
    make_file("/a/b/c/n" + std::to_string(i), noise(static_cast<std::size_t>(i) * 31, 9));
  fs::create_hard_link(source() + "/a/b/big", source() + "/empty/big");
  fs::create_hard_link(source() + "/a/small", source() + "/a/small2");
  fs::create_symlink("b/../../outside", source() + "/a/link");
  ASSERT_EQ(::mkfifo((source() + "/a/pipe").c_str(), 0620), 0);
  make_file("/a/sparse", "begin");
  fs::resize_file(source() + "/a/sparse", 40 << 20);
  fs::permissions(source() + "/a/small", fs::perms::owner_read | fs::perms::set_uid);
  fs::permissions(source() + "/empty", fs::perms::owner_all | fs::perms::sticky_bit);
  ::setxattr((source() + "/a/none").c_str(), "user.note", "kept", 4, 0);
  set_time(source() + "/a/small", -86'400, 5);
  set_time(source() + "/a/b/c", 5'000'000'000, 999'999'999);
  set_time(source() + "/a/link", 1'000'000'000, 1);
  back_up();
  options_.verify = true;
  restore_well();
  const auto before = describe(source());
  const auto after = describe(target() + source());
  EXPECT_GT(before.size(), 310U);
  for (const auto& [path, item] : before) {
    const auto found = after.find(path);
    ASSERT_NE(found, after.end()) << path;
    EXPECT_TRUE(found->second == item) << path;
  }
  EXPECT_EQ(before.size(), after.size());
}

TEST_F(RoundTripTest, RestoreOverAChangedTreeBringsItBack) {
  fs::create_directories(source() + "/d");
  make_file("/d/big", noise(6'000'000, 1));
  make_file("/d/small", "small");
  make_file("/d/other", "other");
  fs::create_symlink("small", source() + "/d/link");
  back_up();
  const auto before = describe(source());
  restore_well();

  const std::string copy = target() + source();
  std::ofstream(copy + "/d/big", std::ios::app) << "tail";
  std::ofstream(copy + "/d/small") << "changed";
  fs::remove(copy + "/d/other");
  fs::create_directories(copy + "/d/other/folder");
  fs::remove(copy + "/d/link");
  std::ofstream(copy + "/d/link") << "a file now";
  std::ofstream(copy + "/d/extra") << "extra";
  for (const Overwrite rule : {Overwrite::kIfChanged, Overwrite::kAlways}) {
    options_.overwrite = rule;
    options_.delete_extra = true;
    restore_well();
    EXPECT_TRUE(describe(copy) == before);
  }
}

}  // namespace
}  // namespace backstay::engine
