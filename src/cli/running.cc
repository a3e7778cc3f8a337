#include "cli/running.h"

#include <fmt/format.h>

#include "cli/console.h"
#include "cli/text_layout.h"
#include "json/json.h"

namespace backstay::cli {

namespace {

constexpr std::size_t kHintsMax = 8;

}  // namespace

Running::Running(Context& context)
    : context_(context),
      activity_{
          .progress = progress_,
          .stop = context.stop.get_token(),
          .report = [this](const std::string& path, const Error& error) { report(path, error); },
          .note = [this](const std::string& message) { context_.console.note(message); }},
      started_(context.clock.monotonic()),
      line_(std::make_unique<ProgressLine>(context.console, progress_, context.clock)) {}

double Running::seconds() const {
  if (seconds_ >= 0) return seconds_;
  return std::chrono::duration<double>(context_.clock.monotonic() - started_).count();
}

void Running::finish() {
  line_.reset();
  seconds_ = seconds();
}

// A thousand files may fail for the same reason.
bool Running::is_new_hint(std::string_view hint) {
  if (hint.empty()) return false;
  const MutexLock lock(mutex_);
  return hints_.size() < kHintsMax && hints_.emplace(hint).second;
}

void Running::report(const std::string& path, const Error& error) {
  ++reported_;
  const std::string what = error.describe();
  const bool named = what.find(path) != std::string::npos;
  context_.console.warning(named ? what : fmt::format("{}: {}", path, what),
                           is_new_hint(error.hint()) ? error.hint() : std::string_view());
  if (!context_.console.json()) return;
  json::Json line = json::line_of("file_error");
  json::put_text(line, "path", path);
  line["message"] = what;
  if (!error.hint().empty()) line["hint"] = error.hint();
  context_.console.print_json_now(line);
}

}  // namespace backstay::cli
