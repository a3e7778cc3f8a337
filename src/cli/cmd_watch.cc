#include <csignal>
#include <memory>
#include <utility>

#include "base/try.h"
#include "cli/commands.h"
#include "cli/compression_option.h"
#include "cli/duration.h"
#include "cli/exclusion_options.h"
#include "cli/keep_options.h"
#include "cli/place_set.h"
#include "cli/session.h"
#include "cli/snapshot_choice.h"
#include "cli/watching.h"
#include "cli/watching_output.h"
#include "io/machine.h"
#include "snapshot/clean_paths.h"

namespace backstay::cli {
namespace {

Result<void> refuse_contradictions(const WatchArguments& arguments) {
  if (arguments.rest.settle > arguments.rest.interval_max) {
    return std::unexpected(
        Error(ErrorCode::kInvalidArgument, "--settle is longer than --interval-max")
            .with_hint("Give --interval-max a longer span, too."));
  }
  if (arguments.no_thinning && !arguments.keep.empty())
    return fail(ErrorCode::kInvalidArgument,
                "--no-thinning and --keep-within contradict each other");
  return {};
}

// Copies are not made here: they would make every small snapshot wait for the slowest place.
Result<void> refuse_set(const Context& context) {
  if (whole_set(context) == nullptr) return {};
  return std::unexpected(
      Error(ErrorCode::kInvalidArgument, "watch stores in one repository, and not in a set")
          .with_hint(
              "Give the primary alone, as set:FILE#NAME; 'backstay copy' with the set brings "
              "the copies what is new."));
}

Result<void> refuse_write_only(const repo::Repository& repository) {
  if (!repository.keyring().is_write_only()) return {};
  return std::unexpected(
      Error(ErrorCode::kWrongKey,
            "the key is write-only: it cannot compare, and every change would read everything anew")
          .with_hint("Use a full key, or 'backstay backup' at longer intervals."));
}

Result<void> make_paths_clean(WatchArguments& arguments) {
  arguments.paths = snapshot::clean_paths(std::move(arguments.paths), TRY(io::current_directory()));
  arguments.tags = split_tags(arguments.tags);
  return {};
}

// Ending is what a service manager asks for with SIGTERM; a person who interrupts hears that.
ExitCode exit_code_after(const Context& context) {
  const int signal = context.stop_signal ? context.stop_signal() : 0;
  return signal == SIGTERM ? ExitCode::kDone : ExitCode::kInterrupted;
}

Result<ExitCode> run_watch(Context& context, WatchArguments& arguments) {
  TRY(refuse_contradictions(arguments));
  TRY(refuse_set(context));
  TRY(make_paths_clean(arguments));
  Watching::Opened opened = TRY(Watching::open(context));
  TRY(refuse_write_only(*opened.repository));
  const auto started = context.clock.monotonic();
  Watching watching(context, arguments, std::move(opened));
  const Result<void> ran = watching.run();
  const std::chrono::duration<double> took = context.clock.monotonic() - started;
  if (!ran) return std::unexpected(ran.error().clone());
  tell_watched(context, watching.totals(), took.count());
  return exit_code_after(context);
}

Option span_option(std::string names, std::chrono::seconds& target, std::string help) {
  return {.names = std::move(names),
          .value = "SPAN",
          .help = std::move(help),
          .set = [&target](std::string_view given) -> Result<void> {
            target = TRY(parse_duration(given));
            return {};
          }};
}

Option rest_option(std::string names, std::chrono::milliseconds& target, std::string help) {
  return {.names = std::move(names),
          .value = "SPAN",
          .help = std::move(help),
          .set = [&target](std::string_view given) -> Result<void> {
            target = TRY(parse_short_duration(given));
            return {};
          }};
}

std::vector<Option> watch_options(WatchArguments& to) {
  using watch::Method;
  std::vector<Option> options{
      rest_option("--settle", to.rest.settle,
                  "make a snapshot when nothing changed for so long (1s by default; 500ms, 10s)"),
      rest_option("--interval-max", to.rest.interval_max,
                  "and so long after the first change even if files still change (5s)"),
      span_option("--compare-every", to.compare_every,
                  "compare everything so often, for what the system does not tell (1h)"),
      choice<Method>("--method", "HOW", to.method,
                     {{"auto", Method::kAuto},
                      {"fanotify", Method::kFileSystems},
                      {"inotify", Method::kFolders}},
                     "how changes are noticed: fanotify (whole file systems, for root), inotify "
                     "(folder by folder), or auto: the first of them that works"),
      texts("--tag", "TAG", to.tags, "mark the snapshots, besides 'continuous' (a,b or repeated)"),
      text("-H,--host", "HOST", to.engine.host, "record this host name instead of the machine's"),
  };
  append_exclusion_options(options, to.excludes, to.source);
  options.push_back(compression_option([&to](repo::Compression c) { to.engine.compression = c; }));
  append_span_options(options, to.keep);
  options.push_back(
      span_option("--thin-every", to.thin_every, "thin out older snapshots so often (10m)"));
  options.push_back(flag("--no-thinning", to.no_thinning, "keep all snapshots"));
  return options;
}

}  // namespace

Command watch_command() {
  const auto arguments = std::make_shared<WatchArguments>();
  SetValue add_path = [arguments](std::string_view path) -> Result<void> {
    arguments->paths.emplace_back(path);
    return {};
  };
  return {
      .name = "watch",
      .summary = "Back up what changes, a second after it changes",
      .description =
          "Begins with an ordinary incremental backup and then runs until it is stopped: whenever "
          "files have changed and then rested, a snapshot is made, and one more at the end. Every "
          "one of them restores alone; 'backstay restore --at TIME' takes the one of a moment. "
          "Where the system cannot tell what changed (too much at once, folders that cannot be "
          "watched), everything is compared. While the repository is away, what changes is "
          "remembered.\n\n"
          "The snapshots have the tag continuous, and those are thinned out: all of the last hour "
          "stay, then one an hour for a day and one a day for a month, or what --keep-within and "
          "its relatives say instead. Others are never touched, and space is given back by "
          "'backstay prune'.\n\n"
          "SIGTERM ends it with exit code 0, Ctrl-C with 130, both after the last changes are "
          "stored; a second one ends it at once.",
      .examples = {{"backstay watch /home/ann", "Protect a folder continuously"},
                   {"backstay watch /srv --settle 10s --interval-max 1m --exclude '*.log'",
                    "Less often, and without logs"},
                   {"backstay watch /home --keep-within 6h --keep-within-daily 1y",
                    "Keep more of what it makes"}},
      .arguments = {{.name = "PATH",
                     .help = "file or folder to protect",
                     .arity = Arity::kAtLeastOne,
                     .set = add_path,
                     .setting = "paths"}},
      .options = watch_options(*arguments),
      .run = [arguments](Context& context) { return run_watch(context, *arguments); }};
}

}  // namespace backstay::cli
