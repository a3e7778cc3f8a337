// The program: signals, the command line, one command, its exit code.
#include <fcntl.h>
#include <fmt/format.h>
#include <malloc.h>

#include <algorithm>
#include <clocale>
#include <cstdlib>
#include <memory>

#include "cli/commands.h"
#include "cli/console.h"
#include "cli/help_text.h"
#include "cli/output_json.h"
#include "cli/parser.h"
#include "cli/place_set.h"
#include "cli/profile_settings.h"
#include "crypto/random.h"
#include "io/machine.h"
#include "io/memory_dumps.h"
#include "io/priority.h"
#include "io/signals.h"
#include "io/terminal.h"
#include "json/json.h"

namespace backstay::cli {
namespace {

// A standard stream that was closed would be taken by the next file that is opened, and results
// would be written into that file. Reading from a closed input fails as before: it is not empty.
void fill_standard_streams() {
  for (int fd = 0; fd <= 2; ++fd) {
    const int mode = fd == 0 ? O_WRONLY : O_RDWR;
    if (::fcntl(fd, F_GETFD) < 0 && ::open("/dev/null", mode) != fd) std::abort();
  }
}

// Buffers of up to some MiB come and go on every thread: memory that is kept costs nothing, memory
// that goes back to the kernel at each free comes again as page faults.
void keep_freed_memory() {
#ifdef __GLIBC__
  ::mallopt(M_ARENA_MAX, 2);
  ::mallopt(M_MMAP_THRESHOLD, 32 * 1024 * 1024);
  ::mallopt(M_TRIM_THRESHOLD, 256 * 1024 * 1024);
#endif
}

Console::Streams look_at_streams() {
  Console::Streams streams;
  streams.out_is_terminal = io::is_terminal(streams.out);
  streams.messages_are_terminal = io::is_terminal(streams.messages);
  streams.messages_width = io::terminal_width(streams.messages);
  return streams;
}

bool colored(When when, bool terminal, const Environment& environment) {
  if (when != When::kAuto) return when == When::kAlways;
  return terminal && !environment.get("NO_COLOR") &&
         environment.get("TERM").value_or("dumb") != "dumb";
}

Console::Style style_of(const GlobalOptions& options, const Console::Streams& streams,
                        const Environment& environment) {
  return {.json = options.json,
          .quiet = options.quiet,
          .verbosity = options.verbosity,
          .color_out = colored(options.color, streams.out_is_terminal, environment),
          .color_messages = colored(options.color, streams.messages_are_terminal, environment),
          .progress = !options.quiet && !options.no_progress,
          .log_format = options.log_format};
}

// Says what went wrong, and as the last line of JSON output too.
ExitCode report(Console& console, const Error& error) {
  // Whoever closed standard output has seen enough: stopping for that is nothing to complain about.
  if (error.code() == ErrorCode::kCancelled && console.is_closed()) return ExitCode::kInterrupted;
  console.error(error);
  if (console.json()) console.print_json(error_line(error));
  return exit_code_of(error.code());
}

ExitCode report_wrong_usage(Console& console, const Parsed& parsed, const Error& error) {
  const ExitCode code = report(console, error);
  console.say_plainly(fmt::format("usage: {}\n'{} --help' tells more.\n",
                                  usage_line(parsed.commands), typed_name(parsed.commands)));
  return code;
}

// What could never succeed as it was given is wrong usage, also when only the command noticed; a
// file of patterns that cannot be read is not, although it is met while options are read.
ExitCode report_ended(Console& console, const Parsed& parsed, const Error& error) {
  const bool wrong_usage = error.code() == ErrorCode::kInvalidArgument;
  return wrong_usage ? report_wrong_usage(console, parsed, error) : report(console, error);
}

ExitCode run(Context& context, const Parsed& parsed) {
  Console& console = context.console;
  if (parsed.wish == Wish::kHelp) {
    console.print(
        help_text(context.program, parsed.commands, io::terminal_width(console.streams().out)));
    return ExitCode::kDone;
  }
  if (parsed.error) return report_ended(console, parsed, *parsed.error);
  const Command version = version_command();
  const Command& command = parsed.wish == Wish::kVersion ? version : *parsed.command();
  const Result<ExitCode> ended =
      means_set(context.options) ? run_in_set(context, command.run) : command.run(context);
  if (ended) return *ended;
  return report_ended(console, parsed, ended.error());
}

// A result that did not reach its reader is no success.
ExitCode finish(Console& console, ExitCode code) {
  const Result<void> flushed = console.flush();
  if (flushed) return code;
  // Whoever closed standard output knows; a full disk should be said.
  if (flushed.error().code() == ErrorCode::kNoSpace) console.error(flushed.error());
  return code == ExitCode::kDone ? exit_code_of(flushed.error().code()) : code;
}

ExitCode main_of(const std::vector<std::string>& words) {
  fill_standard_streams();
  keep_freed_memory();
  const SystemClock clock;
  crypto::SystemRng rng;
  const ProcessEnvironment process_environment;
  ProfileEnvironment environment(process_environment);
  // Who develops may want to look.
  if (environment.get("BACKSTAY_CORE") != "1") io::forbid_memory_dumps();
  const std::stop_source stop;
  const Console::Streams streams = look_at_streams();
  Console console(streams, clock, stop);

  // Signals first: the threads to come inherit what is blocked.
  const auto watch = io::InterruptWatch::start(stop);
  if (!watch) return report(console, watch.error());
  io::raise_open_file_limit();

  GlobalOptions options;
  const Program program = make_program(options);
  ProgramSettings settings(program, options, environment);
  const Parsed parsed = parse(program, words, process_environment, std::ref(settings));
  options.given = parsed.program_words;
  // A script that asked for JSON gets its error line even when the rest of its words make no sense.
  if (parsed.error)
    options.json = options.json || std::ranges::find(words, "--json") != words.end();
  console.set_style(style_of(options, streams, environment));
  environment.tell_to([&console](const std::string& message) { console.warning(message); });
  if (!settings.shown_file().empty()) {
    console.warning(settings.shown_file() +
                        ": others than its owner may read the file, and there are secrets in it",
                    "chmod 600 keeps them out.");
  }
  // Before any worker starts, because threads inherit it.
  if (options.nice) {
    if (const auto lowered = io::lower_priority(); !lowered) {
      console.warning(lowered.error().describe());
    }
  }
  Context context{program, options, environment, console, clock, rng, stop};
  context.stop_signal = [&watch] { return (*watch)->first_signal(); };
  return finish(console, run(context, parsed));
}

}  // namespace
}  // namespace backstay::cli

int main(int count, char** values) {
  std::setlocale(LC_TIME, "");
  return static_cast<int>(backstay::cli::main_of({values + 1, values + count}));
}
