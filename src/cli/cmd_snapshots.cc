#include <algorithm>
#include <map>
#include <memory>
#include <utility>

#include "base/try.h"
#include "cli/commands.h"
#include "cli/console.h"
#include "cli/output_json.h"
#include "cli/output_text.h"
#include "cli/session.h"
#include "cli/snapshot_choice.h"
#include "engine/notes.h"
#include "json/json.h"

namespace backstay::cli {
namespace {

struct SnapshotsArguments {
  SnapshotChoice choice;
  std::uint64_t latest = 0;
};

// The newest `count` of every series (same host and paths), in the order given.
std::vector<repo::StoredSnapshot> newest(std::vector<repo::StoredSnapshot> snapshots,
                                         std::uint64_t count) {
  std::map<std::pair<std::string, std::vector<std::string>>, std::uint64_t> seen;
  std::vector<repo::StoredSnapshot> kept;
  for (auto it = snapshots.rbegin(); it != snapshots.rend(); ++it) {
    if (seen[{it->snapshot.host, it->snapshot.paths}]++ < count) kept.push_back(std::move(*it));
  }
  std::ranges::reverse(kept);
  return kept;
}

Result<ExitCode> run_snapshots(Context& context, const SnapshotsArguments& arguments) {
  const auto repository = TRY(open_repository(context));
  SnapshotList list = TRY(list_snapshots(context, *repository));
  note_uncounted(context, *repository);
  const bool tags_known = std::ranges::all_of(list.snapshots, &repo::StoredSnapshot::tags_known);
  std::vector<repo::StoredSnapshot> snapshots = chosen(std::move(list.snapshots), arguments.choice);
  if (arguments.latest > 0) snapshots = newest(std::move(snapshots), arguments.latest);
  const engine::BindingHolds holds = TRY_DOING(
      "listing holds", engine::binding_holds(*repository, TRY(engine::time_of_store(*repository))));
  if (context.console.json()) {
    for (const repo::StoredSnapshot& stored : snapshots)
      context.console.print_json(snapshot_line(stored, holds));
  } else if (snapshots.empty()) {
    context.console.note("there are no snapshots to show");
  } else {
    context.console.print(snapshots_text(snapshots, holds));
  }
  const bool damaged = !list.damaged.empty() || !tags_known;
  return damaged ? ExitCode::kDamage : ExitCode::kDone;
}

}  // namespace

Command snapshots_command() {
  const auto arguments = std::make_shared<SnapshotsArguments>();
  std::vector<Option> options;
  append_choice_options(options, arguments->choice);
  options.push_back(number("--latest", "N", arguments->latest, {1, 1'000'000},
                           "only the newest N of each host and set of paths"));
  return {.name = "snapshots",
          .summary = "List snapshots",
          .description =
              "Lists the snapshots of the repository, oldest first; those that are held say so. "
              "A snapshot that is damaged is named on standard error, and the exit code is 13.",
          .examples = {{"backstay snapshots --tag daily --latest 3",
                        "The newest three of each host and path"}},
          .options = std::move(options),
          .run = [arguments](Context& context) { return run_snapshots(context, *arguments); }};
}

}  // namespace backstay::cli
