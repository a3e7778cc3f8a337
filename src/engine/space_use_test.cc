#include "engine/space_use.h"

#include "engine/testing/backup_fixture.h"

namespace backstay::engine {
namespace {

class SpaceUse : public BackupFixture {
 protected:
  std::map<std::string, FolderUse> use(const BackupReport& of, SpaceUseOptions options = {}) {
    const auto repository = open_past_faults();
    Watch watch;
    Activity activity = watch.activity();
    const auto folders = space_use(*repository, of.snapshot, options, activity);
    EXPECT_EQ(problem(folders), "");
    std::map<std::string, FolderUse> by_path;
    if (folders) {
      for (const FolderUse& one : *folders) {
        EXPECT_FALSE(by_path.contains(one.path)) << one.path;
        by_path[one.path] = one;
      }
    }
    return by_path;
  }
};

TEST_F(SpaceUse, CountsAPieceForTheFirstFolderThatHasIt) {
  tree_.add_folder("/a");
  tree_.add_folder("/a/deep");
  tree_.add_folder("/b");
  tree_.add_file("/a/deep/one", noise(40'000, 1));
  tree_.add_file("/a/same", noise(50'000, 2));
  tree_.add_file("/b/same", noise(50'000, 2));
  tree_.add_file("/b/zeros", Bytes(300'000));
  tree_.add_file("/beside", noise(100, 3));
  const auto folders = use(backup_well());
  EXPECT_EQ(folders.at("/a").files, 2U);
  EXPECT_EQ(folders.at("/a").bytes, 90'000U);
  EXPECT_EQ(folders.at("/a").unique_bytes, 90'000U);
  EXPECT_GE(folders.at("/a").stored_bytes, 90'000U);
  EXPECT_LT(folders.at("/a").stored_bytes, 92'000U);
  EXPECT_EQ(folders.at("/b").bytes, 350'000U);
  EXPECT_LT(folders.at("/b").stored_bytes, 2'000U);
  EXPECT_EQ(folders.at("/").files, 1U);
  EXPECT_EQ(folders.size(), 3U);
}

TEST_F(SpaceUse, LooksAsDeepAsItIsTold) {
  tree_.add_folder("/a");
  tree_.add_folder("/a/x");
  tree_.add_folder("/a/y");
  tree_.add_file("/a/between", noise(10, 1));
  tree_.add_file("/a/x/one", noise(10, 2));
  tree_.add_file("/a/y/two", noise(10, 3));
  tree_.add_file("/a/z", noise(10, 4));
  const BackupReport made = backup_well();
  const auto folders = use(made, {.path = "/", .depth = 2});
  EXPECT_EQ(folders.at("/a").files, 2U);
  EXPECT_EQ(folders.at("/a/x").files, 1U);
  EXPECT_EQ(folders.at("/a/y").files, 1U);
  const auto below = use(made, {.path = "/a", .depth = 1});
  EXPECT_EQ(below.at("/a").files, 2U);
  EXPECT_EQ(below.size(), 3U);
}

TEST_F(SpaceUse, SaysThatThereIsNoSuchFolder) {
  const BackupReport made = backup_well();
  const auto repository = open_past_faults();
  Watch watch;
  Activity activity = watch.activity();
  EXPECT_EQ(code_of(space_use(*repository, made.snapshot, {.path = "/never"}, activity)),
            "not_found");
}

}  // namespace
}  // namespace backstay::engine
