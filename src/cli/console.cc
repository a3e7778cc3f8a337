#include "cli/console.h"

#include <fmt/format.h>

#include "base/byte_size.h"
#include "cli/text_layout.h"
#include "io/stream.h"
#include "json/json.h"

namespace backstay::cli {
namespace {

constexpr std::size_t kPieceBytes = 64 * kKiB;
constexpr std::string_view kClearLine = "\r\x1b[K";
constexpr std::string_view kBold = "\x1b[1m";
constexpr std::string_view kRed = "\x1b[1;31m";
constexpr std::string_view kYellow = "\x1b[33m";
constexpr std::string_view kPlain = "\x1b[0m";

}  // namespace

void Console::print(std::string_view text) {
  ++printed_;
  add(text);
}

void Console::add(std::string_view text) {
  const MutexLock lock(mutex_);
  pending_ += text;
  if (pending_.size() >= kPieceBytes || streams_.out_is_terminal) {
    write_out(pending_);
    pending_.clear();
  }
}

void Console::print_bytes(ByteView bytes) {
  out_is_bytes_.store(true);
  print(as_text(bytes));
}

void Console::print_json(const json::Json& line) {
  ++printed_;
  add_json(line);
}

void Console::add_json(const json::Json& line) {
  if (streams_.on_json) {
    streams_.on_json(line);
    return;
  }
  const std::string text = json::to_line(line) + "\n";
  if (out_is_bytes_.load()) {
    write_message(text);
  } else {
    add(text);
  }
}

void Console::print_json_now(const json::Json& line) {
  add_json(line);
  // A failure is kept and comes back from the flush at the end.
  static_cast<void>(flush());
}

Result<void> Console::flush() {
  const MutexLock lock(mutex_);
  write_out(pending_);
  pending_.clear();
  if (failure_) return std::unexpected(failure_->clone());
  return {};
}

void Console::write_out(std::string_view text) {
  if (failure_ || text.empty()) return;
  const Result<void> written = io::write_stream(streams_.out, as_bytes(text), stop_.get_token());
  if (written) return;
  // Anything but a full disk and the user's own wish means that the reader of a pipe or the
  // terminal went away.
  const ErrorCode code = written.error().code();
  closed_ = code != ErrorCode::kNoSpace && code != ErrorCode::kCancelled;
  failure_ = Error(code == ErrorCode::kNoSpace ? code : ErrorCode::kCancelled,
                   "standard output: " + written.error().describe());
  std::stop_source(stop_).request_stop();
}

bool Console::is_closed() {
  const MutexLock lock(mutex_);
  return closed_;
}

void Console::error(const Error& error) {
  say(Level::kError, error.describe(), error.hint());
}
void Console::warning(std::string_view message, std::string_view hint) {
  say(Level::kWarning, message, hint);
}
void Console::note(std::string_view message) {
  if (!style_.quiet) say(Level::kInfo, message, "");
}
void Console::detail(std::string_view message) {
  if (style_.verbosity > 0) say(Level::kDetail, message, "");
}

void Console::say(Level level, std::string_view message, std::string_view hint) {
  std::string out;
  if (progress_drawn_.exchange(false)) out += kClearLine;
  out += style_.log_format == LogFormat::kJson ? json_message(level, message, hint)
                                               : text_message(level, message, hint);
  write_message(out);
}

void Console::write_message(std::string_view text) const {
  // One write a message keeps lines whole without a lock. Nobody can be told when it fails.
  static_cast<void>(io::write_stream(streams_.messages, as_bytes(text), stop_.get_token()));
}

std::string Console::text_message(Level level, std::string_view message,
                                  std::string_view hint) const {
  std::string out = "backstay:";
  if (style_.color_messages) {
    const std::string_view color = level == Level::kError     ? kRed
                                   : level == Level::kWarning ? kYellow
                                                              : kBold;
    out = fmt::format("{}{}{}", color, out, kPlain);
  }
  out += " " + printable_message(message) + "\n";
  if (!hint.empty()) {
    out += style_.color_messages ? fmt::format("{}hint:{} ", kBold, kPlain) : std::string("hint: ");
    out += printable_message(hint) + "\n";
  }
  return out;
}

std::string Console::json_message(Level level, std::string_view message,
                                  std::string_view hint) const {
  static constexpr std::string_view kNames[] = {"error", "warning", "info", "debug"};
  json::Json line;
  line["time"] = format_rfc3339(clock_.now());
  line["level"] = kNames[static_cast<std::size_t>(level)];
  line["message"] = message;
  if (!hint.empty()) line["hint"] = hint;
  return json::to_line(line) + "\n";
}

void Console::say_plainly(std::string_view text) {
  if (style_.log_format == LogFormat::kJson) return;
  write_message(text);
}

void Console::draw_progress(std::string_view line) {
  const bool drawn = progress_drawn_.exchange(!line.empty());
  if (line.empty() && !drawn) return;
  const std::string out = std::string(kClearLine).append(line);
  write_message(out);
}

std::string Console::bold_out(std::string_view text) const {
  if (!style_.color_out) return std::string(text);
  return fmt::format("{}{}{}", kBold, text, kPlain);
}

}  // namespace backstay::cli
