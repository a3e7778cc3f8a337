#include <fmt/format.h>

#include <functional>
#include <memory>
#include <utility>

#include "base/try.h"
#include "cli/commands.h"
#include "cli/console.h"
#include "cli/find_output.h"
#include "cli/place_set.h"
#include "cli/running.h"
#include "cli/session.h"
#include "cli/snapshot_choice.h"
#include "engine/diff.h"
#include "engine/diff_live.h"
#include "engine/select.h"
#include "io/machine.h"
#include "json/json.h"
#include "snapshot/tree.h"
#include "snapshot/tree_key.h"

namespace backstay::cli {
namespace {

struct DiffArguments {
  std::string before;
  std::string after;
  std::string path = "/";
  bool metadata = false;
  bool live = false;
  SnapshotChoice choice;
};

Result<void> require_path(repo::Repository& repository, const FoundSnapshot& before,
                          const FoundSnapshot& after, const std::string& path) {
  const std::string key = snapshot::key_from_path(path);
  for (const FoundSnapshot* one : {&before, &after}) {
    if (key.empty() || TRY(snapshot::find_entry(repository, one->stored.snapshot.tree, key)))
      return {};
  }
  return std::unexpected(
      Error(ErrorCode::kNotFound, "neither snapshot has " + path)
          .with_hint("'backstay find' looks for names, 'backstay history' for all versions."));
}

// Snapshots of other machines have the same names for other files.
void warn_of_other_host(Console& console, const snapshot::Snapshot& snapshot) {
  if (snapshot.host == io::hostname()) return;
  console.warning(
      fmt::format("the snapshot is of the host {}, and is compared with the files of {}",
                  snapshot.host, io::hostname()));
}

struct Compared {
  engine::DiffReport report;
  double seconds = 0;
  ExitCode code = ExitCode::kDone;
};
using Print = std::function<Result<void>(const engine::Change&)>;

Result<Compared> compare_with_files(Context& context, const DiffArguments& arguments,
                                    repo::Repository& repository, const Print& print) {
  const FoundSnapshot found =
      TRY(find_snapshot(context, repository, arguments.choice, arguments.before));
  warn_of_other_host(context.console, found.stored.snapshot);
  TRY(load_index(context, repository));
  const std::string path = snapshot::clean_path(arguments.path, TRY(io::current_directory()));
  Running running(context);
  const engine::DiffReport report = TRY(
      engine::diff_with_files(repository, found.stored.snapshot, path, print, running.activity()));
  running.finish();
  return Compared{.report = report,
                  .seconds = running.seconds(),
                  .code = running.reported() > 0 ? ExitCode::kPartial : found.done()};
}

Result<Compared> compare_snapshots(Context& context, const DiffArguments& arguments,
                                   repo::Repository& repository, const Print& print) {
  const FoundSnapshot before =
      TRY(find_snapshot(context, repository, arguments.choice, arguments.before));
  const FoundSnapshot after =
      TRY(find_snapshot(context, repository, arguments.choice, arguments.after));
  TRY(load_index(context, repository));
  const std::string path = snapshot::clean_path(arguments.path, "/");
  TRY(require_path(repository, before, after, path));
  Running running(context);
  const engine::DiffReport report =
      TRY(engine::diff_snapshots(repository, before.stored.snapshot.tree,
                                 after.stored.snapshot.tree, path, print, running.activity()));
  running.finish();
  return Compared{.report = report,
                  .seconds = running.seconds(),
                  .code = before.certain ? after.done() : before.done()};
}

Result<ExitCode> diff_in_place(Context& context, const DiffArguments& arguments) {
  const auto repository = TRY(open_repository(context));
  Console& console = context.console;
  const auto print = [&](const engine::Change& change) -> Result<void> {
    if (change.kind == engine::ChangeKind::kAttributes && !arguments.metadata) return {};
    if (console.json())
      console.print_json(change_line(change));
    else
      console.print(change_text(change, console.streams().out_is_terminal));
    return {};
  };
  const Compared compared =
      TRY(arguments.live ? compare_with_files(context, arguments, *repository, print)
                         : compare_snapshots(context, arguments, *repository, print));
  if (console.json())
    console.print_json(diff_summary(compared.report, compared.seconds));
  else
    console.print(diff_text(compared.report));
  return compared.code;
}

// With --live the word after A is PATH.
Result<void> sort_arguments(DiffArguments& arguments) {
  if (!arguments.live && !arguments.after.empty()) return {};
  if (!arguments.live) {
    return std::unexpected(
        Error(ErrorCode::kInvalidArgument, "B is missing: the snapshot to compare with")
            .with_hint("Give a second snapshot, or --live for the files of this machine."));
  }
  if (arguments.path != "/")
    return fail(ErrorCode::kInvalidArgument, "with --live there is one snapshot and one path");
  if (!arguments.after.empty()) arguments.path = std::exchange(arguments.after, {});
  return {};
}

Result<ExitCode> run_diff(Context& context, DiffArguments& arguments) {
  TRY(sort_arguments(arguments));
  return read_from_places(context, [&](Context& place) { return diff_in_place(place, arguments); });
}

}  // namespace

Command diff_command() {
  const auto arguments = std::make_shared<DiffArguments>();
  std::vector<Option> options{
      flag("--metadata", arguments->metadata,
           "also what has nothing but other attributes: mode, owner, times, xattrs"),
      flag("--live", arguments->live,
           "compare A with the files of this machine as they are now, instead of with B")};
  append_choice_options(options, arguments->choice);
  const auto take = [](std::string& target) -> SetValue {
    return [&target](std::string_view given) -> Result<void> {
      target = given;
      return {};
    };
  };
  return {
      .name = "diff",
      .summary = "Show what differs between two snapshots, or a snapshot and the files",
      .description =
          "One line for each file, folder or other entry that differs: + is only in B, - only "
          "in A, M has other content, T is something else now, and with --metadata U has only "
          "other attributes. What did not change is not read, so that it costs what differs. "
          "With PATH only what is there or below it. With --live, B is what the paths of A "
          "hold now: what looks as it did when it was backed up is not read, and what the "
          "backup left out is not looked for.",
      .examples = {{"backstay diff latest~1 latest", "What the last backup found"},
                   {"backstay diff @2026-11-01 latest /etc --metadata",
                    "All that happened in a folder since a day"},
                   {"backstay diff latest --live /home/ann", "What a backup of it would find now"}},
      .arguments = {{.name = "A",
                     .help = "id or at least 8 digits of it, latest, latest~N, or @TIME",
                     .arity = Arity::kOne,
                     .set = take(arguments->before)},
                    {.name = "B",
                     .help = "the snapshot to compare it with; none with --live",
                     .arity = Arity::kOptional,
                     .set = take(arguments->after)},
                    {.name = "PATH",
                     .help = "file or folder",
                     .arity = Arity::kOptional,
                     .set = take(arguments->path)}},
      .options = std::move(options),
      .run = [arguments](Context& context) { return run_diff(context, *arguments); }};
}

}  // namespace backstay::cli
