// A repository with something to free. For tests only.
#pragma once

#include "engine/check.h"
#include "engine/prune.h"
#include "engine/testing/backup_fixture.h"
#include "repo/lease.h"

namespace backstay::engine {

class PruneFixture : public BackupFixture {
 protected:
  // Two backups; the first one's own files are gone in the second.
  void SetUp() override {
    BackupFixture::SetUp();
    for (int i = 0; i < 12; ++i) {
      tree_.add_file("/old/" + std::to_string(i), noise(30'000, static_cast<std::uint64_t>(i)));
      tree_.add_file("/kept/" + std::to_string(i),
                     noise(20'000, 100 + static_cast<std::uint64_t>(i)));
    }
    older_ = backup_well();
    for (int i = 0; i < 12; ++i) tree_.remove("/old/" + std::to_string(i));
    tree_.add_file("/new", noise(50'000, 200));
    newer_ = backup_well();
    threads_ = repo::World::Threads::kCallersOnly;
  }
  void forget(const BackupReport& report) { remove(name_of(report)); }
  static std::string name_of(const BackupReport& report) {
    return repo::object_name(repo::ObjectKind::kSnapshot, repo::ObjectId{report.id->bytes});
  }
  Result<PruneReport> try_prune(const PruneOptions& options = {}) {
    clock_.advance(std::chrono::seconds(60));
    watch_ = std::make_unique<Watch>();
    auto repository = try_open();
    if (!repository) return std::unexpected(std::move(repository).error());
    Activity activity = watch_->activity();
    return prune(**repository, options, activity);
  }
  PruneReport prune_well(const PruneOptions& options = {}) {
    auto report = try_prune(options);
    EXPECT_EQ(problem(report), "");
    return report ? std::move(*report) : PruneReport{};
  }
  [[nodiscard]] std::uint64_t stored_bytes() const {
    std::uint64_t sum = 0;
    for (const auto& [name, bytes] : memory_.objects()) {
      if (name.starts_with("data/") || name.starts_with("meta/")) sum += bytes.size();
    }
    return sum;
  }
  [[nodiscard]] std::size_t packs() const { return names("data/").size() + names("meta/").size(); }
  // Everything that is stored, byte for byte, and nothing that check would name.
  void expect_whole() {
    const auto repository = open_past_faults();
    Watch watch;
    Activity activity = watch.activity();
    CheckOptions options;
    options.read_data.mode = ReadData::Mode::kAll;
    const auto checked = check(*repository, options, activity);
    ASSERT_EQ(problem(checked), "");
    for (const Damage& damage : checked->damages)
      ADD_FAILURE() << damage.object << ": " << damage.what;
  }
  std::unique_ptr<repo::Lease> lease(repo::Repository& repository, const std::string& operation,
                                     repo::LeaseUse use) {
    repo::LeaseRecord record;
    record.operation = operation;
    auto taken = repository.take_lease(std::move(record), use);
    EXPECT_EQ(problem(taken), "");
    return std::move(*taken);
  }

  BackupReport older_;
  BackupReport newer_;
};

inline PruneOptions thorough() {
  PruneOptions options;
  options.unused_share_max = 0;
  return options;
}

}  // namespace backstay::engine
