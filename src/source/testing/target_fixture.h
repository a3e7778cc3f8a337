// A target folder with a folder beside it that nothing may ever touch. For tests only.
#pragma once

#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>

#include <filesystem>
#include <fstream>
#include <iterator>
#include <string>
#include <utility>

#include "io/testing/temporary_folder.h"
#include "source/target_tree.h"

namespace backstay::source {

class TargetFixture : public testing::Test {
 protected:
  using Existing = TargetTree::Existing;
  static constexpr std::int64_t kOldTime = 1'000'000'000;

  void SetUp() override {
    std::filesystem::create_directories(outside_);
    std::filesystem::create_directories(target_);
    std::ofstream(outside_ + "/secret") << "secret";
    std::filesystem::permissions(outside_ + "/secret", std::filesystem::perms(0640));
    set_modified(outside_ + "/secret", kOldTime);
    set_modified(outside_, kOldTime);
    open();
  }

  void open(TargetTree::Options options = {}) {
    Result<std::unique_ptr<TargetTree>> opened = TargetTree::open(target_, std::move(options));
    ASSERT_TRUE(opened) << opened.error().describe();
    tree_ = std::move(*opened);
  }

  // Nothing was made, removed, written or changed there, names, bytes, modes and times.
  void expect_outside_untouched() const {
    EXPECT_EQ(text_of(outside_ + "/secret"), "secret");
    EXPECT_EQ(std::distance(std::filesystem::directory_iterator(outside_), {}), 1);
    EXPECT_EQ(stat_of(outside_ + "/secret").st_mode & 07777U, 0640U);
    EXPECT_EQ(stat_of(outside_ + "/secret").st_mtim.tv_sec, kOldTime);
    EXPECT_EQ(stat_of(outside_).st_mtim.tv_sec, kOldTime);
  }

  [[nodiscard]] std::string in_target(const std::string& name) const {
    return target_ + "/" + name;
  }
  [[nodiscard]] static std::string text_of(const std::string& path) {
    std::ifstream in(path, std::ios::binary);
    return {std::istreambuf_iterator<char>(in), {}};
  }
  [[nodiscard]] static struct stat stat_of(const std::string& path) {
    struct stat status {};
    EXPECT_EQ(::lstat(path.c_str(), &status), 0) << path;
    return status;
  }
  static void set_modified(const std::string& path, std::int64_t seconds) {
    const timespec times[2] = {{seconds, 0}, {seconds, 0}};
    EXPECT_EQ(::utimensat(AT_FDCWD, path.c_str(), times, AT_SYMLINK_NOFOLLOW), 0);
  }
  static void write(const Result<io::Fd>& fd, std::string_view text) {
    ASSERT_TRUE(fd) << fd.error().describe();
    ASSERT_TRUE(io::pwrite_full(fd->get(), as_bytes(text), 0));
  }
  [[nodiscard]] static snapshot::Entry entry_of(snapshot::EntryType type, std::uint32_t mode) {
    snapshot::Entry entry;
    entry.type = type;
    entry.mode = mode;
    entry.uid = process_uid();
    entry.gid = process_gid();
    entry.modified = {kOldTime, 123'456'789};
    return entry;
  }
  // Of a file that this process makes.
  [[nodiscard]] static std::uint32_t process_uid() { return stat_of("/proc/self").st_uid; }
  [[nodiscard]] static std::uint32_t process_gid() { return stat_of("/proc/self").st_gid; }

  io::TemporaryFolder home_;
  std::string target_ = home_ / "target";
  std::string outside_ = home_ / "outside";
  std::unique_ptr<TargetTree> tree_;
};

}  // namespace backstay::source
