#include <memory>

#include "base/try.h"
#include "cli/commands.h"
#include "cli/console.h"
#include "cli/output_json.h"
#include "cli/output_text.h"
#include "cli/running.h"
#include "cli/session.h"
#include "cli/snapshot_choice.h"
#include "engine/stats.h"
#include "json/json.h"

namespace backstay::cli {
namespace {

struct StatsArguments {
  std::string snapshot;
  SnapshotChoice choice;
};

// Nothing where everything may go.
std::string keeping_text(const backend::Backend& store) {
  if (!store.capabilities().append_only) return {};
  return "append-only: nothing is removed ('backstay append-only status' says who sees to it)\n";
}

Result<ExitCode> run_stats(Context& context, const StatsArguments& arguments) {
  const auto repository = TRY(open_repository(context));
  std::optional<FoundSnapshot> of;
  std::optional<snapshot::Snapshot> snapshot;
  if (!arguments.snapshot.empty()) {
    of = TRY(find_snapshot(context, *repository, arguments.choice, arguments.snapshot));
    snapshot = of->stored.snapshot;
  }
  Running running(context);
  const engine::StatsReport report = TRY(engine::stats(*repository, snapshot, running.activity()));
  running.finish();
  const repo::StoredSnapshot* const shown = of ? &of->stored : nullptr;
  if (context.console.json())
    context.console.print_json(stats_line(report, shown));
  else
    context.console.print(stats_text(report, shown) + keeping_text(repository->store()));
  if (running.reported() > 0) return ExitCode::kDamage;
  return of ? of->done() : ExitCode::kDone;
}

}  // namespace

Command stats_command() {
  const auto arguments = std::make_shared<StatsArguments>();
  std::vector<Option> options;
  append_choice_options(options, arguments->choice);
  SetValue set_snapshot = [arguments](std::string_view which) -> Result<void> {
    arguments->snapshot = which;
    return {};
  };
  return {.name = "stats",
          .summary = "Show how much there is and what it costs",
          .description = "Of all snapshots together, or of one.",
          .examples = {{"backstay stats latest", "The size of the newest snapshot"}},
          .arguments = {{.name = "SNAP",
                         .help = "id or at least 8 digits of it, latest, latest~N, or @TIME",
                         .arity = Arity::kOptional,
                         .set = set_snapshot}},
          .options = std::move(options),
          .run = [arguments](Context& context) { return run_stats(context, *arguments); }};
}

}  // namespace backstay::cli
