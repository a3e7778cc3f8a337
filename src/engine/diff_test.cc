#include "engine/diff.h"

#include "engine/testing/backup_fixture.h"

namespace backstay::engine {
namespace {

class Diff : public BackupFixture {
 protected:
  void SetUp() override {
    BackupFixture::SetUp();
    plant_tree();
    before_ = backup_well();
  }
  using Changes = std::map<std::string, ChangeKind>;
  Changes changes(const BackupReport& after, const std::string& path = "/") {
    const auto repository = open_past_faults();
    Watch watch;
    Activity activity = watch.activity();
    Changes found;
    const auto take = [&](const Change& change) -> Result<void> {
      found[change.path] = change.kind;
      return {};
    };
    const auto report = diff_snapshots(*repository, before_.snapshot.tree, after.snapshot.tree,
                                       path, take, activity);
    EXPECT_EQ(problem(report), "");
    if (report) report_ = *report;
    return found;
  }
  // Folders get other times when something comes or goes in them.
  static Changes without_attributes(Changes changes) {
    std::erase_if(changes, [](const auto& one) { return one.second == ChangeKind::kAttributes; });
    return changes;
  }

  BackupReport before_;
  DiffReport report_;
};

TEST_F(Diff, SaysOfEachPathWhatBecameOfIt) {
  tree_.add_file("/etc/new", noise(500, 9));
  tree_.remove("/etc/empty");
  tree_.add_file("/etc/small", noise(120, 10));
  tree_.remove("/home/user/text");
  tree_.add_folder("/home/user/text");
  tree_.add_symlink("/home/user/link", "elsewhere");
  const Changes found = without_attributes(changes(backup_well()));
  EXPECT_EQ(found, (Changes{{"/etc/empty", ChangeKind::kRemoved},
                            {"/etc/new", ChangeKind::kAdded},
                            {"/etc/small", ChangeKind::kContent},
                            {"/home/user/link", ChangeKind::kContent},
                            {"/home/user/text", ChangeKind::kType}}));
  EXPECT_EQ(report_.files.at(ChangeKind::kAdded), 1U);
  EXPECT_EQ(report_.files.at(ChangeKind::kRemoved), 1U);
  EXPECT_EQ(report_.files.at(ChangeKind::kContent), 1U);
  EXPECT_EQ(report_.folders.at(ChangeKind::kType), 1U);
  EXPECT_EQ(report_.others.at(ChangeKind::kContent), 1U);
  EXPECT_EQ(report_.bytes_added, 500U + 120U);
  EXPECT_EQ(report_.bytes_removed, 100U + 30'000U);
}

TEST_F(Diff, OfASnapshotWithItselfIsNothing) {
  EXPECT_TRUE(changes(before_).empty());
  EXPECT_EQ(report_.bytes_added, 0U);
}

TEST_F(Diff, OfAPathSaysNothingOfOthers) {
  tree_.add_file("/etc/small", noise(120, 10));
  tree_.add_file("/var/mail/7", noise(120, 11));
  tree_.add_file("/var/mailbox", noise(120, 12));
  const BackupReport after = backup_well();
  EXPECT_EQ(without_attributes(changes(after, "/var/mail")),
            (Changes{{"/var/mail/7", ChangeKind::kContent}}));
  EXPECT_EQ(without_attributes(changes(after, "/etc/small")),
            (Changes{{"/etc/small", ChangeKind::kContent}}));
  EXPECT_TRUE(changes(after, "/home").empty());
}

}  // namespace
}  // namespace backstay::engine
