// Two repositories in memory, and copies from the first to the second. For tests only.
#pragma once

#include <gtest/gtest.h>

#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "backend/forwarding_backend.h"
#include "engine/check.h"
#include "engine/copy.h"
#include "engine/testing/backup_fixture.h"

namespace backstay::engine {

// The second repository has other keys, and so other ids and other places where chunks end.
class CopyFixture : public BackupFixture {
 protected:
  void SetUp() override {
    BackupFixture::SetUp();
    make_second();
    plant_tree();
  }

  std::unique_ptr<repo::Repository> open_second() {
    backend::Backend& store = through_ != nullptr ? *through_ : second_memory_;
    auto opened = repo::Repository::open(std::make_unique<backend::FaultBackend>(store),
                                         repo::test_credential(), {},
                                         {.clock = clock_, .rng = rng_, .threads = threads_});
    EXPECT_EQ(problem(opened), "");
    return opened ? *std::move(opened) : nullptr;
  }

  Result<std::unique_ptr<repo::Repository>> open_first() {
    if (first_through_ == nullptr) return try_open();
    return repo::Repository::open(std::make_unique<backend::ForwardingBackend>(*first_through_),
                                  repo::test_credential(), {},
                                  {.clock = clock_, .rng = rng_, .threads = threads_});
  }

  Result<CopyReport> try_copy(const CopyOptions& options = {}) {
    copied_.clear();
    clock_.advance(std::chrono::seconds(60));
    const auto from = TRY(open_first());
    const auto to = open_second();
    const auto snapshots = TRY(from->snapshots([](const auto&, const Error&) {}));
    from->recover_when_needed([](const repo::RecoveredPacks&) {});
    TRY(from->load_index([](const auto&, const Error&) {}));
    watch_ = std::make_unique<Watch>();
    Activity activity = watch_->activity();
    return copy(*from, *to, snapshots, options, activity, [&](const CopiedSnapshot& one) {
      copied_.push_back(one);
      if (on_copied_) on_copied_(one);
    });
  }
  CopyReport copy_well() {
    auto report = try_copy();
    EXPECT_EQ(problem(report), "");
    return report.value_or(CopyReport{});
  }

  std::vector<repo::StoredSnapshot> second_snapshots() {
    const auto second = open_second();
    auto found = second->snapshots([](const auto& id, const Error& error) {
      ADD_FAILURE() << id.short_hex() << ": " << error.describe();
    });
    EXPECT_EQ(problem(found), "");
    return found ? *std::move(found) : std::vector<repo::StoredSnapshot>{};
  }
  std::map<std::string, Bytes> contents_of_copy(const snapshot::Snapshot& snapshot) {
    const auto second = open_second();
    EXPECT_EQ(problem(second->load_index(
                  [](const auto&, const Error& error) { ADD_FAILURE() << error.describe(); })),
              "");
    auto contents = contents_of(*second, snapshot);
    EXPECT_EQ(problem(contents), "");
    return contents ? *std::move(contents) : std::map<std::string, Bytes>{};
  }
  // "" or the first damage.
  std::string problems_of_second() {
    const auto second = open_second();
    Watch watch;
    Activity activity = watch.activity();
    CheckOptions options;
    options.read_data.mode = ReadData::Mode::kAll;
    const auto report = check(*second, options, activity);
    if (!report) return report.error().describe();
    return report->damages.empty()
               ? ""
               : report->damages.front().object + ": " + report->damages.front().what;
  }
  // Another second repository.
  void make_second() { make_second(repo::small_config(rng_)); }
  void make_second(const repo::Config& config) {
    second_memory_.set_objects({});
    const auto made = repo::make_repository(second_memory_, config, repo::test_credential(), rng_);
    ASSERT_EQ(problem(made), "");
  }

  backend::MemoryBackend second_memory_{clock_};
  backend::Backend* through_ = nullptr;        // in place of second_memory_
  backend::Backend* first_through_ = nullptr;  // in place of the way to the first
  std::function<void(const CopiedSnapshot&)> on_copied_;
  std::vector<CopiedSnapshot> copied_;
};

}  // namespace backstay::engine
