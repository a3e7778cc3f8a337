#include "cli/running.h"

#include <fmt/format.h>

#include "cli/console.h"
#include "cli/text_layout.h"
#include "json/json.h"

namespace backstay::cli {

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

void Running::report(const std::string& path, const Error& error) {
  ++reported_;
  const std::string what = error.describe();
  const bool named = what.find(path) != std::string::npos;
  context_.console.warning(named ? what : fmt::format("{}: {}", path, what));
  if (!context_.console.json()) return;
  json::Json line;
  line["type"] = "file_error";
  json::put_text(line, "path", path);
  line["message"] = what;
  context_.console.print_json_now(line);
}

}  // namespace backstay::cli
