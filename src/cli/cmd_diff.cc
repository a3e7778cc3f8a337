#include <memory>

#include "base/try.h"
#include "cli/commands.h"
#include "cli/console.h"
#include "cli/find_output.h"
#include "cli/place_set.h"
#include "cli/running.h"
#include "cli/session.h"
#include "cli/snapshot_choice.h"
#include "engine/diff.h"
#include "engine/select.h"
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

Result<ExitCode> diff_in_place(Context& context, const DiffArguments& arguments) {
  const auto repository = TRY(open_repository(context));
  const FoundSnapshot before =
      TRY(find_snapshot(context, *repository, arguments.choice, arguments.before));
  const FoundSnapshot after =
      TRY(find_snapshot(context, *repository, arguments.choice, arguments.after));
  TRY(load_index(context, *repository));
  const std::string path = snapshot::clean_path(arguments.path, "/");
  TRY(require_path(*repository, before, after, path));
  Console& console = context.console;
  const auto print = [&](const engine::Change& change) -> Result<void> {
    if (change.kind == engine::ChangeKind::kAttributes && !arguments.metadata) return {};
    if (console.json())
      console.print_json(change_line(change));
    else
      console.print(change_text(change, console.streams().out_is_terminal));
    return {};
  };
  Running running(context);
  const engine::DiffReport report =
      TRY(engine::diff_snapshots(*repository, before.stored.snapshot.tree,
                                 after.stored.snapshot.tree, path, print, running.activity()));
  running.finish();
  if (console.json())
    console.print_json(diff_summary(report, running.seconds()));
  else
    console.print(diff_text(report));
  return before.certain ? after.done() : before.done();
}

Result<ExitCode> run_diff(Context& context, const DiffArguments& arguments) {
  return read_from_places(context, [&](Context& place) { return diff_in_place(place, arguments); });
}

}  // namespace

Command diff_command() {
  const auto arguments = std::make_shared<DiffArguments>();
  std::vector<Option> options{
      flag("--metadata", arguments->metadata,
           "also what has nothing but other attributes: mode, owner, times, xattrs")};
  append_choice_options(options, arguments->choice);
  const auto take = [](std::string& target) -> SetValue {
    return [&target](std::string_view given) -> Result<void> {
      target = given;
      return {};
    };
  };
  return {.name = "diff",
          .summary = "Show what differs between two snapshots",
          .description =
              "One line for each file, folder or other entry that differs: + is only in B, - only "
              "in A, M has other content, T is something else now, and with --metadata U has only "
              "other attributes. What did not change is not read, so that it costs what differs. "
              "With PATH only what is there or below it.",
          .examples = {{"backstay diff latest~1 latest", "What the last backup found"},
                       {"backstay diff @2026-11-01 latest /etc --metadata",
                        "All that happened in a folder since a day"}},
          .arguments = {{.name = "A",
                         .help = "id or at least 8 digits of it, latest, latest~N, or @TIME",
                         .arity = Arity::kOne,
                         .set = take(arguments->before)},
                        {.name = "B",
                         .help = "the snapshot to compare it with",
                         .arity = Arity::kOne,
                         .set = take(arguments->after)},
                        {.name = "PATH",
                         .help = "file or folder in the snapshots",
                         .arity = Arity::kOptional,
                         .set = take(arguments->path)}},
          .options = std::move(options),
          .run = [arguments](Context& context) { return run_diff(context, *arguments); }};
}

}  // namespace backstay::cli
