// What both ways of watching must see. Events are there when the call that made them returns, so
// that nothing here waits.
#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <sys/xattr.h>

#include <cstdio>
#include <filesystem>
#include <fstream>

#include "io/testing/temporary_folder.h"
#include "watch/watcher.h"

namespace backstay::watch {
namespace {

namespace fs = std::filesystem;

class WatcherContract : public testing::TestWithParam<Method> {
 protected:
  WatcherContract() {
    fs::create_directories(top());
    fs::create_directories(outside());
  }
  void SetUp() override {
    // Nothing on this machine can be watched without inotify; fanotify is for root, and not in
    // every container.
    auto probe = open_watcher(options());
    if (!probe && GetParam() == Method::kFileSystems) GTEST_SKIP() << probe.error().describe();
    ASSERT_TRUE(probe.has_value()) << probe.error().describe();
  }
  [[nodiscard]] std::string top() const { return folder_ / "watched"; }
  [[nodiscard]] std::string outside() const { return folder_ / "outside"; }
  [[nodiscard]] std::string at(const std::string& name) const { return top() + "/" + name; }
  WatchOptions options() {
    WatchOptions options;
    options.paths = {top()};
    options.method = GetParam();
    options.counts_own = true;
    return options;
  }
  void watch() { watch(options()); }
  void watch(WatchOptions options) {
    auto opened = open_watcher(std::move(options));
    ASSERT_TRUE(opened.has_value()) << opened.error().describe();
    watcher_ = std::move(*opened);
    EXPECT_EQ(watcher_->method(), GetParam());
  }
  ChangeSet changes() {
    ChangeSet found;
    const auto waited = watcher_->wait(found, {}, std::chrono::steady_clock::now());
    EXPECT_TRUE(waited.has_value());
    return found;
  }
  static void write(const std::string& path, const std::string& text = "text") {
    std::ofstream(path, std::ios::app) << text;
  }

