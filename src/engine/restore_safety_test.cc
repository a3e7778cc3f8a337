#include "engine/restore_safety.h"

#include "engine/safety_snapshot.h"
#include "engine/testing/restore_fixture.h"

namespace backstay::engine {
namespace {

// Does something to the target between the moment in which everything is kept and the first change.
class Meddler final : public restoring::ChangeKeeper {
 public:
  Meddler(RestoreSafety& safety, std::function<void()> act)
      : safety_(safety), act_(std::move(act)) {}
  Result<void> keep(const restoring::TargetChanges& changes) override {
    TRY(safety_.keep(changes));
    act_();
    return {};
  }
  [[nodiscard]] const restoring::SavedStates* saved() const override { return safety_.saved(); }

 private:
  RestoreSafety& safety_;
  std::function<void()> act_;
};

class RestoreSafetyTest : public RestoreFixture {
 protected:
  RestoreSafetyTest()
      : activity_{.progress = progress_, .stop = {}, .report = {}, .note = {}},
        safety_(*repository_, target(), safe_, activity_) {
    safe_.journals = scratch_ / "restores";
    safe_.wait.note = [](const std::string&) {};
    options_.keeper = &safety_;
    options_.delete_extra = true;
  }
  std::vector<repo::StoredSnapshot> stored() {
    auto found = repository_->snapshots([](const auto&, const Error&) { ADD_FAILURE(); });
    EXPECT_TRUE(found.has_value());
    return found ? *std::move(found) : std::vector<repo::StoredSnapshot>();
  }
  void roll_back_well() {
    const auto known = find_restore(safe_.journals, safety_.journal()->record().id);
    ASSERT_TRUE(known.has_value()) << known.error().describe();
    const auto paths = read_restore_paths(safe_.journals, known->record.id);
    ASSERT_TRUE(paths.has_value());
    Activity loud{.progress = progress_,
                  .stop = {},
                  .report = [](const std::string& path,
                               const Error& error) { ADD_FAILURE() << path << error.describe(); },
                  .note = {}};
    for (const repo::StoredSnapshot& one : stored()) {
      if (one.id.hex() != known->record.safety) continue;
      const auto back = roll_back(*repository_, one, *paths, {}, loud);
      ASSERT_TRUE(back.has_value()) << back.error().describe();
    }
  }

  SafetyOptions safe_;
  Activity activity_;
  RestoreSafety safety_;
};

TEST_F(RestoreSafetyTest, LeavesAloneWhateverChangedAfterItWasKept) {
  add_folder("/a");
  add_file("/a/changed", "of the snapshot");
  add_file("/a/new", "of the snapshot");
  add_file("/a/quiet", "of the snapshot");
  add_folder("/a/type");
  add_file("/a/type/file", "of the snapshot");
  finish();
  write("/a/changed", "as it was");
  write("/a/quiet", "as it was");
  write("/a/type", "a file where a folder comes");
  write("/a/extra", "goes");
  write("/a/extra folder/file", "goes");
  Meddler meddler(safety_, [&] {
    write("/a/changed", "written meanwhile");
    write("/a/new", "made meanwhile");
    write("/a/type", "replaced meanwhile");
    write("/a/extra", "changed meanwhile");
    write("/a/extra folder/another", "made meanwhile");
  });
  options_.keeper = &meddler;
  const auto report = restore();
  ASSERT_TRUE(report.has_value()) << report.error().describe();
  EXPECT_EQ(text_of("/a/changed"), "written meanwhile");
  EXPECT_EQ(text_of("/a/new"), "made meanwhile");
  EXPECT_EQ(text_of("/a/type"), "replaced meanwhile");
  EXPECT_EQ(text_of("/a/extra"), "changed meanwhile");
  EXPECT_EQ(text_of("/a/extra folder/another"), "made meanwhile");
  EXPECT_FALSE(exists("/a/extra folder/file"));
  EXPECT_EQ(text_of("/a/quiet"), "of the snapshot");
  EXPECT_EQ(trouble_paths(),
            (std::vector<std::string>{"/a/changed", "/a/extra", "/a/extra folder/another", "/a/new",
                                      "/a/type", "/a/type/file"}));
}

TEST_F(RestoreSafetyTest, BringsBackFoldersAndTimes) {
  add_folder("/a").modified = {1'600'000'000, 0};
  add_file("/a/file", "of the snapshot");
  add_folder("/b");
  add_file("/b/file", "of the snapshot");
  finish();
  write("/a/file", "as it was");
  set_modified("/a/file", {1'400'000'000, 7});
  set_modified("/a", {1'500'000'000, 9});
  restore_well();
  EXPECT_EQ(text_of("/a/file"), "of the snapshot");
  EXPECT_TRUE(exists("/b/file"));
  roll_back_well();
  EXPECT_EQ(text_of("/a/file"), "as it was");
  EXPECT_FALSE(exists("/b"));
  EXPECT_EQ(stat_of("/a").st_mtim.tv_sec, 1'500'000'000);
  EXPECT_EQ(stat_of("/a/file").st_mtim.tv_nsec, 7);
}

TEST_F(RestoreSafetyTest, KeepsNothingForATargetThatLosesNothing) {
  add_folder("/a");
  add_file("/a/file", "of the snapshot");
  finish();
  restore_well();
  EXPECT_EQ(safety_.journal(), nullptr);
  EXPECT_TRUE(stored().empty());
}

TEST_F(RestoreSafetyTest, KeepsOnlyWhatDiffers) {
  add_folder("/a");
  add_file("/a/same", noise(5000, 1));
  add_file("/a/other", noise(5000, 2));
  finish();
  options_.keeper = nullptr;
  restore_well();
  write("/a/other", "changed");
  options_.keeper = &safety_;
  restore_well();
  const auto snapshots = stored();
  ASSERT_EQ(snapshots.size(), 1U);
  EXPECT_TRUE(is_safety_snapshot(snapshots[0].snapshot));
  EXPECT_EQ(snapshots[0].snapshot.stats.files_total, 1U);
}

TEST_F(RestoreSafetyTest, ChangesNothingWhenNothingCanBeKept) {
  add_folder("/a");
  add_file("/a/file", "of the snapshot");
  finish();
  write("/a/file", "as it was");
  safe_.before_saving = [] { return fail(ErrorCode::kPermissionDenied, "it takes nothing"); };
  const auto report = restore();
  ASSERT_FALSE(report.has_value());
  EXPECT_EQ(report.error().code(), ErrorCode::kPermissionDenied);
  EXPECT_NE(report.error().hint().find("--no-safety-snapshot"), std::string::npos);
  EXPECT_EQ(text_of("/a/file"), "as it was");
}

TEST_F(RestoreSafetyTest, BringsBackHardLinksThatItReplacedOneByOne) {
  add_folder("/a");
  snapshot::Entry& one = add_file("/a/one", "of the snapshot");
  one.links = 2;
  one.inode = 77;
  add("/a/two", one);
  finish();
  write("/a/one", "as it was");
  std::filesystem::create_hard_link(at("/a/one"), at("/a/two"));
  restore_well();
  EXPECT_EQ(text_of("/a/two"), "of the snapshot");
  roll_back_well();
  EXPECT_EQ(text_of("/a/one"), "as it was");
  EXPECT_EQ(text_of("/a/two"), "as it was");
}

}  // namespace
}  // namespace backstay::engine
