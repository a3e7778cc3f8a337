// A repository in memory that can be away, and a stage for it. For tests only.
#pragma once

#include <gtest/gtest.h>

#include <map>
#include <memory>
#include <string>
#include <vector>

#include "backend/forwarding_backend.h"
#include "engine/check.h"
#include "engine/prune.h"
#include "engine/stage.h"
#include "engine/testing/backup_fixture.h"
#include "repo/remote_knowledge.h"

namespace backstay::engine {

class StageFixture : public BackupFixture {
 protected:
  void SetUp() override {
    BackupFixture::SetUp();
    plant_tree();
  }

  Result<std::unique_ptr<repo::Repository>> open_by(backend::Backend& store) {
    return repo::Repository::open(std::make_unique<backend::ForwardingBackend>(store),
                                  repo::test_credential(), {},
                                  {.clock = clock_, .rng = rng_, .threads = threads_});
  }
  // What is kept while the repository is there.
  void learn() {
    ASSERT_EQ(problem(repo::keep_knowledge(memory_, known_)), "");
    ASSERT_EQ(problem(repo::keep_keys(memory_, staged_)), "");
  }
  // A backup while it is away.
  Result<BackupReport> try_stage(const BackupOptions& options = backup_options()) {
    clock_.advance(std::chrono::seconds(60));
    const auto known = TRY(open_by(known_));
    TRY(load_known(*known));
    const auto stage = TRY(open_by(staged_));
    stage->index().rely_elsewhere(data_known_to(*known));
    watch_ = std::make_unique<Watch>();
    return back_up(*stage, tree_, options, *watch_);
  }
  BackupReport stage_well() {
    auto report = try_stage();
    EXPECT_EQ(problem(report), "");
    return report ? std::move(*report) : BackupReport{};
  }
  Result<SendReport> try_send(backend::Backend& from, backend::Backend& to) {
    clock_.advance(std::chrono::seconds(60));
    sent_.clear();
    const auto stage = TRY(open_by(from));
    const auto remote = TRY(open_by(to));
    watch_ = std::make_unique<Watch>();
    Activity activity = watch_->activity();
    SendOptions options;
    options.threads = 1;
    const SendReport report =
        TRY(send_staged(*stage, *remote, options, activity,
                        [&](const SentSnapshot& one) { sent_.push_back(one); }));
    TRY(free_stage(*stage));
    return report;
  }
  SendReport send_well() {
    auto report = try_send(staged_, memory_);
    EXPECT_EQ(problem(report), "");
    return report.value_or(SendReport{});
  }
  static std::vector<std::string> names_in(backend::Backend& store, std::string_view prefix) {
    std::vector<std::string> names;
    EXPECT_TRUE(store.list(prefix, [&](const backend::ObjectInfo& info) {
      names.push_back(info.name);
      return Result<void>();
    }));
    return names;
  }
  static std::uint64_t bytes_in(backend::Backend& store, std::string_view prefix) {
    std::uint64_t bytes = 0;
    EXPECT_TRUE(store.list(prefix, [&](const backend::ObjectInfo& info) {
      bytes += info.size_bytes;
      return Result<void>();
    }));
    return bytes;
  }
  // Of the repository: what each snapshot holds, oldest first.
  std::vector<std::map<std::string, Bytes>> all_contents() {
    const auto remote = open_by(memory_);
    EXPECT_EQ(problem(remote), "");
    const auto snapshots = (*remote)->snapshots(
        [](const auto&, const Error& error) { ADD_FAILURE() << error.describe(); });
    EXPECT_EQ(problem((*remote)->load_index([](const auto&, const Error&) {})), "");
    std::vector<std::map<std::string, Bytes>> all;
    for (const auto& one : *snapshots) {
      auto contents = contents_of(**remote, one.snapshot);
      EXPECT_EQ(problem(contents), "");
      all.push_back(contents ? *std::move(contents) : std::map<std::string, Bytes>{});
    }
    return all;
  }
  // "" or the first damage.
  std::string problems_of_remote() {
    const auto remote = open_by(memory_);
    if (!remote) return remote.error().describe();
    Watch watch;
    Activity activity = watch.activity();
    CheckOptions options;
    options.read_data.mode = ReadData::Mode::kAll;
    const auto report = check(**remote, options, activity);
    if (!report) return report.error().describe();
    return report->damages.empty()
               ? ""
               : report->damages.front().object + ": " + report->damages.front().what;
  }
  // Nobody keeps what is in the repository, and it is freed.
  void lose_all_snapshots() {
    for (const std::string& name : names_in(memory_, "snapshots/")) remove(name);
    prune_well();
  }
  void prune_well(std::chrono::hours later = std::chrono::hours(24)) {
    for (int i = 0; i < 2; ++i) {
      clock_.advance(later);
      const auto remote = open_by(memory_);
      ASSERT_EQ(problem(remote), "");
      Watch watch;
      Activity activity = watch.activity();
      PruneOptions options;
      options.unused_share_max = 0;
      ASSERT_EQ(problem(prune(**remote, options, activity)), "");
    }
  }

  backend::MemoryBackend staged_{clock_};
  backend::MemoryBackend known_{clock_};
  std::vector<SentSnapshot> sent_;
};

}  // namespace backstay::engine
