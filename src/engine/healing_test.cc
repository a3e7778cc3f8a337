// A repository that lost something: what checks say, what the next backup mends, what restores get.
#include <gtest/gtest.h>

#include "engine/backup.h"
#include "engine/check.h"
#include "engine/testing/backup_fixture.h"

namespace backstay::engine {
namespace {

using snapshot::BackupType;

class Healing : public BackupFixture {
 protected:
  void SetUp() override {
    BackupFixture::SetUp();
    plant_tree();
    first_ = backup_well();
    whole_ = memory_.objects();
  }
  static BackupOptions of_type(BackupType type) {
    BackupOptions options = backup_options();
    options.type = type;
    return options;
  }
  CheckReport check_all(ReadData::Mode mode = ReadData::Mode::kAll) {
    watch_ = std::make_unique<Watch>();
    auto repository = try_open();
    EXPECT_EQ(problem(repository), "");
    CheckOptions options;
    options.read_data.mode = mode;
    options.threads = 2;
    Activity activity = watch_->activity();
    auto report = check(**repository, options, activity);
    EXPECT_EQ(problem(report), "");
    return report ? std::move(*report) : CheckReport{};
  }
  static Bytes flipped(Bytes bytes) {
    for (std::size_t at = repo::kHeaderSize; at < bytes.size(); at += 100) bytes[at] ^= 1;
    return bytes;
  }
  std::vector<std::string> packs() const {
    auto all = names("data/");
    for (std::string& name : names("meta/")) all.push_back(std::move(name));
    return all;
  }
  // Everything that can be read of a snapshot: bytes of files by path.
  std::map<std::string, Bytes> readable_of(const snapshot::SnapshotId& id) {
    std::map<std::string, Bytes> whole;
    const auto repository = try_open();
    EXPECT_EQ(problem(repository), "");
    (*repository)->recover_when_needed([](const repo::RecoveredPacks&) {});
    EXPECT_EQ(problem((*repository)->load_index([](const auto&, const Error&) {})), "");
    const auto snapshot = (*repository)->read_snapshot(id);
    EXPECT_EQ(problem(snapshot), "");
    snapshot::TreeCursor cursor(**repository, snapshot->tree);
    while (true) {
      const auto item = cursor.next();
      EXPECT_EQ(problem(item), "");
      if (!item || !*item) return whole;
      if ((*item)->entry.type != snapshot::EntryType::kFile) continue;
      auto bytes = bytes_of(**repository, (*item)->entry);
      if (bytes) whole[snapshot::path_from_key((*item)->key)] = std::move(*bytes);
    }
  }
  void lose_the_index() {
    for (const std::string& name : names("index/")) remove(name);
  }
  void damage_the_index() {
    for (const std::string& name : names("index/"))
      replace(name, [](Bytes& bytes) { bytes.back() ^= 1; });
  }
  // One frame of the pack of data is damaged and a check has marked it.
  std::string mark_a_pack() {
    const std::string name = names("data/").front();
    replace(name, [](Bytes& bytes) { bytes[repo::kHeaderSize + 50] ^= 1; });
    EXPECT_EQ(check_all().damages.size(), 1U);
    EXPECT_EQ(names("damaged/").size(), 1U);
    return name;
  }
  bool noted(std::string_view text) {
    const MutexLock lock(watch_->mutex);
    return std::ranges::any_of(watch_->notes, [&](const std::string& note) {
      return note.find(text) != std::string::npos;
    });
  }
  std::uint64_t stored_again(const BackupReport& report) {
    return report.snapshot.stats.bytes_added;
  }

