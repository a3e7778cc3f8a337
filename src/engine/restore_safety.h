// A restore that keeps first what it will change: as a safety snapshot in the repository, and as a
// journal on this machine that says what else it takes to bring the target back.
#pragma once

#include <chrono>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "engine/activity.h"
#include "engine/forget_fence.h"
#include "engine/restore.h"
#include "engine/restore/change_keeper.h"
#include "engine/restore_journal.h"
#include "repo/repository.h"

namespace backstay::engine {

struct SafetyOptions {
  // Without anything to be replaced or deleted, kWhenNeeded keeps nothing.
  enum class When : std::uint8_t { kWhenNeeded, kAlways };
  When when = When::kWhenNeeded;
  std::string journals;            // the folder of all journals
  std::string snapshot;            // hexadecimal: what is restored
  std::string rollback_of;         // the restore that is taken back; empty: none
  std::vector<std::string> never;  // as FileSourceOptions has it
  std::string host;
  std::string user;
  std::chrono::hours held_for{30 * 24};  // forget leaves the safety snapshot alone for so long
  ForgetWait wait;
  // Whether this repository may be given anything; empty: it may.
  std::function<Result<void>()> before_saving;
  std::size_t threads = 0;
  std::uint64_t memory_limit = 0;
  bool validates = false;  // the restore reads back what it restored
};

class RestoreSafety final : public restoring::ChangeKeeper {
 public:
  // All outlive it. `target` need not exist yet.
  RestoreSafety(repo::Repository& repository, std::string target, const SafetyOptions& options,
                Activity& activity)
      : repository_(repository),
        target_(std::move(target)),
        options_(options),
        activity_(activity) {}

  Result<void> keep(const restoring::TargetChanges& changes) override;
  [[nodiscard]] const restoring::SavedStates* saved() const override {
    return saved_ ? &*saved_ : nullptr;
  }

  // Null where nothing had to be kept.
  [[nodiscard]] RestoreJournal* journal() const { return journal_.get(); }
  // Writes down how the restore ended, and what a command that looked at it ended with; nothing to
  // do without a journal.
  Result<void> finish(const RestoreReport& report, std::optional<std::int64_t> check_exit = {});

 private:
  Result<void> save(const restoring::TargetChanges& changes);
  Result<snapshot::SnapshotId> back_up(const restoring::TargetChanges& changes,
                                       snapshot::Snapshot& made);
  Result<void> hold(const snapshot::SnapshotId& id);

  repo::Repository& repository_;
  std::string target_;  // absolute, without links, from keep() on
  const SafetyOptions& options_;
  Activity& activity_;
  std::unique_ptr<RestoreJournal> journal_;
  std::optional<restoring::SavedStates> saved_;
};

// Brings the target back to what it was before: removes what the restore made, and restores the
// safety snapshot. Whatever stands there now is kept in the same way, where `options.keeper` is
// given; `options.keep`, threads and memory count, all else is set here.
Result<RestoreReport> roll_back(repo::Repository& repository, const repo::StoredSnapshot& safety,
                                const RestorePaths& paths, RestoreOptions options,
                                Activity& activity);

}  // namespace backstay::engine