  io::TemporaryFolder folder_;
  std::unique_ptr<Watcher> watcher_;
};

TEST_P(WatcherContract, SaysNothingWhileNothingChanges) {
  write(at("file"));
  watch();
  std::ifstream reading(at("file"));
  std::string text;
  reading >> text;
  EXPECT_TRUE(changes().empty());
  EXPECT_TRUE(watcher_->sees_everything());
}

TEST_P(WatcherContract, SeesFilesThatAreMadeAndTheirFolder) {
  watch();
  write(at("file"));
  const ChangeSet found = changes();
  EXPECT_TRUE(found.covers(at("file")));
  EXPECT_TRUE(found.covers(top()));
  EXPECT_FALSE(found.anything());
  EXPECT_TRUE(changes().empty());
}

TEST_P(WatcherContract, SeesFilesThatAreWritten) {
  fs::create_directories(at("a/b"));
  write(at("a/b/file"));
  watch();
  write(at("a/b/file"), "more");
  const ChangeSet found = changes();
  EXPECT_TRUE(found.covers(at("a/b/file")));
  EXPECT_FALSE(found.covers(at("a")));
}

TEST_P(WatcherContract, SeesAttributesThatChangeOfFilesFoldersAndThePathItself) {
  fs::create_directories(at("folder"));
  write(at("file"));
  watch();
  ::chmod(at("file").c_str(), 0600);
  EXPECT_TRUE(changes().covers(at("file")));
  ::chmod(at("folder").c_str(), 0700);
  EXPECT_TRUE(changes().covers(at("folder")));
  ::chmod(top().c_str(), 0700);
  EXPECT_TRUE(changes().covers(top()));
  if (::setxattr(at("file").c_str(), "user.name", "value", 5, 0) == 0) {
    EXPECT_TRUE(changes().covers(at("file")));
  }
}

TEST_P(WatcherContract, SeesWhatIsDeleted) {
  fs::create_directories(at("folder/inner"));
  write(at("file"));
  write(at("folder/inner/file"));
  watch();
  fs::remove(at("file"));
  ChangeSet found = changes();
  EXPECT_TRUE(found.covers(at("file")));
  EXPECT_TRUE(found.covers(top()));
  fs::remove_all(at("folder"));
  found = changes();
  EXPECT_TRUE(found.covers(at("folder")));
  EXPECT_TRUE(found.covers(at("folder/inner/file")));
}

TEST_P(WatcherContract, SeesRenamesWithinInAndOut) {
  write(at("one"));
  write(outside() + "/other");
  watch();
  fs::rename(at("one"), at("two"));
  ChangeSet found = changes();
  EXPECT_TRUE(found.covers(at("one")));
  EXPECT_TRUE(found.covers(at("two")));
  fs::rename(outside() + "/other", at("in"));
  EXPECT_TRUE(changes().covers(at("in")));
  fs::rename(at("two"), outside() + "/out");
  found = changes();
  EXPECT_TRUE(found.covers(at("two")));
  EXPECT_FALSE(found.covers(outside() + "/out"));
}

TEST_P(WatcherContract, FollowsFoldersThatAreRenamedWithWhatIsInThem) {
  fs::create_directories(at("a/b/c"));
  write(at("a/b/c/file"));
  watch();
  fs::rename(at("a"), at("z"));
  const ChangeSet moved = changes();
  EXPECT_TRUE(moved.covers(at("a/b/c/file")));
  EXPECT_TRUE(moved.covers(at("z/b/c/file")));
  write(at("z/b/c/file"), "more");
  const ChangeSet written = changes();
  EXPECT_TRUE(written.covers(at("z/b/c/file")));
  EXPECT_FALSE(written.covers(at("a/b/c/file")));
}

TEST_P(WatcherContract, FollowsFoldersThatAreRenamedAgainBeforeAnybodyLooks) {
  fs::create_directories(at("a/b"));
  watch();
  fs::rename(at("a"), at("m"));
  fs::rename(at("m"), at("z"));
  fs::create_directory(at("a"));
  write(at("z/b/file"));
  write(at("a/file"));
  const ChangeSet found = changes();
  EXPECT_TRUE(found.covers(at("z/b/file")));
  EXPECT_TRUE(found.covers(at("a/file")));
  EXPECT_TRUE(found.covers(at("m")));
  write(at("z/b/later"));
  write(at("a/later"));
  const ChangeSet later = changes();
  EXPECT_TRUE(later.covers(at("z/b/later")));
  EXPECT_TRUE(later.covers(at("a/later")));
}

TEST_P(WatcherContract, WatchesFoldersThatCameFromOutsideAndForgetsThoseThatLeft) {
  fs::create_directories(outside() + "/new/inner");
  write(outside() + "/new/inner/file");
  watch();
  fs::rename(outside() + "/new", at("new"));
  EXPECT_TRUE(changes().covers(at("new/inner/file")));
  write(at("new/inner/file"), "more");
  EXPECT_TRUE(changes().covers(at("new/inner/file")));
  fs::rename(at("new"), outside() + "/gone");
  EXPECT_TRUE(changes().covers(at("new/inner/file")));
  write(outside() + "/gone/inner/file");
  EXPECT_TRUE(changes().empty());
}

TEST_P(WatcherContract, SeesWhatIsMadeInNewFoldersBeforeAndAfterAnybodyLooks) {
  watch();
  fs::create_directories(at("a/b/c"));
  write(at("a/b/c/file"));
  EXPECT_TRUE(changes().covers(at("a/b/c/file")));
  write(at("a/b/c/file"), "more");
  const ChangeSet found = changes();
  EXPECT_TRUE(found.covers(at("a/b/c/file")));
  EXPECT_FALSE(found.covers(at("a/b/c")));
}

TEST_P(WatcherContract, SeesLinksOfBothKinds) {
  write(at("file"));
  watch();
  fs::create_symlink("file", at("symbolic"));
  EXPECT_TRUE(changes().covers(at("symbolic")));
  fs::create_hard_link(at("file"), at("hard"));
  EXPECT_TRUE(changes().covers(at("hard")));
}

TEST_P(WatcherContract, SeesThatTheWatchedFolderItselfIsReplaced) {
  write(at("old"));
  watch();
  fs::rename(top(), outside() + "/away");
  EXPECT_TRUE(changes().covers(at("old")));
  fs::create_directory(top());
  write(at("new"));
  EXPECT_TRUE(changes().covers(at("new")));
  write(at("new"), "more");
  EXPECT_TRUE(changes().covers(at("new")));
}

TEST_P(WatcherContract, WatchesASingleFileThatEditorsReplace) {
  write(at("file"));
  WatchOptions single = options();
  single.paths = {at("file")};
  watch(std::move(single));
  write(at("stranger"));
  EXPECT_TRUE(changes().empty());
  fs::rename(at("stranger"), at("file"));
  EXPECT_TRUE(changes().covers(at("file")));
  write(at("file"), "more");
  EXPECT_TRUE(changes().covers(at("file")));
}

TEST_P(WatcherContract, SaysNothingOfWhatIsLeftOut) {
  fs::create_directories(at("cache/deep"));
  WatchOptions with = options();
  with.leaves_out = [](const std::string& path) {
    return path.ends_with("/cache") || path.ends_with(".tmp");
  };
  watch(std::move(with));
  write(at("cache/deep/file"));
  write(at("cache/file"));
  ChangeSet found = changes();
  EXPECT_TRUE(found.empty());
  write(at("file.tmp"));
  found = changes();
  EXPECT_FALSE(found.covers(at("file.tmp")));
  write(at("file.txt"));
  EXPECT_TRUE(changes().covers(at("file.txt")));
}

TEST_P(WatcherContract, FollowsLinksOnTheWayToAPath) {
  fs::create_directories(at("real/inner"));
  fs::create_directory_symlink(at("real"), outside() + "/link");
  WatchOptions through = options();
  through.paths = {outside() + "/link/inner"};
  watch(std::move(through));
  write(at("real/inner/file"));
  EXPECT_TRUE(changes().covers(outside() + "/link/inner/file"));
}

TEST_P(WatcherContract, TakesNamesOfAnyBytes) {
  watch();
  const std::string name = "caf\xe9 \n \x01";
  write(at(name));
  EXPECT_TRUE(changes().covers(at(name)));
}

TEST_P(WatcherContract, LosesTrackWhenEventsComeFasterThanTheyAreRead) {
  std::ifstream limit("/proc/sys/fs/inotify/max_queued_events");
  std::size_t events_max = 16384;
  limit >> events_max;
  constexpr std::size_t kReasonable = 40'000;
  if (events_max > kReasonable) GTEST_SKIP() << "the queue is too long to be filled in a test";
  // Files in memory, where there are any: a disk takes seconds for that many.
  const io::TemporaryFolder quick(fs::is_directory("/dev/shm") ? "/dev/shm" : nullptr);
  WatchOptions there = options();
  there.paths = {quick.path()};
  if (!open_watcher(there)) GTEST_SKIP() << "this file system cannot be watched so";
  watch(std::move(there));
  for (std::size_t i = 0; i < events_max + 10; ++i) {
    const io::Fd file(
        ::open((quick / std::to_string(i)).c_str(), O_CREAT | O_WRONLY | O_CLOEXEC, 0600));
    ASSERT_TRUE(file);
  }
  // One call takes a part of so many.
  ChangeSet found;
  for (ChangeSet some = changes(); !some.empty(); some = changes()) found.merge(std::move(some));
  EXPECT_TRUE(found.anything());
  ASSERT_TRUE(watcher_->renew().has_value());
  write(quick / "later");
  EXPECT_TRUE(changes().covers(quick / "later"));
}

TEST_P(WatcherContract, StopsWaitingWhenAsked) {
  watch();
  std::stop_source stop;
  stop.request_stop();
  ChangeSet found;
  const auto waited =
      watcher_->wait(found, stop.get_token(), std::chrono::steady_clock::time_point::max());
  ASSERT_FALSE(waited.has_value());
  EXPECT_EQ(waited.error().code(), ErrorCode::kCancelled);
}

INSTANTIATE_TEST_SUITE_P(Methods, WatcherContract,
                         testing::Values(Method::kFolders, Method::kFileSystems),
                         [](const auto& of) { return std::string(to_string(of.param)); });

}  // namespace
}  // namespace backstay::watch
