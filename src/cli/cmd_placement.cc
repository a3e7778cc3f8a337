#include <fmt/format.h>
#include <fmt/ranges.h>

#include <memory>
#include <string>
#include <vector>

#include "backend/placement.h"
#include "base/try.h"
#include "cli/commands.h"
#include "cli/console.h"
#include "cli/placement_output.h"
#include "cli/running.h"
#include "cli/store_world.h"
#include "json/json.h"

namespace backstay::cli {
namespace {

namespace placement = backend::placement;

struct PlacementArguments {
  std::string file;
  std::string store;
  bool dry_run = false;
  bool read_data = false;
  bool later = false;
  std::vector<std::string> lost;
  bool lost_for_ever = false;
  bool fewer_domains = false;
};
using Arguments = std::shared_ptr<PlacementArguments>;

// A placement that is open, and what its file wishes.
struct OpenPlacement {
  placement::MapFile file;
  std::unique_ptr<placement::PlacementBackend> backend;
};

Result<OpenPlacement> open_it(const Context& context, const PlacementArguments& arguments) {
  const std::string path = TRY(placement::file_of(arguments.file));
  OpenPlacement open{.file = TRY(placement::read_map_file(path)), .backend = nullptr};
  open.backend = TRY(placement::open_placement_at("placement:" + path, backend::OpenKind::kOpen,
                                                  store_world(context)));
  return open;
}

placement::UpkeepOptions options_of(const Context& context, const PlacementArguments& arguments) {
  placement::UpkeepOptions options;
  if (arguments.dry_run) options.doing = placement::Doing::kDryRun;
  if (arguments.read_data) options.reading = placement::Reading::kAllBytes;
  options.stopped = [stop = context.stop.get_token()] { return stop.stop_requested(); };
  return options;
}

Result<ExitCode> status(Context& context, const PlacementArguments& arguments) {
  const OpenPlacement open = TRY(open_it(context, arguments));
  const auto status = TRY(placement::placement_status(*open.backend));
  bool well = status.incomplete == 0 && status.left_over == 0;
  for (const placement::StoreStatus& store : status.stores) {
    well = well && store.trouble.empty();
    if (context.console.json()) context.console.print_json(placement_store_line(store));
  }
  if (context.console.json())
    context.console.print_json(placement_status_line(status));
  else
    context.console.print(placement_status_text(status));
  if (!well) context.console.note("backstay placement repair puts back what is missing");
  return ExitCode::kDone;
}

ExitCode tell(Context& context, const placement::UpkeepReport& report, bool dry_run,
              double seconds) {
  if (context.console.json())
    context.console.print_json(placement_upkeep_line(report, dry_run, seconds));
  else if (!context.options.quiet)
    context.console.print(placement_upkeep_text(report, dry_run));
  if (!report.lost.empty()) return ExitCode::kDamage;
  return report.troubles.empty() ? ExitCode::kDone : ExitCode::kPartial;
}

Result<ExitCode> repair(Context& context, const PlacementArguments& arguments) {
  const OpenPlacement open = TRY(open_it(context, arguments));
  Running running(context);
  const auto report =
      TRY(placement::repair_placement(*open.backend, options_of(context, arguments)));
  running.finish();
  return tell(context, report, arguments.dry_run, running.seconds());
}

Result<ExitCode> move_objects(Context& context, const OpenPlacement& open,
                              const PlacementArguments& arguments) {
  Running running(context);
  const auto report =
      TRY(placement::rebalance_placement(*open.backend, options_of(context, arguments)));
  running.finish();
  const ExitCode code = tell(context, report, arguments.dry_run, running.seconds());
  if (!report.settled && !arguments.dry_run) {
    context.console.warning("objects are still on their way",
                            "Run backstay placement rebalance again, when all stores are there.");
    return code == ExitCode::kDone ? ExitCode::kPartial : code;
  }
  return code;
}

Result<ExitCode> rebalance(Context& context, const PlacementArguments& arguments) {
  const OpenPlacement open = TRY(open_it(context, arguments));
  if (arguments.dry_run) {
    placement::Map wished = open.backend->view()->map();
    const bool differs = placement::take_over(open.file, wished);
    if (!open.backend->view()->moving() && differs)
      context.console.note("the file differs from the map: objects would move by the file");
    return move_objects(context, open, arguments);
  }
  if (!TRY(placement::begin_rebalance(*open.backend, open.file))) {
    context.console.note("everything is where it belongs");
    return tell(context, {.settled = true}, arguments.dry_run, 0);
  }
  return move_objects(context, open, arguments);
}

Result<ExitCode> change(Context& context, const PlacementArguments& arguments,
                        placement::Change how) {
  const OpenPlacement open = TRY(open_it(context, arguments));
  placement::WishedChange wished{.change = how, .store = arguments.store};
  if (arguments.fewer_domains) wished.domains = placement::Domains::kMayBeFewer;
  if (arguments.dry_run) {
    const placement::Planned planned =
        TRY(placement::plan_change(*open.backend, open.file, wished));
    if (context.console.json())
      context.console.print_json(placement_plan_line(planned));
    else
      context.console.print(placement_plan_text(planned));
    return ExitCode::kDone;
  }
  TRY(placement::begin_change(*open.backend, open.file, wished, store_world(context)));
  if (arguments.later) {
    context.console.note("objects move with backstay placement rebalance");
    return ExitCode::kDone;
  }
  return move_objects(context, open, arguments);
}

Result<ExitCode> replace(Context& context, const PlacementArguments& arguments) {
  const OpenPlacement open = TRY(open_it(context, arguments));
  placement::UpkeepOptions options = options_of(context, arguments);
  if (arguments.lost_for_ever) options.old_disk = placement::OldDisk::kLostForEver;
  Running running(context);
  const auto report = TRY(placement::replace_store(*open.backend, open.file, arguments.store,
                                                   store_world(context), options));
  running.finish();
  return tell(context, report, false, running.seconds());
}

Result<ExitCode> give_up(Context& context, const PlacementArguments& arguments) {
  const std::string path = TRY(placement::file_of(arguments.file));
  if (!arguments.lost_for_ever) {
    return std::unexpected(
        Error(ErrorCode::kInvalidArgument,
              fmt::format("what only {} had is lost for good, and should one of them come back, it "
                          "is no store of the placement any more",
                          fmt::join(arguments.lost, ", ")))
            .with_hint("Where that is so, run it again with --lost-for-ever."));
  }
  TRY(placement::give_stores_up(TRY(placement::read_map_file(path)), arguments.lost,
                                store_world(context)));
  context.console.note("now run backstay placement repair, then backstay check");
  return status(context, arguments);
}

Argument file_argument(const Arguments& arguments) {
  return {.name = "FILE",
          .help = "the placement file, with or without placement: before it",
          .arity = Arity::kOne,
          .set = [arguments](std::string_view text) -> Result<void> {
            arguments->file = text;
            return {};
          }};
}

Argument store_argument(const Arguments& arguments) {
  return {.name = "STORE",
          .help = "name of the store",
          .arity = Arity::kOne,
          .set = [arguments](std::string_view text) -> Result<void> {
            arguments->store = text;
            return {};
          }};
}

Option dry_run_option(const Arguments& arguments) {
  return flag("-n,--dry-run", arguments->dry_run, "show what would be done and change nothing");
}

Command status_command() {
  const auto arguments = std::make_shared<PlacementArguments>();
  return {.name = "status",
          .summary = "Show the stores, what they hold and what is missing",
          .description = {},
          .arguments = {file_argument(arguments)},
          .run = [arguments](Context& context) { return status(context, *arguments); }};
}

Command upkeep_command() {
  const auto arguments = std::make_shared<PlacementArguments>();
  return {.name = "repair",
          .summary = "Put back copies that are missing or damaged",
          .description =
              "Compares what the stores list with what they should have. With "
              "--read-data every copy or shard is read; a damaged one is replaced while whole "
              "ones are elsewhere. What was removed while a store was away is removed "
              "from it.",
          .examples = {{"backstay placement repair disks.yaml --read-data", "Read every copy"}},
          .arguments = {file_argument(arguments)},
          .options = {flag("--read-data", arguments->read_data, "read all copies"),
                      dry_run_option(arguments)},
          .run = [arguments](Context& context) { return repair(context, *arguments); }};
}

Command rebalance_command() {
  const auto arguments = std::make_shared<PlacementArguments>();
  return {.name = "rebalance",
          .summary = "Move copies to where they belong; goes on with a change that was cut",
          .description =
              "Takes weights, failure domains and redundancy from the file. It can be "
              "interrupted at any time, and other programs go on meanwhile.",
          .arguments = {file_argument(arguments)},
          .options = {dry_run_option(arguments)},
          .run = [arguments](Context& context) { return rebalance(context, *arguments); }};
}

Command change_command(std::string name, std::string summary, std::string description,
                       placement::Change how) {
  const auto arguments = std::make_shared<PlacementArguments>();
  std::vector<Option> options{
      flag("--later", arguments->later, "only begin; 'placement rebalance' moves the objects"),
      dry_run_option(arguments)};
  if (how != placement::Change::kAdd)
    options.push_back(flag("--fewer-domains", arguments->fewer_domains,
                           "also where more of an object than before then lies in one failure "
                           "domain"));
  return {.name = std::move(name),
          .summary = std::move(summary),
          .description = std::move(description),
          .arguments = {file_argument(arguments), store_argument(arguments)},
          .options = std::move(options),
          .run = [arguments, how](Context& context) { return change(context, *arguments, how); }};
}

Command give_up_command() {
  const auto arguments = std::make_shared<PlacementArguments>();
  Argument lost{.name = "STORE",
                .help = "names of all stores that are lost",
                .arity = Arity::kAtLeastOne,
                .set = [arguments](std::string_view text) -> Result<void> {
                  arguments->lost.emplace_back(text);
                  return {};
                }};
  return {.name = "give-up",
          .summary = "Go on without stores that are lost for ever, when too many are",
          .description =
              "For the day on which more stores are lost than the placement bears, so that it "
              "answers nothing any more. All others must be there. They go on by themselves, with "
              "what is left: objects of which a copy is there, in fewer copies where there are too "
              "few stores. 'backstay check' says afterwards which snapshots are whole. While "
              "enough stores are left, it refuses: remove or replace the lost ones.",
          .examples = {{"backstay placement give-up disks.yaml attic shed --lost-for-ever",
                        "Two of three are lost"}},
          .arguments = {file_argument(arguments), std::move(lost)},
          .options = {flag("--lost-for-ever", arguments->lost_for_ever,
                           "these stores do not come back")},
          .run = [arguments](Context& context) { return give_up(context, *arguments); }};
}

Command replace_command() {
  const auto arguments = std::make_shared<PlacementArguments>();
  return {.name = "replace",
          .summary = "Fill an empty disk in the place of one that was lost",
          .description =
              "Copies to it what the store should have, and then marks it as that store; "
              "until then it counts as away. It can be interrupted and goes on when it "
              "is run again. Where two clients created an object at the same moment and both were "
              "killed, only the lost disk may say which of the two counts, and it refuses; with "
              "--lost-for-ever it chooses the one that lies on the most stores.",
          .examples = {{"backstay placement replace disks.yaml attic",
                        "An empty disk is mounted where the lost one was"}},
          .arguments = {file_argument(arguments), store_argument(arguments)},
          .options = {flag("--lost-for-ever", arguments->lost_for_ever,
                           "the old disk will not be found again")},
          .run = [arguments](Context& context) { return replace(context, *arguments); }};
}

}  // namespace

Command placement_command() {
  Command command{
      .name = "placement",
      .summary = "Look after a repository that is kept on many stores",
      .description =
          "A repository at placement:FILE is kept on the stores that the file names, each object "
          "on several of them, in copies or in shards. These commands show the stores, restore "
          "copies that are missing, "
          "and change which stores there are. They need no passphrase. Not finished: "
          "docs/backends/placement.md says what may go wrong, and how to try it."};
  command.commands.push_back(status_command());
  command.commands.push_back(upkeep_command());
  command.commands.push_back(rebalance_command());
  command.commands.push_back(change_command(
      "add", "Take a store in, and move its share to it",
      "The file names the store already; it must be empty. A store that was drained takes objects "
      "again.",
      placement::Change::kAdd));
  command.commands.push_back(change_command(
      "remove", "Take a store out, and store its copies elsewhere",
      "Also one that is lost. When all it had is elsewhere, what is left on it is removed, and the "
      "file need not name it any more.",
      placement::Change::kRemove));
  command.commands.push_back(replace_command());
  command.commands.push_back(give_up_command());
  command.commands.push_back(change_command(
      "drain", "Empty a store and keep it",
      "Packs and index runs go elsewhere. It keeps its copies of snapshots, keys and other small "
      "objects, and counts for decisions, until it is removed.",
      placement::Change::kDrain));
  return command;
}

}  // namespace backstay::cli
