#include <algorithm>
#include <memory>

#include "base/try.h"
#include "cli/commands.h"
#include "cli/console.h"
#include "cli/output_json.h"
#include "cli/output_text.h"
#include "cli/running.h"
#include "cli/session.h"
#include "cli/snapshot_choice.h"
#include "cli/stats_of_copies.h"
#include "cli/stats_of_folders.h"
#include "cli/stats_of_growth.h"
#include "engine/stats.h"
#include "json/json.h"

namespace backstay::cli {
namespace {

struct StatsArguments {
  std::string snapshot;
  SnapshotChoice choice;
  bool copies = false;
  bool growth = false;
  bool by_path = false;
  bool over_time = false;
  std::uint64_t depth = 0;     // 0: not given
  std::uint64_t capacity = 0;  // bytes; 0: as the store says
};

constexpr Range kDepths{.low = 1, .high = 64};

// Nothing where everything may go.
std::string keeping_text(const backend::Backend& store) {
  if (!store.capabilities().append_only) return {};
  return "append-only: nothing is removed ('backstay append-only status' says who sees to it)\n";
}

Result<void> refuse_mixture(const StatsArguments& arguments) {
  const auto wrong = [](std::string what) {
    return fail(ErrorCode::kInvalidArgument, std::move(what));
  };
  const int questions = static_cast<int>(!arguments.snapshot.empty()) +
                        static_cast<int>(arguments.copies) + static_cast<int>(arguments.growth) +
                        static_cast<int>(arguments.over_time);
  if (questions > 1)
    return wrong("SNAP, --copies, --growth and --over-time are asked one at a time");
  if (arguments.by_path && arguments.snapshot.empty())
    return wrong("--by-path is about one snapshot: name it, such as latest");
  if (arguments.depth > 0 && !arguments.by_path) return wrong("--depth is about --by-path");
  if (arguments.capacity > 0 && !arguments.growth)
    return fail(ErrorCode::kInvalidArgument, "--capacity is about --growth");
  return {};
}

Result<ExitCode> run_stats(Context& context, const StatsArguments& arguments) {
  TRY(refuse_mixture(arguments));
  if (arguments.copies) return show_copies(context);
  if (arguments.over_time) return show_over_time(context, arguments.choice);
  if (arguments.by_path) {
    return show_folders(
        context,
        {.snapshot = arguments.snapshot,
         .choice = arguments.choice,
         .depth = static_cast<std::uint32_t>(std::max<std::uint64_t>(arguments.depth, 1))});
  }
  if (arguments.growth) {
    return show_growth(context,
                       arguments.capacity > 0 ? std::optional(arguments.capacity) : std::nullopt);
  }
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
  options.push_back(
      flag("--copies", arguments->copies, "the places of a set (--repo set:FILE), and 3-2-1-1-0"));
  options.push_back(
      flag("--growth", arguments->growth, "how fast it grows, and when its store is full"));
  options.push_back(flag("--by-path", arguments->by_path,
                         "of SNAP: what is stored for each of its folders, largest first"));
  options.push_back(number("--depth", "N", arguments->depth, kDepths,
                           "for --by-path: folders so deep below what was backed up (1)"));
  options.push_back(flag("--over-time", arguments->over_time,
                         "of each snapshot: its size, what was new, and what that took"));
  options.push_back(size("--capacity", arguments->capacity,
                         "for --growth: what the repository may take, where the store cannot say"));
  SetValue set_snapshot = [arguments](std::string_view which) -> Result<void> {
    arguments->snapshot = which;
    return {};
  };
  return {
      .name = "stats",
      .summary = "Show how much there is and what it costs",
      .description =
          "Of all snapshots together, or of one.\n\n"
          "With --copies of a set of repositories (docs/copies.md): each place, what it lacks, "
          "how it is kept and when it was verified, and whether there are 3 copies on 2 media, "
          "1 off site, 1 offline or immutable, with 0 errors. What is not known counts as not "
          "good.\n\n"
          "With --by-path the folders of a snapshot: what several have is counted for the first "
          "of them. Dedup is size by new pieces, Compr. is new pieces by what they take.\n\n"
          "With --growth what backups stored a day, by the median of all slopes, and the days "
          "until the store is full if nothing is pruned.",
      .examples = {{"backstay stats latest", "The size of the newest snapshot"},
                   {"backstay stats latest:/home --by-path", "Who takes the space?"},
                   {"backstay stats --over-time --host web", "Since when?"},
                   {"backstay -r set:places.yaml stats --copies", "Is 3-2-1-1-0 kept to?"},
                   {"backstay stats --growth --capacity 2TiB", "When will it be full?"}},
      .arguments = {{.name = "SNAP",
                     .help = "id or at least 8 digits of it, latest, latest~N, or @TIME",
                     .arity = Arity::kOptional,
                     .set = set_snapshot}},
      .options = std::move(options),
      .run = [arguments](Context& context) { return run_stats(context, *arguments); }};
}

}  // namespace backstay::cli
