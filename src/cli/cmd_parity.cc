#include <fmt/format.h>

#include <charconv>
#include <cmath>
#include <memory>

#include "base/try.h"
#include "cli/commands.h"
#include "cli/console.h"
#include "cli/keep_parity.h"
#include "cli/parity_output.h"
#include "cli/running.h"
#include "cli/session.h"
#include "engine/parity.h"
#include "io/machine.h"
#include "json/json.h"
#include "repo/object.h"

namespace backstay::cli {
namespace {

struct AddArguments {
  std::uint32_t hundredths = 500;
  std::uint64_t shards = 0;
};

struct RepairWithParityArguments {
  bool dry_run = false;
  bool read_data = false;
  std::vector<std::string> packs;
};

engine::ParityPlace place_of(const Context& context, const OpenStore& store) {
  return {.store = *store.backend,
          .repository = store.config.id,
          .world = {.clock = context.clock, .rng = context.rng}};
}

Result<std::uint32_t> parse_overhead(std::string_view text) {
  double percent = 0;
  const std::string_view digits = text.ends_with('%') ? text.substr(0, text.size() - 1) : text;
  const auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), percent);
  const bool whole = error == std::errc{} && end == digits.data() + digits.size();
  if (whole && percent >= 0.5 && percent <= 100)
    return static_cast<std::uint32_t>(std::lround(percent * 100));
  return std::unexpected(
      Error(ErrorCode::kInvalidArgument, fmt::format("'{}' is no overhead for parity", text))
          .with_hint("Write for example 5%; it is between 0.5% and 100% of the packs."));
}

Result<ExitCode> run_add(Context& context, const AddArguments& arguments) {
  const repo::ParityWish wish =
      TRY(engine::plan_parity(arguments.hundredths, static_cast<unsigned>(arguments.shards)));
  const OpenStore store = TRY(open_store(context));
  Running running(context);
  const auto report =
      TRY(engine::add_parity(place_of(context, store), wish, parity_options(), running.activity()));
  running.finish();
  if (context.console.json())
    context.console.print_json(parity_added_line(report, wish, running.seconds()));
  else if (!context.options.quiet)
    context.console.print(parity_added_text(report, wish, running.seconds()));
  return report.packs_damaged == 0 ? ExitCode::kDone : ExitCode::kDamage;
}

Result<ExitCode> run_status(Context& context) {
  const OpenStore store = TRY(open_store(context));
  Running running(context);
  const auto status = TRY(engine::parity_status(place_of(context, store), running.activity()));
  running.finish();
  if (context.console.json()) {
    for (const auto& damaged : status.damaged)
      context.console.print_json(damaged_parity_line(damaged));
    context.console.print_json(parity_status_line(status));
  } else {
    context.console.print(parity_status_text(status));
  }
  return status.packs_lost == 0 && status.damaged.empty() ? ExitCode::kDone : ExitCode::kDamage;
}

// The config is one of the things that come back.
Result<OpenStore> open_damaged_store(const Context& context) {
  auto store = open_store(context);
  if (store) return store;
  const ErrorCode code = store.error().code();
  if (code != ErrorCode::kNoRepository && !repo::is_damage(code)) return store;
  auto backend = open_bare_store(context);
  if (!backend) return store;
  auto config = engine::config_in_copies(**backend);
  if (!config) return store;
  return OpenStore{.backend = std::move(*backend), .config = std::move(*config)};
}

Result<ExitCode> run_repair(Context& context, const RepairWithParityArguments& arguments) {
  const OpenStore store = TRY(open_damaged_store(context));
  engine::ParityRepairOptions options;
  options.mode = arguments.dry_run ? engine::RepairMode::kDryRun : engine::RepairMode::kRepair;
  options.read_data = arguments.read_data;
  options.parity = parity_options();
  Running running(context);
  options.packs = TRY(
      engine::find_covered_packs(place_of(context, store), arguments.packs, running.activity()));
  const auto report =
      TRY(engine::repair_with_parity(place_of(context, store), options, running.activity()));
  running.finish();
  bool all_well = report.packs_uncovered == 0;
  for (const engine::ParityRepaired& one : report.objects) {
    all_well = all_well && one.outcome == engine::ParityOutcome::kRestored;
    if (context.console.json())
      context.console.print_json(parity_repaired_line(one));
    else
      context.console.print(parity_repaired_text(one, arguments.dry_run));
  }
  if (context.console.json())
    context.console.print_json(parity_repair_line(report, arguments.dry_run, running.seconds()));
  else
    context.console.print(parity_repair_text(report, arguments.dry_run));
  return all_well ? ExitCode::kDone : ExitCode::kDamage;
}

