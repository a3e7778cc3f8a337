#include <fmt/format.h>

#include <memory>

#include "base/try.h"
#include "cli/commands.h"
#include "cli/console.h"
#include "cli/keep_parity.h"
#include "cli/output_text.h"
#include "cli/repair_output.h"
#include "cli/running.h"
#include "cli/session.h"
#include "cli/snapshot_choice.h"
#include "cli/text_layout.h"
#include "engine/repair.h"
#include "io/machine.h"
#include "json/json.h"

namespace backstay::cli {
namespace {

struct RepairArguments {
  bool dry_run = false;
  bool read_packs = false;
  bool keep = false;
  bool all_ended = false;
  std::vector<std::string> packs;
  std::vector<std::string> snapshots;
  SnapshotChoice choice;

  [[nodiscard]] engine::RepairMode mode() const {
    return dry_run ? engine::RepairMode::kDryRun : engine::RepairMode::kRepair;
  }
};

engine::RepairAuthor author() {
  return {.host = io::hostname(), .user = io::user_name()};
}

Result<ExitCode> repair_index(Context& context, const RepairArguments& arguments) {
  const auto repository = TRY(open_repository(context));
  Running running(context);
  const auto report = TRY(engine::repair_index(
      *repository,
      {.mode = arguments.mode(), .read_packs = arguments.read_packs, .author = author()},
      running.activity()));
  running.finish();
  Console& console = context.console;
  if (console.json()) {
    for (const auto& run : report.damaged_runs)
      console.print_json(index_object_line(run, "damaged"));
    for (const auto& run : report.strange_runs) console.print_json(index_object_line(run, "left"));
    for (const auto& pack : report.packs_unreadable)
      console.print_json(index_object_line(pack, "unreadable"));
    console.print_json(index_repair_summary(report, arguments.dry_run));
  } else {
    console.print(index_repair_text(report, arguments.dry_run));
  }
  const bool all_well = report.packs_unreadable.empty() && report.strange_runs.empty() &&
                        report.runs_replaced == report.damaged_runs.size();
  return all_well ? ExitCode::kDone : ExitCode::kDamage;
}

Result<ExitCode> repair_generations(Context& context, const RepairArguments& arguments) {
  if (!arguments.dry_run && !arguments.all_ended) {
    return std::unexpected(
        Error(ErrorCode::kInvalidArgument,
              "nothing may use the repository meanwhile, and nobody but you can know that")
            .with_hint("End every program that uses it, on all machines, also those that sleep; "
                       "then say so with --all-ended. --dry-run shows what is damaged."));
  }
  const auto repository = TRY(open_repository(context));
  const auto report =
      TRY(engine::repair_generations(*repository, {.mode = arguments.mode(), .author = author()}));
  Console& console = context.console;
  if (console.json()) {
    for (const auto& one : report.damaged) console.print_json(index_object_line(one, "damaged"));
    console.print_json(generation_repair_summary(report, arguments.dry_run));
  } else {
    console.print(generation_repair_text(report, arguments.dry_run));
  }
  if (report.removed > 0)
    console.note("Run 'backstay check' now: snapshots that did not count may be listed again.");
  return arguments.dry_run && !report.damaged.empty() ? ExitCode::kDamage : ExitCode::kDone;
}

Result<ExitCode> repair_packs(Context& context, const RepairArguments& arguments) {
  const auto repository = TRY(open_repository(context));
  Running running(context);
  const auto report = TRY(engine::repair_packs(
      *repository, {.mode = arguments.mode(), .packs = arguments.packs, .author = author()},
      running.activity()));
  if (!arguments.dry_run) keep_parity_after(context, *repository, running);
  running.finish();
  Console& console = context.console;
  bool all_well = true;
  for (const engine::RepairedPack& pack : report.packs) {
    if (console.json())
      console.print_json(repaired_pack_line(pack));
    else
      console.print(repaired_pack_text(pack, arguments.dry_run));
    all_well = all_well && pack.chunks_lost == 0 && pack.directory_readable &&
               pack.outcome != engine::PackOutcome::kMissing;
  }
  if (console.json())
    console.print_json(pack_repair_summary(report, arguments.dry_run));
  else
    console.print(pack_repair_text(report, arguments.dry_run));
  return all_well ? ExitCode::kDone : ExitCode::kDamage;
}

// The first lost entries of each snapshot; --json names all.
class SnapshotShow {
 public:
  SnapshotShow(Console& console, bool dry_run) : console_(console), dry_run_(dry_run) {}

