// A verb of the engine while it runs: its progress is shown, its trouble told, its stop is the
// user's.
#pragma once

#include <atomic>
#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <set>
#include <string>
#include <string_view>

#include "base/mutex.h"
#include "cli/command.h"
#include "cli/progress_line.h"
#include "engine/activity.h"

namespace backstay::cli {

class Running {
 public:
  explicit Running(Context& context);

  [[nodiscard]] engine::Activity& activity() { return activity_; }
  // Trouble with single files and objects so far.
  [[nodiscard]] std::uint64_t reported() const { return reported_.load(); }
  [[nodiscard]] double seconds() const;
  // Takes the progress line away; seconds() stands still from here on.
  void finish();

 private:
  void report(const std::string& path, const Error& error);
  // Each is told once.
  bool is_new_hint(std::string_view hint) EXCLUDES(mutex_);

  Context& context_;
  engine::Progress progress_;
  engine::Activity activity_;
  const std::chrono::steady_clock::time_point started_;
  double seconds_ = -1;
  std::atomic<std::uint64_t> reported_{0};
  Mutex mutex_;
  std::set<std::string, std::less<>> hints_ GUARDED_BY(mutex_);
  std::unique_ptr<ProgressLine> line_;
};

}  // namespace backstay::cli
