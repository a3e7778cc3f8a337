#include <memory>

#include "base/try.h"
#include "cli/commands.h"
#include "cli/console.h"
#include "cli/find_output.h"
#include "cli/place_set.h"
#include "cli/running.h"
#include "cli/session.h"
#include "cli/snapshot_choice.h"
#include "engine/history.h"
#include "io/machine.h"
#include "json/json.h"
#include "snapshot/tree_key.h"

namespace backstay::cli {
namespace {

struct HistoryArguments {
  std::string path;
  bool metadata = false;
  SnapshotChoice choice;
};

Result<ExitCode> history_of_place(Context& context, const HistoryArguments& arguments) {
  const auto repository = TRY(open_repository(context));
  SnapshotList list = TRY(list_snapshots(context, *repository));
  const auto snapshots = chosen(std::move(list.snapshots), arguments.choice);
  TRY(load_index(context, *repository));
  const std::string path =
      snapshot::clean_path(arguments.path, io::current_directory().value_or("/"));
  Running running(context);
  const auto versions = TRY(engine::versions_of(
      *repository, snapshots, path,
      arguments.metadata ? engine::AttributesCount::kYes : engine::AttributesCount::kNo,
      running.activity()));
  running.finish();
  Console& console = context.console;
  const bool damaged = running.reported() > 0 || !list.damaged.empty();
  if (versions.empty() && !damaged) {
    return std::unexpected(Error(ErrorCode::kNotFound, "no snapshot has " + path)
                               .with_hint("'backstay find' looks for a name anywhere."));
  }
  if (console.json()) {
    for (const engine::PathVersion& version : versions)
      console.print_json(version_line(version, path, snapshots));
  } else if (!versions.empty()) {
    console.print(versions_text(versions, snapshots));
  }
  return damaged ? ExitCode::kDamage : ExitCode::kDone;
}

Result<ExitCode> run_history(Context& context, const HistoryArguments& arguments) {
  return read_from_places(context,
                          [&](Context& place) { return history_of_place(place, arguments); });
}

}  // namespace

Command history_command() {
  const auto arguments = std::make_shared<HistoryArguments>();
  std::vector<Option> options{
      flag("--metadata", arguments->metadata,
           "other attributes (mode, owner, times, xattrs) make a version, too")};
  append_choice_options(options, arguments->choice);
  SetValue set_path = [arguments](std::string_view path) -> Result<void> {
    arguments->path = path;
    return {};
  };
  return {.name = "history",
          .summary = "List the versions of a file or folder",
          .description =
              "Every version that PATH has had on each host, oldest first: since when and until "
              "when snapshots have it, in how many, and what changed. A folder has a new version "
              "when anything in it has other content. Snapshots of paths in which PATH does not "
              "lie say nothing about it. To bring one back: 'backstay restore NEWEST:PATH "
              "--target DIR', with the snapshot that stands under 'newest'.",
          .examples = {{"backstay history /etc/nginx/nginx.conf", "All versions of a file"},
                       {"backstay history /srv/www --host web1", "When a folder changed"}},
          .arguments = {{.name = "PATH",
                         .help = "file or folder; from the current folder unless it begins with /",
                         .arity = Arity::kOne,
                         .set = set_path}},
          .options = std::move(options),
          .run = [arguments](Context& context) { return run_history(context, *arguments); }};
}

}  // namespace backstay::cli