  engine::SnapshotRepairEvents events() {
    return {.lost = [this](const engine::LostEntry& lost) { show(lost); },
            .done = [this](const engine::RepairedSnapshot& one) { show(one); }};
  }

 private:
  static constexpr std::size_t kShownMax = 20;

  void show(const engine::LostEntry& lost) {
    if (console_.json()) {
      console_.print_json(lost_line(lost));
      return;
    }
    if (shown_++ < kShownMax) {
      console_.print(fmt::format("    {}{}\n", lost.from_here_on ? "entries from " : "",
                                 printable(lost.path) + (lost.from_here_on ? " on" : "")));
    }
  }
  void show(const engine::RepairedSnapshot& one) {
    if (console_.json()) {
      console_.print_json_now(repaired_snapshot_line(one, dry_run_));
      return;
    }
    if (shown_ > kShownMax)
      console_.print(fmt::format("    and {} more (--json names all)\n", shown_ - kShownMax));
    shown_ = 0;
    console_.print(repaired_snapshot_text(one, dry_run_));
  }

  Console& console_;
  const bool dry_run_;
  std::size_t shown_ = 0;
};

Result<ExitCode> repair_snapshots(Context& context, const RepairArguments& arguments) {
  const auto repository = TRY(open_repository(context));
  engine::SnapshotRepairOptions options{
      .mode = arguments.mode(), .snapshots = {}, .keep = arguments.keep, .author = author()};
  if (!arguments.snapshots.empty()) {
    const NamedSnapshots named = TRY(find_named(context, *repository, arguments.choice,
                                                arguments.snapshots, DamagedByName::kRefuse));
    for (const repo::StoredSnapshot& stored : named.whole) options.snapshots.push_back(stored.id);
  }
  Running running(context);
  SnapshotShow show(context.console, arguments.dry_run);
  const auto report =
      TRY(engine::repair_snapshots(*repository, options, show.events(), running.activity()));
  if (!arguments.dry_run) keep_parity_after(context, *repository, running);
  running.finish();
  if (context.console.json())
    context.console.print_json(snapshot_repair_summary(report, arguments.dry_run));
  else
    context.console.print(snapshot_repair_text(report, arguments.dry_run));
  return report.damaged.empty() && report.left == 0 ? ExitCode::kDone : ExitCode::kDamage;
}

Option dry_run_option(RepairArguments& to) {
  return flag("-n,--dry-run", to.dry_run, "show what would be done, change nothing");
}

Command index_command(const std::shared_ptr<RepairArguments>& arguments) {
  return {.name = "index",
          .summary = "Make the index whole from the packs",
          .description =
              "Every pack says at its end what is in it. Packs that no index run names come into "
              "the index, and runs that are damaged are replaced by then; they stay where a pack "
              "that they may have named cannot be read. Nothing that the index knows is taken "
              "out of it. The next backup does the same by itself.",
          .examples = {{"backstay repair index --dry-run", "Show what is missing"},
                       {"backstay repair index --read-packs",
                        "Compare the directory of every pack with the index, too"}},
          .options = {flag("--read-packs", arguments->read_packs,
                           "read the directory of every pack, not only of those that the index "
                           "does not name"),
                      dry_run_option(*arguments)},
          .run = [arguments](Context& context) { return repair_index(context, *arguments); }};
}

Command generations_command(const std::shared_ptr<RepairArguments>& arguments) {
  return {.name = "generations",
          .summary = "Go on without generation objects that are damaged",
          .description =
              "A generation object says which packs are given up. While one is damaged, or was put "
              "there by somebody without a key, nothing can be written. Without a copy to put back "
              "it can be removed when nothing uses the repository: what it alone gave up is used "
              "again. Refuses while a lease lives, and asks for --all-ended, because a machine "
              "that sleeps may still act by it.",
          .examples = {{"backstay repair generations --dry-run", "Show which are damaged"},
                       {"backstay repair generations --all-ended",
                        "Every program that used the repository was ended, on all machines"}},
          .options = {flag("--all-ended", arguments->all_ended,
                           "no program uses the repository, also none on a machine that sleeps"),
                      dry_run_option(*arguments)},
          .run = [arguments](Context& context) { return repair_generations(context, *arguments); }};
}

Command packs_command(const std::shared_ptr<RepairArguments>& arguments) {
  return {.name = "packs",
          .summary = "Save what is whole of damaged packs",
          .description =
              "A pack consists of frames that are whole or not, each by itself. What is whole, and "
              "in no other pack, is stored again in new packs; the damaged one stays where it is, "
              "marked, and no backup relies on it any more. Without names these are the packs that "
              "a check has marked ('backstay check --read-data') and those that do not have the "
              "length that the index says. The exit code is 13 when something is lost: a backup "
              "of the source stores again what it still has.",
          .examples = {{"backstay repair packs --dry-run", "Show what could be saved"},
                       {"backstay repair packs 3f2a99c1", "Only this one"}},
          .arguments = {{.name = "PACK",
                         .help = "the name of a pack or at least 8 digits of it",
                         .arity = Arity::kAny,
                         .set = [arguments](std::string_view name) -> Result<void> {
                           arguments->packs.emplace_back(name);
                           return {};
                         }}},
          .options = {dry_run_option(*arguments)},
          .run = [arguments](Context& context) { return repair_packs(context, *arguments); }};
}

Command snapshots_command_of(const std::shared_ptr<RepairArguments>& arguments) {
  std::vector<Option> options{
      flag("--keep", arguments->keep, "leave the damaged snapshots beside the new ones"),
      dry_run_option(*arguments)};
  append_choice_options(options, arguments->choice);
  return {
      .name = "snapshots",
      .summary = "Take out of snapshots what is lost for good",
      .description =
          "Where a part of a snapshot cannot be read, another one is made without it, which "
          "says so: it is partial, its errors name what is lost, and restores that delete do "
          "not touch that. Tags and holds come along, and then the damaged snapshot is "
          "removed. Files are never shortened: one of which anything is lost is left out.\n\n"
          "Before that, save what can be saved: 'backstay repair packs', and a backup of the "
          "source, which stores again what it still has; nothing brings back what was taken "
          "out. Look at --dry-run first.",
      .examples = {{"backstay repair snapshots --dry-run", "Show what would be left out"},
                   {"backstay repair snapshots 1a2b3c4d --keep", "Make one beside a damaged one"}},
      .arguments = {snapshots_argument(arguments->snapshots, Arity::kAny)},
      .options = std::move(options),
      .run = [arguments](Context& context) { return repair_snapshots(context, *arguments); }};
}

}  // namespace

Command repair_command() {
  const auto arguments = std::make_shared<RepairArguments>();
  Command command{
      .name = "repair",
      .summary = "Mend a damaged repository",
      .description =
          "In this order: look at the disk; 'backstay check --read-data' says what is damaged; "
          "'repair index', 'repair packs', a backup of each source, 'repair snapshots'. Each shows "
          "with --dry-run what it would do, may be stopped anywhere and run again, and runs beside "
          "backups; 'repair generations' alone must be alone. docs/repair.md says more.",
      .examples = {{"backstay repair packs --dry-run", "Show what could be saved"}}};
  command.commands.push_back(index_command(arguments));
  command.commands.push_back(packs_command(arguments));
  command.commands.push_back(generations_command(arguments));
  command.commands.push_back(snapshots_command_of(arguments));
  return command;
}

}  // namespace backstay::cli
