// The one line that shows how far a command is: drawn over itself on a terminal, or as status lines
// with --json.
#pragma once

#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <mutex>
#include <string>
#include <thread>

#include "base/clock.h"
#include "cli/console.h"
#include "engine/activity.h"

namespace backstay::cli {

// What a line is made of.
struct ProgressState {
  double seconds = 0;
  std::uint64_t files_done = 0;
  std::uint64_t files_total = 0;  // 0: not known
  std::uint64_t bytes_done = 0;
  std::uint64_t bytes_total = 0;  // 0: not known
  std::uint64_t errors = 0;
  double bytes_per_second = 0;
  std::string current;
};
[[nodiscard]] ProgressState read_progress(const engine::Progress& progress);

// "[0:12] 34.2%  1.200 GiB of 3.600 GiB, 12,345 files, 230.0 MiB/s, 0:10 left  /usr/share/…/x", at
// most `columns` wide.
[[nodiscard]] std::string progress_text(const ProgressState& state, std::size_t columns);
// How long it will take from here; negative while that is not known.
[[nodiscard]] double seconds_left(const ProgressState& state);

// Shows the progress from a thread of its own while it lives; on destruction the line is gone.
class ProgressLine {
 public:
  ProgressLine(Console& console, const engine::Progress& progress, const Clock& clock);
  ~ProgressLine();
  ProgressLine(const ProgressLine&) = delete;
  ProgressLine& operator=(const ProgressLine&) = delete;

 private:
  void run(const std::stop_token& stop);
  void show(double seconds);

  Console& console_;
  const engine::Progress& progress_;
  const Clock& clock_;
  const std::chrono::steady_clock::time_point started_;
  double last_seconds_ = 0;
  std::uint64_t last_bytes_ = 0;
  double bytes_per_second_ = 0;
  std::mutex mutex_;  // of the wait only; guards nothing
  std::condition_variable_any wake_;
  std::jthread thread_;  // last: it uses all of the above
};

}  // namespace backstay::cli
