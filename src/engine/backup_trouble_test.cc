// Backups whose source or repository fails, or that are stopped.
#include <gtest/gtest.h>

#include <thread>

#include "engine/backup.h"
#include "engine/testing/backup_fixture.h"

namespace backstay::engine {
namespace {

using snapshot::EntryType;
using snapshot::Status;

class BackupInTrouble : public BackupFixture {
 protected:
  void SetUp() override {
    BackupFixture::SetUp();
    plant_tree();
  }
  std::size_t files() const { return tree_.nodes().size() - tree_.count(EntryType::kDirectory); }
};

// ---- trouble with the source

TEST_F(BackupInTrouble, ThatCouldNotReadAFileIsPartial) {
  tree_.node("/etc/small").fails_to_open = ErrorCode::kPermissionDenied;
  tree_.node("/home/user/text").fails_in_walk = ErrorCode::kPermissionDenied;
  tree_.node("/home/user/large").fails_after = 50'000;
  const BackupReport report = backup_well();
  ASSERT_TRUE(report.id);
  EXPECT_EQ(report.snapshot.status, Status::kPartial);
  EXPECT_EQ(report.snapshot.stats.errors, 3U);
  ASSERT_EQ(report.snapshot.errors.size(), 3U);
  const std::vector<std::string> expected{"/etc/small", "/home/user/large", "/home/user/text"};
  EXPECT_EQ(watch_->trouble_paths(), expected);
  const auto contents = contents_of_stored(*report.id);
  for (const std::string& path : expected) EXPECT_FALSE(contents.contains(path)) << path;
  EXPECT_TRUE(contents.contains("/home/user/link"));
  // With the trouble gone the next one has it all.
  for (const std::string& path : expected) {
    tree_.node(path).fails_to_open = tree_.node(path).fails_in_walk = std::nullopt;
    tree_.node(path).fails_after = std::nullopt;
  }
  const BackupReport next = backup_well();
  EXPECT_EQ(next.snapshot.status, Status::kComplete);
  EXPECT_EQ(next.snapshot.stats.files_new, 3U);
  expect_holds_the_tree(next);
}

TEST_F(BackupInTrouble, IsWholeWithoutWhatVanishedWhereThatIsNormal) {
  tree_.node("/etc/small").fails_to_open = ErrorCode::kNotFound;
  tree_.node("/home/user/text").fails_in_walk = ErrorCode::kNotFound;
  BackupOptions options = backup_options();
  options.vanishing = Vanishing::kIsNormal;
  const BackupReport report = backup_well(options);
  ASSERT_TRUE(report.id);
  EXPECT_EQ(report.snapshot.status, Status::kComplete);
  EXPECT_FALSE(contents_of_stored(*report.id).contains("/etc/small"));
  tree_.add_file("/etc/empty", noise(10, 1)).fails_to_open = ErrorCode::kPermissionDenied;
  EXPECT_EQ(backup_well(options).snapshot.stats.errors, 1U);
}

TEST_F(BackupInTrouble, RecordsTheFirstHundredErrors) {
  for (int i = 0; i < 250; ++i) {
    tree_.add_file("/bad/" + std::to_string(i), noise(10, 1)).fails_to_open =
        ErrorCode::kPermissionDenied;
  }
  const BackupReport report = backup_well();
  EXPECT_EQ(report.snapshot.stats.errors, 250U);
  EXPECT_EQ(report.snapshot.errors.size(), snapshot::kRecordedErrorsMax);
}

TEST_F(BackupInTrouble, ThatCouldReadNothingIsAFailureAndNoSnapshot) {
  for (const char* path : {"/etc", "/home", "/var"}) tree_.remove(path);
  tree_.add_file("/one", noise(10, 1)).fails_to_open = ErrorCode::kPermissionDenied;
  tree_.add_file("/two", noise(10, 1)).fails_in_walk = ErrorCode::kPermissionDenied;
  const auto report = try_backup();
  ASSERT_EQ(code_of(report), "not_found");
  EXPECT_NE(report.error().hint(), "");
  EXPECT_TRUE(names("snapshots/").empty());
}

TEST_F(BackupInTrouble, ThatCouldReadNothingSaysWhyAndWhatToDoWhenThereIsOneReason) {
  for (const char* path : {"/etc", "/home", "/var"}) tree_.remove(path);
  tree_.add_file("/one", noise(10, 1)).fails_to_open = ErrorCode::kUnsupported;
  const auto report = try_backup();
  ASSERT_EQ(code_of(report), "not_found");
  EXPECT_NE(report.error().message().find("it does not open"), std::string::npos);
  EXPECT_EQ(report.error().hint(), "Open it otherwise.");
}

TEST_F(BackupInTrouble, KeepsAFileWhoseAttributesAreTooMuchWithoutThem) {
  auto& xattrs = tree_.node("/etc/small").entry.xattrs;
  xattrs.push_back({"user.huge", Bytes(9 * 1024 * 1024)});
  const BackupReport report = backup_well();
  EXPECT_EQ(watch_->trouble_paths(), std::vector<std::string>{"/etc/small"});
  EXPECT_EQ(report.snapshot.stats.errors, 1U);
  EXPECT_EQ(report.snapshot.status, Status::kPartial);
  expect_holds_the_tree(report);
}

TEST_F(BackupInTrouble, LeavesOutAnEntryThatBreaksARuleAndGoesOn) {
  tree_.node("/etc/small").entry.modified.nanos = 2'000'000'000;
  const BackupReport report = backup_well();
  EXPECT_EQ(watch_->trouble_paths(), std::vector<std::string>{"/etc/small"});
  EXPECT_EQ(report.snapshot.status, Status::kPartial);
  const auto contents = contents_of_stored(*report.id);
  EXPECT_FALSE(contents.contains("/etc/small"));
  EXPECT_TRUE(contents.contains("/home/user/link"));
}

TEST_F(BackupInTrouble, ShortensWhatItRecordsOfVeryLongPaths) {
  std::string path = "/bad";
  for (int i = 0; i < 30; ++i) path += "/" + std::string(200, 'n');
  path += "/end";
  tree_.add_file(path, noise(10, 1)).fails_in_walk = ErrorCode::kUnsupported;
  const BackupReport report = backup_well();
  ASSERT_EQ(report.snapshot.errors.size(), 1U);
  const std::string& recorded = report.snapshot.errors.front().path;
  EXPECT_LT(recorded.size(), 1000U);
  EXPECT_TRUE(recorded.starts_with("/bad/nnn"));
  EXPECT_TRUE(recorded.ends_with("nnn/end"));
  EXPECT_EQ(watch_->trouble_paths().front(), recorded);
}

TEST_F(BackupInTrouble, MarksAFileThatChangedWhileItWasRead) {
  tree_.node("/etc/small").changes_while_read = true;
  const BackupReport first = backup_well();
  EXPECT_EQ(first.snapshot.status, Status::kPartial);
  EXPECT_EQ(watch_->trouble_paths(), std::vector<std::string>{"/etc/small"});
  const auto kept = entry_in(first, "/etc/small");
  ASSERT_TRUE(kept);
  EXPECT_TRUE(kept->changed_while_read);
  EXPECT_EQ(kept->modified.seconds, tree_.node("/etc/small").entry.modified.seconds + 1000);
  // It is read again even when nothing seems to have changed since.
  tree_.node("/etc/small").changes_while_read = false;
  tree_.node("/etc/small").entry.modified.seconds += 1000;
  const BackupReport second = backup_well();
  EXPECT_EQ(tree_.files_opened, 1U);
  EXPECT_FALSE(entry_in(second, "/etc/small")->changed_while_read);
}

TEST_F(BackupInTrouble, KeepsWhatThereWasOfAFileThatShrank) {
  tree_.node("/home/user/large").ends_after = 77'777;
  tree_.node("/home/user/sparse").ends_after = 20'000;
  tree_.node("/etc/small").ends_after = 0;
  const BackupReport report = backup_well();
  EXPECT_EQ(report.snapshot.status, Status::kPartial);
  const auto contents = contents_of_stored(*report.id);
  const auto start_of = [&](const std::string& path, std::ptrdiff_t size) {
    const Bytes& whole = *tree_.node(path).bytes;
    return Bytes(whole.begin(), whole.begin() + size);
  };
  EXPECT_TRUE(contents.at("/home/user/large") == start_of("/home/user/large", 77'777));
  EXPECT_TRUE(contents.at("/home/user/sparse") == start_of("/home/user/sparse", 20'000));
  EXPECT_TRUE(contents.at("/etc/small").empty());
  EXPECT_TRUE(entry_in(report, "/home/user/large")->changed_while_read);
}

TEST_F(BackupInTrouble, EndsWhenTheSourceItselfFails) {
  BackupOptions options = backup_options();
  const auto repository = open();
  Watch watch;
  Activity activity = watch.activity();
  const auto report = backup(
      *repository,
      [](const source::SourceHooks&) -> Result<std::unique_ptr<source::Source>> {
        return fail(ErrorCode::kUnavailable, "no source");
      },
      options, activity);
  EXPECT_EQ(code_of(report), "unavailable");
  EXPECT_TRUE(names("snapshots/").empty());
}

// ---- trouble with the repository

// borg 2 (b22): failures of writing on a full disk were taken for failures of reading the source.
TEST_F(BackupInTrouble, FailsWhenTheStoreIsFull) {
  faults_.limit_space(100'000);
  EXPECT_EQ(code_of(try_backup()), "no_space");
  EXPECT_TRUE(names("snapshots/").empty());
}

// rustic #249: a pack that was not stored, and nobody heard of it.
TEST_F(BackupInTrouble, FailsWithTheFirstFailureOfTheStoreWhicheverCallItIs) {
  const std::uint64_t before = faults_.calls();
  backup_well();
  const std::uint64_t calls = faults_.calls() - before;
  const auto made = [&] {
    memory_.set_objects({});
    const auto again =
        repo::make_repository(memory_, repo::small_config(rng_), repo::test_credential(), rng_);
    return again.has_value();
  };
  for (std::uint64_t call = 1; call <= calls; ++call) {
    ASSERT_TRUE(made());
    faults_.fail_at(faults_.calls() + call, ErrorCode::kUnavailable);
    const auto report = try_backup();
    // Removing the lease is the last call: nobody hears of it.
    if (report) {
      expect_holds_the_tree(*report);
    } else {
      EXPECT_EQ(code_of(report), "unavailable") << "call " << call;
    }
  }
}

TEST_F(BackupInTrouble, ReadsAFileAgainWhoseChunksAreLost) {
  // The chunks of the second snapshot's new file are in packs and an index run of their own.
  backup_well();
  const auto before = memory_.objects();
  tree_.add_file("/new", noise(60'000, 90));
  const BackupReport second = backup_well();
  for (const char* prefix : {"index/", "data/", "meta/"}) {
    for (const std::string& name : names(prefix)) {
      if (!before.contains(name)) remove(name);
    }
  }
  const auto lost = open();
  const auto entry = snapshot::find_entry(*lost, second.snapshot.tree, "new");
  EXPECT_FALSE(entry.has_value() && entry->has_value());  // pages are lost with it
  const BackupReport third = backup_well();
  expect_holds_the_tree(third);
  // And by the page that came back the second one is whole again.
  EXPECT_TRUE(contents_of_stored(*second.id) == contents_of(tree_));
}

TEST_F(BackupInTrouble, SaysThatASnapshotOrARunIsDamagedAndGoesOn) {
  const BackupReport first = backup_well();
  tree_.add_file("/new", noise(60'000, 90));
  backup_well();
  replace(names("snapshots/").back(), [](Bytes& bytes) { bytes[70] ^= 1; });
  replace(names("index/").back(), [](Bytes& bytes) { bytes[70] ^= 1; });
  const BackupReport third = backup_well();
  const MutexLock lock(watch_->mutex);
  EXPECT_GE(watch_->notes.size(), 2U);
  ASSERT_TRUE(third.id);
  const auto repository = try_open();
  ASSERT_EQ(problem(repository), "");
  ASSERT_EQ(problem((*repository)->load_index([](const auto&, const Error&) {})), "");
  const auto contents = contents_of(**repository, third.snapshot);
  ASSERT_EQ(problem(contents), "");
  EXPECT_TRUE(*contents == contents_of(tree_));
}

// ---- stopping

TEST_F(BackupInTrouble, ThatIsStoppedKeepsWhatItStored) {
  for (std::uint64_t i = 0; i < 200; ++i) {
    tree_.add_file("/more/" + std::to_string(i), noise(30'000, 1000 + i));
  }
  tree_.before_item = [this](const std::string& path) {
    if (path != "/more/99") return;
    // The walk is ahead of the readers; a frame takes 34 of these files.
    while (tree_.files_opened < 120) std::this_thread::yield();
    watch_->stop.request_stop();
  };
  EXPECT_EQ(code_of(try_backup()), "cancelled");
  EXPECT_TRUE(names("snapshots/").empty());
  EXPECT_TRUE(names("leases/").empty());
  tree_.before_item = nullptr;
  const BackupReport second = backup_well();
  expect_holds_the_tree(second);
  // What is in packs by then depends on the threads; something is.
  const std::uint64_t all = second.snapshot.stats.bytes_total;
  EXPECT_LT(second.snapshot.stats.bytes_added, all);
}

TEST_F(BackupInTrouble, ThatIsStoppedBeforeItBeginsStoresNothing) {
  about_to_run = [this] { watch_->stop.request_stop(); };
  EXPECT_EQ(code_of(try_backup()), "cancelled");
  EXPECT_TRUE(names("snapshots/").empty());
  EXPECT_TRUE(names("leases/").empty());
}

TEST_F(BackupInTrouble, IsStoppedAnywhereWithoutHanging) {
  std::vector<std::string> paths;
  for (const auto& [key, node] : tree_.nodes()) paths.push_back(snapshot::path_from_key(key));
  for (const std::string& at : paths) {
    tree_.before_item = [this, &at](const std::string& path) {
      if (path == at) watch_->stop.request_stop();
    };
    EXPECT_EQ(code_of(try_backup()), "cancelled") << at;
  }
}

}  // namespace
}  // namespace backstay::engine
