#include "cli/progress_line.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "base/byte_size.h"
#include "cli/text_layout.h"
#include "json/json.h"

namespace backstay::cli {
namespace {

constexpr std::chrono::milliseconds kRedraw{100};
constexpr std::chrono::milliseconds kStatusLine{1000};
// The rate shown is that of about the last so many seconds.
constexpr double kRateWindow = 4.0;

json::Json status_line(const ProgressState& state) {
  json::Json line = json::line_of("status");
  line["seconds"] = json::milliseconds_of(state.seconds);
  line["files_done"] = state.files_done;
  line["files_total"] = state.files_total;
  line["bytes_done"] = state.bytes_done;
  line["bytes_total"] = state.bytes_total;
  line["bytes_per_second"] = static_cast<std::uint64_t>(state.bytes_per_second);
  const double left = seconds_left(state);
  if (left >= 0)
    line["seconds_left"] = std::round(left);
  else
    line["seconds_left"] = nullptr;
  line["errors"] = state.errors;
  json::put_text(line, "current", state.current);
  return line;
}

double fraction_done(const ProgressState& state) {
  if (state.bytes_total == 0) return -1;
  return std::min(static_cast<double>(state.bytes_done) / static_cast<double>(state.bytes_total),
                  1.0);
}

std::string of_total(const std::string& done, const std::string& total) {
  return total.empty() ? done : fmt::format("{} of {}", done, total);
}

}  // namespace

ProgressState read_progress(const engine::Progress& progress) {
  ProgressState state;
  state.files_done = progress.files_done.load();
  state.files_total = progress.files_total.load();
  state.bytes_done = progress.bytes_done.load();
  state.bytes_total = progress.bytes_total.load();
  state.errors = progress.errors.load();
  state.current = progress.current();
  return state;
}

double seconds_left(const ProgressState& state) {
  constexpr double kTooSlow = 1.0;  // bytes a second
  if (state.bytes_total == 0 || state.bytes_per_second < kTooSlow) return -1;
  if (state.bytes_done >= state.bytes_total) return 0;
  return static_cast<double>(state.bytes_total - state.bytes_done) / state.bytes_per_second;
}

std::string progress_text(const ProgressState& state, std::size_t columns) {
  std::string line = fmt::format("[{}] ", format_duration(state.seconds));
  if (const double done = fraction_done(state); done >= 0)
    line += fmt::format("{:.1f}%  ", done * 100);
  line += of_total(format_byte_size(state.bytes_done),
                   state.bytes_total > 0 ? format_byte_size(state.bytes_total) : "");
  if (state.files_done > 0 || state.files_total > 0) {
    line += ", " +
            of_total(grouped(state.files_done),
                     state.files_total > 0 ? grouped(state.files_total) : "") +
            " files";
  }
  line +=
      fmt::format(", {}/s", format_byte_size(static_cast<std::uint64_t>(state.bytes_per_second)));
  if (const double left = seconds_left(state); left >= 0)
    line += fmt::format(", {} left", format_duration(left));
  if (state.errors > 0) line += fmt::format(", {} errors", grouped(state.errors));
  const std::size_t used = display_width(line) + 2;
  constexpr std::size_t kNameMin = 10;
  if (!state.current.empty() && used + kNameMin <= columns) {
    line += "  " + shorten(printable(state.current), columns - used);
  }
  return shorten(line, columns);
}

ProgressLine::ProgressLine(Console& console, const engine::Progress& progress, const Clock& clock)
    : console_(console), progress_(progress), clock_(clock), started_(clock.monotonic()) {
  const bool wanted =
      console.style().progress && (console.json() || console.streams().messages_are_terminal);
  if (wanted) thread_ = std::jthread([this](const std::stop_token& stop) { run(stop); });
}

ProgressLine::~ProgressLine() {
  if (!thread_.joinable()) return;
  thread_.request_stop();
  thread_.join();
  console_.draw_progress("");
}

void ProgressLine::run(const std::stop_token& stop) {
  const auto interval = console_.json() ? kStatusLine : kRedraw;
  std::unique_lock lock(mutex_);
  while (!stop.stop_requested()) {
    wake_.wait_for(lock, stop, interval, [] { return false; });
    if (stop.stop_requested()) return;
    show(std::chrono::duration<double>(clock_.monotonic() - started_).count());
  }
}

void ProgressLine::show(double seconds) {
  ProgressState state = read_progress(progress_);
  state.seconds = seconds;
  const double passed = std::max(seconds - last_seconds_, 1e-3);
  const std::uint64_t moved = state.bytes_done - std::min(last_bytes_, state.bytes_done);
  const double rate = static_cast<double>(moved) / passed;
  // An average over the window, or over all the time there was until now.
  const double weight = std::min(passed / std::min(kRateWindow, std::max(seconds, passed)), 1.0);
  bytes_per_second_ += weight * (rate - bytes_per_second_);
  last_seconds_ = seconds;
  last_bytes_ = state.bytes_done;
  state.bytes_per_second = bytes_per_second_;
  if (console_.json()) {
    console_.print_json_now(status_line(state));
  } else {
    console_.draw_progress(progress_text(state, console_.streams().messages_width - 1));
  }
}

}  // namespace backstay::cli
