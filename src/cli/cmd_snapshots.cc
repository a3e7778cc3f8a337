#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <memory>
#include <utility>

#include "base/try.h"
#include "cli/commands.h"
#include "cli/console.h"
#include "cli/output_json.h"
#include "cli/output_text.h"
#include "cli/place_set.h"
#include "cli/session.h"
#include "cli/snapshot_choice.h"
#include "cli/stage.h"
#include "engine/notes.h"
#include "engine/series.h"
#include "json/json.h"

namespace backstay::cli {
namespace {

struct SnapshotsArguments {
  SnapshotChoice choice;
  std::uint64_t latest = 0;
  StageOptions stage;
};

// The newest `count` of every series (same host and paths), in the order given.
std::vector<repo::StoredSnapshot> newest(std::vector<repo::StoredSnapshot> snapshots,
                                         std::uint64_t count) {
  std::map<engine::Series, std::uint64_t> seen;
  std::vector<repo::StoredSnapshot> kept;
  for (auto it = snapshots.rbegin(); it != snapshots.rend(); ++it) {
    if (seen[engine::series_of(it->snapshot)]++ < count) kept.push_back(std::move(*it));
  }
  std::ranges::reverse(kept);
  return kept;
}

// The repository, or, while it is away, what was known of it last.
Result<std::unique_ptr<repo::Repository>> open_or_known(const Context& context, const Stage& stage,
                                                        const GivenCredential& given) {
  const GivenCredential* const read_before = given ? &given : nullptr;
  if (stage.folder().empty()) {
    return open_repository(context, KeyUse::kReading, WhenChanged::kTell, read_before);
  }
  TRY(stage.require_remote());
  const auto away = find_away(context, stage);
  if (!away) return open_repository(context, KeyUse::kReading, WhenChanged::kTell, read_before);
  if (!stage.is_prepared()) return std::unexpected(away->clone());
  context.console.note(fmt::format("{}: showing what was there when a backup with --stage saw it",
                                   away->describe()));
  return stage.open_known(TRY(stage.key_or_ask(given)));
}

void print_snapshots_json(Console& console, const PlacedSnapshots& placed,
                          const engine::BindingHolds& holds, bool with_places) {
  for (const repo::StoredSnapshot& stored : placed.snapshots) {
    json::Json line = snapshot_line(stored, holds);
    if (with_places) line["durable"] = to_string(placed.durable_of(stored.id));
    console.print_json(line);
  }
}

Result<ExitCode> snapshots_of_place(Context& context, const SnapshotsArguments& arguments) {
  const Stage stage(context, arguments.stage);
  GivenCredential given;
  if (!stage.folder().empty()) given = TRY(read_given_credential(context));
  const auto repository = TRY(open_or_known(context, stage, given));
  SnapshotList list = TRY(list_snapshots(context, *repository));
  note_uncounted(context, *repository);
  const bool tags_known = std::ranges::all_of(list.snapshots, &repo::StoredSnapshot::tags_known);
  PlacedSnapshots placed{.snapshots = std::move(list.snapshots), .staged = {}};
  if (!stage.folder().empty())
    placed = TRY(with_staged(context, stage, std::move(placed.snapshots), given));
  std::vector<repo::StoredSnapshot>& snapshots = placed.snapshots;
  snapshots = chosen(std::move(snapshots), arguments.choice);
  if (arguments.latest > 0) snapshots = newest(std::move(snapshots), arguments.latest);
  const engine::BindingHolds holds = TRY_DOING(
      "listing holds", engine::binding_holds(*repository, TRY(engine::time_of_store(*repository))));
  if (context.console.json()) {
    print_snapshots_json(context.console, placed, holds, !stage.folder().empty());
  } else if (snapshots.empty()) {
    context.console.note("there are no snapshots to show");
  } else {
    context.console.print(snapshots_text(snapshots, holds, placed.staged));
  }
  const bool damaged = !list.damaged.empty() || !tags_known;
  return damaged ? ExitCode::kDamage : ExitCode::kDone;
}

Result<ExitCode> run_snapshots(Context& context, const SnapshotsArguments& arguments) {
  return read_from_places(context,
                          [&](Context& place) { return snapshots_of_place(place, arguments); });
}

}  // namespace

Command snapshots_command() {
  const auto arguments = std::make_shared<SnapshotsArguments>();
  std::vector<Option> options;
  append_choice_options(options, arguments->choice);
  options.push_back(number("--latest", "N", arguments->latest, {1, 1'000'000},
                           "only the newest N of each host and set of paths"));
  options.push_back(place("--stage", "DIR", arguments->stage.folder,
                          "show also what waits in DIR, and where each is durable"));
  return {.name = "snapshots",
          .summary = "List snapshots",
          .description =
              "Lists the snapshots of the repository, oldest first; those that are held say so. "
              "A snapshot that is damaged is named on standard error, and the exit code is 13.\n\n"
              "With --stage DIR those that wait in the stage are among them; while the repository "
              "is away, the others are those that it was last known to have.",
          .examples = {{"backstay snapshots --tag daily --latest 3",
                        "The newest three of each host and path"}},
          .options = std::move(options),
          .run = [arguments](Context& context) { return run_snapshots(context, *arguments); }};
}

}  // namespace backstay::cli
