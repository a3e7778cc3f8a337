#include "watch/change_set.h"

#include <gmock/gmock.h>

#include "watch/watched_paths.h"

namespace backstay::watch {
namespace {

using testing::ElementsAre;

TEST(ChangeSet, CoversEntriesThemselvesAndTreesWithWhatIsBelow) {
  ChangeSet changes;
  EXPECT_TRUE(changes.empty());
  changes.add_entry("/a/b");
  changes.add_tree("/c/d");
  EXPECT_TRUE(changes.covers("/a/b"));
  EXPECT_FALSE(changes.covers("/a/b/below"));
  EXPECT_TRUE(changes.covers("/c/d"));
  EXPECT_TRUE(changes.covers("/c/d/e/f"));
  EXPECT_FALSE(changes.covers("/c/dd"));
  EXPECT_FALSE(changes.covers("/c"));
}

TEST(ChangeSet, CoversEverythingOnceItLostTrack) {
  ChangeSet changes;
  changes.add_entry("/a");
  changes.lose_track("first");
  changes.lose_track("second");
  EXPECT_EQ(changes.why(), "first");
  EXPECT_TRUE(changes.covers("/z"));
  EXPECT_TRUE(changes.entries().empty());
  EXPECT_FALSE(changes.empty());
}

TEST(ChangeSet, LosesTrackBeforeItGrowsWithoutEnd) {
  ChangeSet changes;
  for (std::size_t i = 0; i <= ChangeSet::kNamesMax; ++i) {
    changes.add_entry("/" + std::to_string(i));
  }
  EXPECT_TRUE(changes.anything());
  changes.add_entry("/more");
  EXPECT_TRUE(changes.entries().empty());
}

TEST(ChangeSet, MergesWhatTwoOfThemKnow) {
  ChangeSet one;
  one.add_entry("/a");
  ChangeSet other;
  other.add_entry("/b");
  other.add_tree("/c");
  one.merge(std::move(other));
  EXPECT_THAT(one.entries(), ElementsAre("/a", "/b"));
  EXPECT_THAT(one.trees(), ElementsAre("/c"));
  ChangeSet lost;
  lost.lose_track("why");
  one.merge(std::move(lost));
  EXPECT_EQ(one.why(), "why");
}

TEST(WatchedPaths, CountWhatIsGivenAndBelowButForWhatIsLeftOut) {
  const WatchedPaths paths({"/home/ann", "/etc"},
                           [](const std::string& path) { return path.ends_with("/tmp"); });
  EXPECT_TRUE(paths.counts("/home/ann"));
  EXPECT_TRUE(paths.counts("/home/ann/letter"));
  EXPECT_TRUE(paths.counts("/etc/fstab"));
  EXPECT_FALSE(paths.counts("/home"));
  EXPECT_FALSE(paths.counts("/home/anna"));
  EXPECT_FALSE(paths.counts("/home/ann/tmp"));
  EXPECT_FALSE(paths.counts("/home/ann/tmp/deep/file"));
}

TEST(WatchedPaths, AreNotLeftOutForTheNameOfAFolderAboveThem) {
  const WatchedPaths paths({"/var/tmp/work"},
                           [](const std::string& path) { return path.ends_with("/tmp"); });
  EXPECT_TRUE(paths.counts("/var/tmp/work/file"));
}

TEST(WatchedPaths, CanBeTheRoot) {
  const WatchedPaths paths({"/"}, {});
  EXPECT_TRUE(paths.counts("/"));
  EXPECT_TRUE(paths.counts("/any/thing"));
}

}  // namespace
}  // namespace backstay::watch
