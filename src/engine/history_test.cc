#include "engine/history.h"

#include "engine/testing/backup_fixture.h"

namespace backstay::engine {
namespace {

class History : public BackupFixture {
 protected:
  BackupReport back_up_from(const std::string& host,
                            const std::vector<std::string>& paths = {"/"}) {
    BackupOptions options = backup_options();
    options.host = host;
    options.paths = paths;
    return backup_well(options);
  }
  // "host change snapshots...", one a version.
  std::vector<std::string> versions(const std::string& path,
                                    AttributesCount attributes = AttributesCount::kNo) {
    const auto repository = open_past_faults();
    const auto snapshots = repository->snapshots([](const auto&, const Error&) {});
    EXPECT_EQ(problem(snapshots), "");
    Watch watch;
    Activity activity = watch.activity();
    const auto found = versions_of(*repository, *snapshots, path, attributes, activity);
    EXPECT_EQ(problem(found), "");
    std::vector<std::string> told;
    for (const PathVersion& version : *found) {
      std::string line = version.host + " " + std::string(to_string(version.change));
      for (const std::size_t number : version.snapshots) line += " " + std::to_string(number);
      EXPECT_EQ(version.entry.has_value(), version.change != ChangeKind::kRemoved);
      told.push_back(line);
    }
    return told;
  }
  using Versions = std::vector<std::string>;
};

TEST_F(History, OfAFileHasEachVersionAsLongAsItLasted) {
  tree_.add_file("/other", noise(10, 1));
  back_up_from("host");
  tree_.add_file("/file", noise(100, 2));
  back_up_from("host");
  back_up_from("host");
  tree_.add_file("/file", noise(200, 3));
  back_up_from("host");
  tree_.remove("/file");
  back_up_from("host");
  tree_.add_file("/other", noise(10, 4));
  back_up_from("host");
  tree_.add_symlink("/file", "other");
  back_up_from("host");
  tree_.remove("/file");
  tree_.add_file("/file", noise(200, 3));
  back_up_from("host");
  EXPECT_EQ(versions("/file"), (Versions{"host added 1 2", "host content 3", "host removed 4 5",
                                         "host added 6", "host type 7"}));
  EXPECT_TRUE(versions("/never").empty());
}

TEST_F(History, OfAFolderHasAVersionForWhatChangedBelowIt) {
  tree_.add_file("/folder/deep/file", noise(100, 1));
  tree_.add_file("/beside", noise(100, 2));
  back_up_from("host");
  tree_.add_file("/beside", noise(100, 3));
  back_up_from("host");
  tree_.add_file("/folder/deep/file", noise(100, 4));
  back_up_from("host");
  tree_.remove("/folder/deep/file");
  back_up_from("host");
  EXPECT_EQ(versions("/folder"), (Versions{"host added 0 1", "host content 2", "host content 3"}));
  EXPECT_EQ(versions("/"),
            (Versions{"host added 0", "host content 1", "host content 2", "host content 3"}));
}

TEST_F(History, KeepsHostsApart) {
  tree_.add_file("/file", noise(100, 1));
  back_up_from("a");
  tree_.add_file("/file", noise(100, 2));
  back_up_from("b");
  tree_.add_file("/file", noise(100, 1));
  back_up_from("a");
  EXPECT_EQ(versions("/file"), (Versions{"a added 0 2", "b added 1"}));
}

TEST_F(History, ASnapshotOfOtherPathsSaysNothing) {
  tree_.add_file("/etc/file", noise(100, 1));
  back_up_from("host", {"/etc"});
  tree_.remove("/etc");
  tree_.add_file("/srv/file", noise(100, 2));
  back_up_from("host", {"/srv"});
  tree_.add_file("/etc/file", noise(100, 1));
  back_up_from("host", {"/etc"});
  EXPECT_EQ(versions("/etc/file"), (Versions{"host added 0 2"}));
}

TEST_F(History, CountsAttributesWhenAskedTo) {
  tree_.add_file("/file", noise(100, 1));
  back_up_from("host");
  tree_.node("/file").entry.mode = 0600;
  tree_.touch("/file");
  back_up_from("host");
  EXPECT_EQ(versions("/file"), (Versions{"host added 0 1"}));
  EXPECT_EQ(versions("/file", AttributesCount::kYes),
            (Versions{"host added 0", "host attributes 1"}));
}

}  // namespace
}  // namespace backstay::engine
