// What a running verb shows to the outside, and how it is stopped.
#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <stop_token>
#include <string>

#include "base/error.h"
#include "base/mutex.h"

namespace backstay::engine {

// Counters that a progress line reads at its own pace. Totals are 0 while they are not known.
struct Progress {
  std::atomic<std::uint64_t> files_done{0};
  std::atomic<std::uint64_t> files_total{0};
  std::atomic<std::uint64_t> bytes_done{0};
  std::atomic<std::uint64_t> bytes_total{0};
  std::atomic<std::uint64_t> bytes_stored{0};
  std::atomic<std::uint64_t> errors{0};

  void set_current(std::string path) EXCLUDES(mutex_) {
    const MutexLock lock(mutex_);
    current_ = std::move(path);
  }
  [[nodiscard]] std::string current() const EXCLUDES(mutex_) {
    const MutexLock lock(mutex_);
    return current_;
  }

 private:
  mutable Mutex mutex_;
  std::string current_ GUARDED_BY(mutex_);
};

struct Activity {
  Progress& progress;
  std::stop_token stop;
  // Trouble with one file or object; the run goes on. Thread-safe. `path` may be an object's name.
  std::function<void(const std::string& path, const Error& error)> report;
  // Something worth saying that is no trouble. Thread-safe.
  std::function<void(const std::string& message)> note;
};

}  // namespace backstay::engine
