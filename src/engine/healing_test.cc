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

}  // namespace
}  // namespace backstay::engine