Result<ExitCode> run_remove(Context& context) {
  const OpenStore store = TRY(open_store(context));
  Running running(context);
  const auto removal = TRY(engine::remove_parity(place_of(context, store), running.activity()));
  running.finish();
  if (context.console.json())
    context.console.print_json(parity_removed_line(removal));
  else
    context.console.print(parity_removed_text(removal));
  return ExitCode::kDone;
}

Command add_command() {
  const auto arguments = std::make_shared<AddArguments>();
  Option overhead{.names = "--overhead",
                  .value = "P%",
                  .help = "about so much of the packs (default 5%)",
                  .set = [arguments](std::string_view text) -> Result<void> {
                    arguments->hundredths = TRY(parse_overhead(text));
                    return {};
                  }};
  return {
      .name = "add",
      .summary = "Make parity, and keep it from now on",
      .description =
          "Packs are put into groups, and for each group a few shards are stored, as long as "
          "its longest pack: with 5% and two shards, 40 packs and 2 shards. Of such a group any "
          "two objects may be lost or damaged whole, and at each place any two more. The "
          "repository remembers what was asked for: backups, copies, imports, repairs "
          "and prune keep parity current. Another overhead makes the groups anew. A repository "
          "with few packs "
          "has small groups, and they take more than was asked for.\n\n"
          "Small objects that nothing else can bring back are kept as copies: the config, "
          "snapshots, holds and tags. Keys are not.",
      .examples = {{"backstay parity add", "5%: any 2 packs of 40 may be lost"},
                   {"backstay parity add --overhead 20% --losses 4",
                    "Any 4 packs of 20 may be lost"}},
      .options = {std::move(overhead), number("--losses", "N", arguments->shards,
                                              {.low = 1, .high = repo::kParityShardsMax},
                                              "so many packs of a group may be lost (default 2)")},
      .run = [arguments](Context& context) { return run_add(context, *arguments); }};
}

Command repair_with_parity_command() {
  const auto arguments = std::make_shared<RepairWithParityArguments>();
  return {.name = "repair",
          .summary = "Bring back packs that are lost or damaged",
          .description =
              "Looks at the packs that are missing, have another length than they should, or were "
              "marked by a check, and brings them back byte for byte; also at the small objects "
              "that are copied. A pack counts as brought back when its bytes match its name. Where "
              "more is lost than parity makes up for, nothing is changed, and the exit code is 13.",
          .examples = {{"backstay parity repair --dry-run", "Show what could be brought back"},
                       {"backstay parity repair --read-data", "Read everything first"}},
          .arguments = {{.name = "PACK",
                         .help = "look at this pack, too: its name or at least 8 digits of it",
                         .arity = Arity::kAny,
                         .set = [arguments](std::string_view name) -> Result<void> {
                           arguments->packs.emplace_back(name);
                           return {};
                         }}},
          .options = {flag("--read-data", arguments->read_data,
                           "read all packs and shards, and repair what is found damaged"),
                      flag("-n,--dry-run", arguments->dry_run,
                           "show what would be done, change nothing")},
          .run = [arguments](Context& context) { return run_repair(context, *arguments); }};
}

}  // namespace

engine::ParityOptions parity_options() {
  engine::ParityOptions options;
  options.author = {.host = io::hostname(), .user = io::user_name()};
  return options;
}

void keep_parity_after(Context& context, const repo::Repository& repository, Running& running) {
  engine::ParityOptions options = parity_options();
  // The rest is for the program and the index, which is still open.
  options.memory_limit = context.options.memory_limit / 4 * 3;
  const auto kept =
      engine::keep_parity(engine::parity_place(repository), options, running.activity());
  if (kept && kept->packs_too_large > 0) {
    context.console.note(fmt::format(
        "{} not covered by parity: larger than 64 MiB, or than --memory-limit lets them be",
        kept->packs_too_large == 1 ? "1 pack is"
                                   : fmt::format("{} packs are", kept->packs_too_large)));
  }
  if (kept || kept.error().code() == ErrorCode::kCancelled) return;
  context.console.warning(
      "what was stored is not covered by parity yet: " + kept.error().describe(),
      "Run 'backstay parity add', or leave it to the next backup.");
}

Command parity_command() {
  Command command{
      .name = "parity",
      .summary = "Survive the loss of whole packs",
      .description =
          "Reed-Solomon shards over groups of packs: what a disk or a store loses comes back. "
          "Parity works on what is stored, so that none of these commands needs a passphrase, and "
          "it can be added, changed and dropped at any time."};
  command.commands.push_back(add_command());
  command.commands.push_back({.name = "status",
                              .summary = "Show what is covered, and what may be lost",
                              .description = "The exit code is 13 when something is lost already.",
                              .run = run_status});
  command.commands.push_back(repair_with_parity_command());
  command.commands.push_back({.name = "remove",
                              .summary = "Drop all parity",
                              .description = "Nothing is made anew until somebody adds it again.",
                              .run = run_remove});
  return command;
}

}  // namespace backstay::cli
