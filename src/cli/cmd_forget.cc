#include <fmt/format.h>
#include <fmt/ranges.h>

#include <memory>

#include "base/try.h"
#include "cli/commands.h"
#include "cli/console.h"
#include "cli/forget_output.h"
#include "cli/keep_options.h"
#include "cli/output_text.h"
#include "cli/prune_output.h"
#include "cli/session.h"
#include "cli/snapshot_choice.h"
#include "engine/forget.h"
#include "io/machine.h"
#include "json/json.h"

namespace backstay::cli {
namespace {

struct ForgetArguments {
  std::vector<std::string> snapshots;
  SnapshotChoice choice;
  policy::Retention retention;
  policy::Grouping grouping;
  bool dry_run = false;
  bool prune = false;
  engine::PruneOptions pruning;
};

// What happens while forgetting, as it is shown.
class ForgetShow {
 public:
  ForgetShow(Context& context, bool dry_run) : console_(context.console), dry_run_(dry_run) {}

  [[nodiscard]] engine::ForgetEvents events() {
    return {.planned =
                [this](const engine::ForgetPlan& plan) {
                  to_go_ = engine::to_be_removed(plan);
                  show(plan);
                },
            .removed =
                [this](const snapshot::SnapshotId& id) {
                  removed_.push_back(id.short_hex());
                  if (console_.json()) console_.print_json_now(removed_line(id));
                }};
  }
  void finish(const engine::ForgetReport& report) {
    if (console_.json())
      console_.print_json(forget_summary(report, dry_run_));
    else
      console_.print(forget_text(report, dry_run_));
  }
  [[nodiscard]] const std::vector<snapshot::SnapshotId>& to_go() const { return to_go_; }
  // After a failure half-way.
  void say_what_was_removed() {
    if (removed_.empty()) return;
    console_.warning(fmt::format("{} removed before this failed: {}",
                                 counted(removed_.size(), "snapshot"), fmt::join(removed_, ", ")));
  }

 private:
  void show(const engine::ForgetPlan& plan) {
    if (!console_.json()) {
      console_.print(forget_plan_text(plan));
      return;
    }
    for (const json::Json& line : forget_plan_lines(plan)) console_.print_json(line);
  }

  Console& console_;
  const bool dry_run_;
  std::vector<snapshot::SnapshotId> to_go_;
  std::vector<std::string> removed_;
};

Result<engine::ForgetOptions> forget_options(const Context& context, repo::Repository& repository,
                                             const ForgetArguments& arguments) {
  engine::ForgetOptions options;
  options.retention = arguments.retention;
  options.grouping = arguments.grouping;
  options.dry_run = arguments.dry_run;
  options.host = io::hostname();
  options.user = io::user_name();
  options.selects = [&arguments](const repo::StoredSnapshot& stored) {
    return !chosen({stored}, arguments.choice).empty();
  };
  if (arguments.snapshots.empty()) return options;
  NamedSnapshots named = TRY(
      find_named(context, repository, arguments.choice, arguments.snapshots, DamagedByName::kTake));
  options.named = std::move(named.damaged);
  for (const repo::StoredSnapshot& stored : named.whole) options.named.push_back(stored.id);
  return options;
}

Result<ExitCode> run_forget(Context& context, const ForgetArguments& arguments) {
  const bool by_name = !arguments.snapshots.empty();
  if (by_name && !arguments.retention.empty()) {
    return std::unexpected(
        Error(ErrorCode::kInvalidArgument, "snapshots are named and rules are given")
            .with_hint("Name what is to go, or say by rules what is to stay."));
  }
  const auto repository = TRY(open_repository(context));
  const engine::ForgetOptions options = TRY(forget_options(context, *repository, arguments));
  std::uint64_t troubles = 0;
  engine::Progress progress;
  engine::Activity activity{
      .progress = progress,
      .stop = context.stop.get_token(),
      .report =
          [&](const std::string& path, const Error& error) {
            ++troubles;
            // By name they have been told when they were looked for.
            if (!by_name) context.console.warning(path + ": " + error.describe());
          },
      .note = [&](const std::string& message) { context.console.note(message); }};
  ForgetShow show(context, arguments.dry_run);
  auto report = engine::forget(*repository, options, show.events(), activity);
  if (!report) {
    show.say_what_was_removed();
    return std::unexpected(std::move(report).error());
  }
  if (!by_name && report->groups == 0 && arguments.choice.any()) {
    context.console.warning(
        "no snapshot fits --host, --tag and --path as they were given: 'backstay snapshots' shows "
        "what there is");
  }
  ExitCode code = troubles > 0 && !by_name ? ExitCode::kDamage : ExitCode::kDone;
  // People read what was forgotten before the long work begins; the sum is the last line of JSON.
  if (!context.console.json()) show.finish(*report);
  if (arguments.prune) {
    engine::PruneOptions pruning = arguments.pruning;
    pruning.dry_run = arguments.dry_run;
    pruning.without = {show.to_go().begin(), show.to_go().end()};
    const auto pruned = prune_and_show(context, *repository, pruning, "prune");
    if (!pruned) {
      if (context.console.json()) show.finish(*report);
      return std::unexpected(pruned.error().clone());
    }
    if (code == ExitCode::kDone) code = *pruned;
  }
  if (context.console.json()) show.finish(*report);
  return code;
}

std::vector<Option> forget_option_table(ForgetArguments& to) {
  std::vector<Option> options;
  append_rule_options(options, to.retention);
  options.push_back({.names = "-g,--group-by",
                     .value = "WHAT",
                     .help = "what the rules count together: host, paths, tags, several with "
                             "commas, or none (else host,paths)",
                     .set = [&to](std::string_view given) -> Result<void> {
                       to.grouping = TRY(policy::parse_grouping(given));
                       return {};
                     }});
  options.push_back(flag("-n,--dry-run", to.dry_run, "show what would be done, remove nothing"));
  options.push_back(flag("--prune", to.prune, "then free the space, as prune does"));
  append_prune_options(options, to.pruning);
  append_choice_options(options, to.choice);
  // As with restic, -H is for hours here.
  for (Option& option : options) {
    if (option.names == "-H,--host") option.names = "--host";
  }
  return options;
}

}  // namespace

Command forget_command() {
  const auto arguments = std::make_shared<ForgetArguments>();
  return {
      .name = "forget",
      .summary = "Remove snapshots, by name or by rules",
      .description =
          "Named snapshots are removed. Without names, rules say what is kept: a snapshot stays if "
          "any rule keeps it, and for each one it is shown why. Rules count the snapshots of each "
          "host and set of paths by themselves; hours, days, weeks, months and years are those of "
          "the local time zone (TZ). Times in the future count for nothing.\n\n"
          "No rule removes the newest complete snapshot of a source or of a group, nor one that is "
          "held, nor one that is damaged; a held one is refused by name, too. Forgetting does not "
          "free the space: prune does, or --prune.",
      .examples = {{"backstay forget --keep-daily 7 --keep-weekly 5 --keep-monthly 12 --dry-run",
                    "Show what a usual policy would do"},
                   {"backstay forget 1a2b3c4d", "Remove one"},
                   {"backstay forget --keep-daily 7 --keep-weekly 5 --prune",
                    "Forget, and give the space back"},
                   {"backstay forget --keep-within 1m --keep-tag release --host web",
                    "A month of one host, and what is tagged"}},
      .arguments = {snapshots_argument(arguments->snapshots, Arity::kAny)},
      .options = forget_option_table(*arguments),
      .run = [arguments](Context& context) { return run_forget(context, *arguments); }};
}

}  // namespace backstay::cli
