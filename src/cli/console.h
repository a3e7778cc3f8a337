// What the user sees: results on standard output, messages on standard error. Thread-safe.
#pragma once

#include <atomic>
#include <functional>
#include <optional>
#include <stop_token>
#include <string>
#include <string_view>

#include "base/bytes.h"
#include "base/clock.h"
#include "base/error.h"
#include "base/mutex.h"
#include "cli/global_options.h"
#include "json/json_fwd.h"

namespace backstay::cli {

class Console {
 public:
  // What is known of the two streams.
  struct Streams {
    int out = 1;
    int messages = 2;
    bool out_is_terminal = false;
    bool messages_are_terminal = false;
    std::size_t messages_width = 80;
    // Takes the lines of JSON instead of `out`, from any thread.
    std::function<void(const json::Json&)> on_json = {};
  };
  struct Style {
    bool json = false;
    bool quiet = false;
    std::uint64_t verbosity = 0;
    bool color_out = false;
    bool color_messages = false;
    bool progress = true;
    LogFormat log_format = LogFormat::kText;
  };

  // `stop` is requested when standard output is closed: nobody is left to work for.
  Console(const Streams& streams, const Clock& clock, std::stop_source stop)
      : streams_(streams), clock_(clock), stop_(std::move(stop)) {}

  // Before other threads start.
  void set_style(const Style& style) { style_ = style; }
  [[nodiscard]] const Style& style() const { return style_; }
  [[nodiscard]] const Streams& streams() const { return streams_; }
  [[nodiscard]] bool json() const { return style_.json; }

  // ---- results. Collected and written in larger pieces; flush() writes what is left.
  void print(std::string_view text) EXCLUDES(mutex_);
  // A file's bytes. JSON lines go to standard error from then on: they are no part of the file.
  void print_bytes(ByteView bytes) EXCLUDES(mutex_);
  void print_json(const json::Json& line) EXCLUDES(mutex_);
  // For lines that somebody waits for while the command goes on.
  void print_json_now(const json::Json& line) EXCLUDES(mutex_);
  // So many results were printed so far, lines about what goes on aside.
  [[nodiscard]] std::uint64_t printed() const { return printed_.load(); }
  // Fails when standard output could not take all of it: no_space, or cancelled when its reader
  // went away.
  Result<void> flush() EXCLUDES(mutex_);
  // Whether the reader of standard output went away.
  [[nodiscard]] bool is_closed() EXCLUDES(mutex_);

  // ---- messages
  // What ended the command: "backstay: doing: what", "hint: ...".
  void error(const Error& error);
  // Trouble with one file or object, while the command goes on.
  void warning(std::string_view message, std::string_view hint = "");
  // For people who watch: not with --quiet.
  void note(std::string_view message);
  // With -v.
  void detail(std::string_view message);
  // Text for people as it is, after an error; not where messages are JSON.
  void say_plainly(std::string_view text);
  // Draws the progress line over the one before; an empty one takes it away.
  void draw_progress(std::string_view line);

  // "\x1b[1m" and so on where results or messages are coloured, else the text itself.
  [[nodiscard]] std::string bold_out(std::string_view text) const;

 private:
  enum class Level : std::uint8_t { kError, kWarning, kInfo, kDetail };
  void add(std::string_view text) EXCLUDES(mutex_);
  void add_json(const json::Json& line) EXCLUDES(mutex_);
  void say(Level level, std::string_view message, std::string_view hint);
  [[nodiscard]] std::string json_message(Level level, std::string_view message,
                                         std::string_view hint) const;
  [[nodiscard]] std::string text_message(Level level, std::string_view message,
                                         std::string_view hint) const;
  void write_out(std::string_view text) REQUIRES(mutex_);
  void write_message(std::string_view text) const;

  const Streams streams_;
  const Clock& clock_;
  const std::stop_source stop_;
  Style style_;
  std::atomic<bool> progress_drawn_{false};
  std::atomic<bool> out_is_bytes_{false};
  std::atomic<std::uint64_t> printed_{0};
  // Held over the writing of a line: those of two threads must not mix.
  Mutex mutex_;
  std::string pending_ GUARDED_BY(mutex_);
  std::optional<Error> failure_ GUARDED_BY(mutex_);
  bool closed_ GUARDED_BY(mutex_) = false;
};

}  // namespace backstay::cli
