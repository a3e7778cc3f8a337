// What the threads of one restore have done so far, and whether they are to go on.
#pragma once

#include <atomic>
#include <optional>
#include <set>
#include <string>
#include <unordered_set>
#include <utility>

#include "base/error.h"
#include "base/mutex.h"
#include "engine/activity.h"
#include "engine/restore.h"
#include "source/target_tree.h"

namespace backstay::engine::restoring {

// Thread-safe.
class Outcome {
 public:
  Outcome(Activity& activity, std::string target)
      : activity_(activity), target_(std::move(target)) {}

  std::atomic<std::uint64_t> files_restored{0};
  std::atomic<std::uint64_t> files_unchanged{0};
  std::atomic<std::uint64_t> files_deleted{0};
  std::atomic<std::uint64_t> dirs_deleted{0};
  std::atomic<std::uint64_t> files_failed{0};
  std::atomic<std::uint64_t> dirs_restored{0};
  std::atomic<std::uint64_t> bytes_written{0};
  std::atomic<std::uint64_t> bytes_verified{0};
  std::atomic<std::uint64_t> differences{0};
  std::atomic<std::uint64_t> stretches_lost{0};

  // Trouble with one path; the run goes on, unless the target is full. (A single file that is too
  // large for the file system, or a quota, is no_space too; then there is room for others.)
  void trouble(const std::string& path, const Error& error);
  void note(const std::string& message) {
    if (activity_.note) activity_.note(message);
  }
  // Counts what --delete deleted, or would delete, and tells the caller.
  void deleted(const std::string& path, snapshot::EntryType type, const RestoreOptions& options);
  // Counts what could not be set, and says so once for each kind of attribute.
  void attributes(const std::string& path, const source::AttributeReport& report);

  // Ends the run: the first such error is its result.
  void end(const Error& error);
  [[nodiscard]] bool ending() const {
    return ended_.load(std::memory_order_relaxed) || activity_.stop.stop_requested();
  }
  // The reason for the end, cancelled when the caller asked for it, or success.
  [[nodiscard]] Result<void> status() const;

  // Paths that verify() leaves out: they failed, or the overwrite rule left alone what was there.
  void leave_out_of_verify(const std::string& path);
  [[nodiscard]] bool is_left_out(const std::string& path) const;

  [[nodiscard]] RestoreReport report() const;
  [[nodiscard]] Progress& progress() { return activity_.progress; }

 private:
  Activity& activity_;
  const std::string target_;
  std::atomic<bool> ended_{false};
  std::atomic<std::uint64_t> errors_{0};
  std::atomic<std::uint64_t> attributes_not_set_{0};
  mutable Mutex mutex_;
  std::optional<Error> reason_ GUARDED_BY(mutex_);
  std::set<std::string> attributes_noted_ GUARDED_BY(mutex_);
  std::unordered_set<std::uint64_t> left_out_ GUARDED_BY(mutex_);  // of the paths' digests
};

}  // namespace backstay::engine::restoring
