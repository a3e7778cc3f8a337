#include "engine/find.h"

#include "engine/testing/backup_fixture.h"

namespace backstay::engine {
namespace {

class Find : public BackupFixture {
 protected:
  void SetUp() override {
    BackupFixture::SetUp();
    tree_.add_file("/etc/hosts", noise(100, 1));
    tree_.add_file("/etc/nginx/nginx.conf", noise(2000, 2));
    tree_.add_file("/home/user/mail.pst", noise(300'000, 3));
    tree_.add_symlink("/etc/link.conf", "nginx/nginx.conf");
    tree_.add_folder("/srv/data.conf");
    backup_well();
    tree_.add_file("/etc/hosts", noise(150, 4));
    backup_well();
    tree_.remove("/home/user/mail.pst");
    backup_well();
  }
  static FindQuery named(std::string_view pattern) {
    FindQuery query;
    EXPECT_EQ(problem(query.patterns.add(pattern, snapshot::Case::kSensitive)), "");
    return query;
  }
  std::vector<FoundEntry> find(const FindQuery& query) {
    const auto repository = open_past_faults();
    const auto snapshots = repository->snapshots([](const auto&, const Error&) {});
    EXPECT_EQ(problem(snapshots), "");
    Watch watch;
    Activity activity = watch.activity();
    auto found = find_entries(*repository, *snapshots, query, activity);
    EXPECT_EQ(problem(found), "");
    return found ? std::move(*found) : std::vector<FoundEntry>{};
  }
  std::vector<std::string> paths(const FindQuery& query) {
    std::vector<std::string> paths;
    for (const FoundEntry& one : find(query)) paths.push_back(one.path);
    return paths;
  }
  using Paths = std::vector<std::string>;
};

TEST_F(Find, TellsTheSameFileOfManySnapshotsOnce) {
  const auto found = find(named("nginx.conf"));
  ASSERT_EQ(found.size(), 1U);
  EXPECT_EQ(found[0].snapshots, (std::vector<std::size_t>{0, 1, 2}));
  EXPECT_EQ(found[0].entry.size_bytes, 2000U);
}

TEST_F(Find, TellsEachVersionAndWhichSnapshotsHaveIt) {
  const auto found = find(named("/etc/hosts"));
  ASSERT_EQ(found.size(), 2U);
  EXPECT_EQ(found[0].snapshots, (std::vector<std::size_t>{0}));
  EXPECT_EQ(found[0].entry.size_bytes, 100U);
  EXPECT_EQ(found[1].snapshots, (std::vector<std::size_t>{1, 2}));
}

TEST_F(Find, TakesPatternsOfNamesAndOfPaths) {
  EXPECT_EQ(paths(named("*.conf")),
            (Paths{"/etc/link.conf", "/etc/nginx/nginx.conf", "/srv/data.conf"}));
  EXPECT_EQ(paths(named("/etc/**/*.conf")), (Paths{"/etc/link.conf", "/etc/nginx/nginx.conf"}));
  EXPECT_EQ(paths(named("nginx/*.conf")), (Paths{"/etc/nginx/nginx.conf"}));
  EXPECT_EQ(paths(named("nginx")), (Paths{"/etc/nginx"})) << "not what is below it";
  EXPECT_TRUE(paths(named("*.CONF")).empty());
}

TEST_F(Find, TakesExpressions) {
  FindQuery query;
  query.expressions.push_back(*PathExpression::make("/n.*\\.conf$", snapshot::Case::kSensitive));
  EXPECT_EQ(paths(query), (Paths{"/etc/nginx/nginx.conf"}));
  query.expressions = {*PathExpression::make("MAIL", snapshot::Case::kInsensitive)};
  EXPECT_EQ(paths(query), (Paths{"/home/user/mail.pst"}));
  EXPECT_EQ(code_of(PathExpression::make("(", snapshot::Case::kSensitive)), "invalid_argument");
}

TEST_F(Find, TakesTypesSizesAndTimes) {
  FindQuery query = named("*.conf");
  query.types = {snapshot::EntryType::kSymlink, snapshot::EntryType::kDirectory};
  EXPECT_EQ(paths(query), (Paths{"/etc/link.conf", "/srv/data.conf"}));
  FindQuery large;
  large.size_min = 2000;
  EXPECT_EQ(paths(large), (Paths{"/etc/nginx/nginx.conf", "/home/user/mail.pst"}));
  large.size_max = 2000;
  EXPECT_EQ(paths(large), (Paths{"/etc/nginx/nginx.conf"}));
  const Timestamp modified = find(named("mail.pst"))[0].entry.modified;
  FindQuery from = named("mail.pst");
  from.modified_from = modified;
  from.modified_to = modified;
  EXPECT_EQ(paths(from).size(), 1U);
  from.modified_to = Timestamp{.seconds = modified.seconds - 1, .nanos = 0};
  EXPECT_TRUE(paths(from).empty());
  from = named("mail.pst");
  from.modified_from = Timestamp{.seconds = modified.seconds + 1, .nanos = 0};
  EXPECT_TRUE(paths(from).empty());
}

TEST_F(Find, GoesOnPastDamageAndReportsIt) {
  const auto snapshot = open_past_faults()->read_snapshot(*backup_well().id);
  ASSERT_EQ(problem(snapshot), "");
  for (const std::string& name : names("meta/")) remove(name);
  const auto repository = open_past_faults();
  const auto snapshots = repository->snapshots([](const auto&, const Error&) {});
  Watch watch;
  Activity activity = watch.activity();
  int reports = 0;
  activity.report = [&](const std::string&, const Error&) { ++reports; };
  const auto found = find_entries(*repository, *snapshots, named("*"), activity);
  ASSERT_EQ(problem(found), "");
  EXPECT_TRUE(found->empty());
  EXPECT_GT(reports, 0);
}

}  // namespace
}  // namespace backstay::engine