  BackupReport first_;
  backend::MemoryBackend::Objects whole_;
};

TEST_F(Healing, BackupsAfterALostPackRestoreWholeWhateverTheirType) {
  for (const BackupType type :
       {BackupType::kIncremental, BackupType::kDifferential, BackupType::kFull}) {
    for (const std::string& name : packs()) {
      SCOPED_TRACE(name);
      remove(name);
      expect_holds_the_tree(backup_well(of_type(type)));
      // What came back is there for older snapshots, too.
      EXPECT_TRUE(contents_of_stored(*first_.id) == contents_of(tree_));
      memory_.set_objects(whole_);
    }
  }
}

TEST_F(Healing, BackupsAfterAPackWasCutShortRestoreWhole) {
  for (const std::string& name : packs()) {
    replace(name, [](Bytes& bytes) { bytes.resize(bytes.size() / 2); });
    expect_holds_the_tree(backup_well());
    memory_.set_objects(whole_);
  }
}

TEST_F(Healing, BackupsAfterACheckFoundADamagedPackRestoreWhole) {
  for (const bool with_key : {true, false}) {
    for (const std::string& name : packs()) {
      SCOPED_TRACE(name);
      replace(name, [](Bytes& bytes) { bytes = flipped(bytes); });
      if (with_key) {
        EXPECT_EQ(check_all().damages.size(), 1U);
      } else {
        Watch watch;
        Activity activity = watch.activity();
        EXPECT_EQ(check_names(faults_, {}, activity)->damages.size(), 1U);
      }
      expect_holds_the_tree(backup_well());
      EXPECT_TRUE(contents_of_stored(*first_.id) == contents_of(tree_));
      memory_.set_objects(whole_);
    }
  }
}

TEST_F(Healing, AfterTheNextBackupALostOrDamagedPackIsNoDamageAnyMore) {
  for (const bool lost : {true, false}) {
    for (const std::string& name : packs()) {
      SCOPED_TRACE(name);
      if (lost) {
        remove(name);
      } else {
        replace(name, [](Bytes& bytes) { bytes = flipped(bytes); });
      }
      EXPECT_EQ(check_all().damages.size(), 1U);
      EXPECT_EQ(check_all(ReadData::Mode::kNone).damages.size(), 1U);
      backup_well();
      const CheckReport after = check_all();
      EXPECT_TRUE(after.damages.empty()) << after.damages.front().what;
      EXPECT_EQ(after.packs_replaced, 1U);
      memory_.set_objects(whole_);
    }
  }
}

TEST_F(Healing, APackThatIsPutBackIsTrustedAgain) {
  const std::string name = names("data/").front();
  replace(name, [](Bytes& bytes) { bytes = flipped(bytes); });
  check_all();
  EXPECT_EQ(names("damaged/").size(), 1U);
  replace(name, [&](Bytes& bytes) { bytes = whole_.at(name); });
  EXPECT_TRUE(check_all().damages.empty());
  EXPECT_TRUE(names("damaged/").empty());
  EXPECT_EQ(memory_.objects(), whole_);
}

TEST_F(Healing, ACheckThatCannotRecordDamageSaysSo) {
  replace(names("data/").front(), [](Bytes& bytes) { bytes = flipped(bytes); });
  faults_.limit_space(0);
  EXPECT_EQ(check_all().damages.size(), 1U);
  const MutexLock lock(watch_->mutex);
  EXPECT_TRUE(std::ranges::any_of(watch_->notes, [](const std::string& note) {
    return note.find("could not be recorded") != std::string::npos;
  }));
}

TEST_F(Healing, TheNextBackupUsesPacksWhoseIndexIsLost) {
  const BackupReport usual = backup_well();
  memory_.set_objects(whole_);
  for (const std::string& name : names("index/")) remove(name);
  const BackupReport second = backup_well();
  expect_holds_the_tree(second);
  EXPECT_EQ(second.snapshot.stats.files_unmodified, usual.snapshot.stats.files_unmodified);
  EXPECT_EQ(stored_again(second), stored_again(usual));
  EXPECT_TRUE(check_all().damages.empty());
  EXPECT_EQ(check_all().packs_unindexed, 0U);
}

TEST_F(Healing, TheNextBackupReplacesADamagedIndexRun) {
  tree_.add_file("/new", noise(60'000, 90));
  backup_well();
  for (const std::string& name : names("index/")) {
    replace(name, [](Bytes& bytes) { bytes.back() ^= 1; });
    EXPECT_EQ(check_all().damages.size(), 1U);
    const BackupReport next = backup_well();
    expect_holds_the_tree(next);
    EXPECT_EQ(stored_again(next), 0U);
    EXPECT_TRUE(check_all().damages.empty());
  }
}

TEST_F(Healing, ADryRunMendsNothing) {
  for (const std::string& name : names("index/")) remove(name);
  const auto before = memory_.objects();
  BackupOptions options = backup_options();
  options.dry_run = true;
  const BackupReport report = backup_well(options);
  EXPECT_EQ(stored_again(report), 0U);
  EXPECT_EQ(memory_.objects(), before);
}

TEST_F(Healing, TheNextBackupUsesWhatAFullStoreKept) {
  tree_.add_file("/new", noise(400'000, 90));
  faults_.limit_space(300'000);
  EXPECT_EQ(code_of(try_backup()), "no_space");
  faults_.limit_space(100'000'000);
  const BackupReport next = backup_well();
  expect_holds_the_tree(next);
  EXPECT_LT(stored_again(next), 300'000U);
  EXPECT_EQ(check_all().packs_unindexed, 0U);
}

TEST_F(Healing, APackTornByAPowerCutIsNotUsed) {
  for (const std::string& name : names("index/")) remove(name);
  for (const std::string& name : packs()) {
    const auto before = memory_.objects();
    replace(name, [](Bytes& bytes) { bytes[repo::kHeaderSize] ^= 1; });
    expect_holds_the_tree(backup_well());
    memory_.set_objects(before);
  }
}

TEST_F(Healing, AMarkedPackOfALostIndexIsReadAsFarAsItIsWhole) {
  mark_a_pack();
  const auto before = readable_of(*first_.id);
  lose_the_index();
  EXPECT_TRUE(readable_of(*first_.id) == before);
  damage_the_index();
  EXPECT_TRUE(readable_of(*first_.id) == before);
}

TEST_F(Healing, ACheckNamesAMarkedPackThatIsNeededAndInNoRun) {
  const std::string name = mark_a_pack();
  for (const ReadData::Mode mode : {ReadData::Mode::kNone, ReadData::Mode::kAll}) {
    lose_the_index();
    const CheckReport report = check_all(mode);
    const auto damage = std::ranges::find(report.damages, name, &Damage::object);
    ASSERT_NE(damage, report.damages.end());
    EXPECT_GT(damage->affected_total, 0U);
    EXPECT_EQ(report.packs_unindexed, packs().size() - 1);
  }
}

TEST_F(Healing, BackupsAfterMarkAndLostIndexLoseNothingThatWasReadable) {
  for (const bool lost : {true, false}) {
    SCOPED_TRACE(lost);
    mark_a_pack();
    const auto before = readable_of(*first_.id);
    lost ? lose_the_index() : damage_the_index();
    // The source has none of it any more.
    source::MemoryTree other;
    other.add_file("/else", noise(5'000, 77));
    Watch watch;
    EXPECT_EQ(problem(back_up(**try_open(), other, backup_options(), watch)), "");
    EXPECT_TRUE(readable_of(*first_.id) == before);
    EXPECT_EQ(check_all().damages.size(), 1U);
    // It is back, and all is well again.
    expect_holds_the_tree(backup_well());
    const CheckReport report = check_all();
    EXPECT_TRUE(report.damages.empty()) << report.damages.front().object;
    EXPECT_TRUE(contents_of_stored(*first_.id) == contents_of(tree_));
    memory_.set_objects(whole_);
  }
}

TEST_F(Healing, ADamagedRunStaysWhileADirectoryThatItMayStandForIsDamaged) {
  const std::string name = names("data/").front();
  replace(name, [](Bytes& bytes) { bytes.back() ^= 1; });
  check_all();
  EXPECT_EQ(names("damaged/").size(), 1U);
  damage_the_index();
  const auto runs = names("index/");
  backup_well();
  for (const std::string& run : runs) EXPECT_TRUE(memory_.objects().contains(run)) << run;
}

TEST_F(Healing, ACheckSaysWhichLeftOverPackIsCorrupt) {
  tree_.add_file("/new", noise(60'000, 90));
  const auto without = memory_.objects();
  backup_well();
  // As a killed run leaves it: packs, but no index run and no snapshot.
  for (const char* kind : {"index/", "snapshots/"}) {
    for (const std::string& name : names(kind)) {
      if (!without.contains(name)) remove(name);
    }
  }
  auto strays = packs();
  std::erase_if(strays, [&](const auto& name) { return without.contains(name); });
  ASSERT_FALSE(strays.empty());
  EXPECT_EQ(check_all().packs_unindexed, strays.size());
  const auto left = memory_.objects();
  for (const bool in_directory : {false, true}) {
    replace(strays.front(), [&](Bytes& bytes) {
      in_directory ? bytes.back() ^= 1 : bytes[repo::kHeaderSize] ^= 1;
    });
    const CheckReport report = check_all();
    EXPECT_TRUE(report.damages.empty());
    EXPECT_EQ(report.packs_unindexed, strays.size() - 1);
    EXPECT_EQ(report.packs_replaced, 1U);
    EXPECT_EQ(names("damaged/").size(), 1U);
    expect_holds_the_tree(backup_well());
    EXPECT_TRUE(check_all().damages.empty());
    memory_.set_objects(left);
  }
}

TEST_F(Healing, APackWithoutRunThatCannotBeReadStopsNoBackup) {
  for (const ErrorCode code : {ErrorCode::kCorruption, ErrorCode::kPermissionDenied}) {
    lose_the_index();
    faults_.fail_reads(names("data/").front(), code);
    const BackupReport report = backup_well();
    EXPECT_TRUE(noted("cannot be used")) << to_string(code);
    ASSERT_TRUE(report.id.has_value());
    EXPECT_TRUE(readable_of(*report.id).contains("/home/user/large"));
    memory_.set_objects(whole_);
  }
}

TEST_F(Healing, AStoreThatDoesNotAnswerStopsTheBackup) {
  lose_the_index();
  faults_.fail_reads(names("data/").front(), ErrorCode::kUnavailable);
  EXPECT_EQ(code_of(try_backup()), "unavailable");
}

TEST_F(Healing, APackThatTheMediumCannotGiveBackIsDamageAndStoredAgain) {
  for (const bool with_key : {true, false}) {
    const std::string name = names("data/").front();
    faults_.fail_reads(name, ErrorCode::kCorruption);
    if (with_key) {
      const CheckReport report = check_all();
      ASSERT_EQ(report.damages.size(), 1U);
      EXPECT_EQ(report.damages.front().object, name);
      EXPECT_GT(report.damages.front().affected_total, 0U);
    } else {
      Watch watch;
      Activity activity = watch.activity();
      EXPECT_EQ(check_names(faults_, {}, activity)->damages.size(), 1U);
    }
    EXPECT_EQ(names("damaged/").size(), 1U);
    EXPECT_GT(stored_again(backup_well()), 0U);
    EXPECT_EQ(readable_of(*first_.id).size(), 45U);
    memory_.set_objects(whole_);
  }
}

}  // namespace
}  // namespace backstay::engine
