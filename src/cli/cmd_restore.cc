#include <fmt/format.h>

#include <memory>
#include <optional>
#include <set>

#include "base/byte_size.h"
#include "base/try.h"
#include "cli/check_command.h"
#include "cli/commands.h"
#include "cli/console.h"
#include "cli/output_json.h"
#include "cli/output_text.h"
#include "cli/place_set.h"
#include "cli/plan_output.h"
#include "cli/restore_from_copies.h"
#include "cli/restore_journals.h"
#include "cli/running.h"
#include "cli/session.h"
#include "cli/snapshot_choice.h"
#include "cli/source_paths.h"
#include "cli/stage.h"
#include "cli/text_layout.h"
#include "engine/restore.h"
#include "engine/restore_plan.h"
#include "engine/select.h"
#include "io/file.h"
#include "json/json.h"
#include "snapshot/tree_key.h"

namespace backstay::cli {
namespace {

struct RestoreArguments {
  std::string snapshot;
  std::string at;  // a time, instead of the snapshot
  std::string target;
  SnapshotChoice choice;
  StageOptions stage;
  Patterns includes;
  Patterns excludes;
  bool plan = false;
  bool safety_snapshot = false;
  bool no_safety_snapshot = false;
  std::string check_command;
  std::string files_from;
  std::optional<std::set<std::string>> listed;  // what files_from names, once it was read
  bool no_ownership = false;
  engine::RestoreOptions engine;
};

engine::RestoreOptions complete(const Context& context, const RestoreArguments& arguments) {
  engine::RestoreOptions options = arguments.engine;
  options.target = arguments.target;
  options.subpath = engine::parse_snapshot_argument(arguments.snapshot).subpath;
  options.only = arguments.listed;
  options.includes = arguments.includes.filter;
  options.excludes = arguments.excludes.filter;
  options.ownership = !arguments.no_ownership;
  options.threads = context.options.threads;
  options.memory_limit = context.options.memory_limit;
  return options;
}

// What --delete takes away is named: with -v, and as JSON.
std::function<void(const std::string&, snapshot::EntryType)> tell_deleted(Console& console,
                                                                          bool dry_run) {
  return [&console, dry_run](const std::string& path, snapshot::EntryType type) {
    console.detail(fmt::format("{} {}", dry_run ? "would delete" : "deleted", path));
    if (console.json()) console.print_json(deleted_line(path, type));
  };
}

struct Restored {
  const engine::RestoreReport& report;
  bool dry_run = false;
  std::uint64_t from_copies = 0;
  const engine::RestoreJournal* journal = nullptr;  // null: nothing was kept
  bool validated = false;
  std::optional<std::int64_t> check_exit = {};
};

void print_result(Context& context, const Restored& restored, double seconds) {
  Console& console = context.console;
  const engine::RestoreReport& report = restored.report;
  if (console.json()) {
    json::Json line = restore_summary(report, seconds);
    if (context.in_set != nullptr) {
      line["place"] = context.in_set->place.name;
      line["paths_from_copies"] = restored.from_copies;
    }
    if (restored.validated) line["differences"] = report.differences;
    if (restored.check_exit) line["check_exit"] = *restored.check_exit;
    if (restored.journal != nullptr) line["restore_id"] = restored.journal->record().id;
    console.print_json(line);
  } else if (!context.options.quiet) {
    console.print(restore_text(report, restored.dry_run, seconds));
    if (restored.validated)
      console.print(report.differences == 0
                        ? "validated: everything is as in the snapshot\n"
                        : fmt::format("validated: {} from the snapshot\n",
                                      report.differences == 1
                                          ? "1 file differs"
                                          : counted(report.differences, "file") + " differ"));
    if (restored.journal != nullptr)
      console.print(
          fmt::format("to undo it: backstay rollback {}\n", restored.journal->record().id));
  }
  if (report.attributes_not_set > 0) {
    console.warning(
        fmt::format("{} could not get all of their attributes back; the files are whole",
                    counted(report.attributes_not_set, "item")));
  }
}

// What is there must not give way to a state that may be older than the one that was meant.
PassOver pass_over_damaged(const engine::RestoreOptions& options) {
  if (options.delete_extra) return PassOver::kRefuse;
  const auto names = io::list_directory(options.target);
  const bool is_missing = !names && names.error().code() == ErrorCode::kNotFound;
  return is_missing || (names && names->empty()) ? PassOver::kWarn : PassOver::kRefuse;
}

Result<std::unique_ptr<repo::Repository>> open_to_restore(const Context& context,
                                                          const Stage& stage) {
  if (stage.folder().empty()) return open_repository(context);
  TRY(stage.require_prepared());
  const GivenCredential given = TRY(read_given_credential(context));
  return stage.open_staged(TRY(stage.key_or_ask(given)), Stage::Bounds::kUnbounded);
}

// Better said before anything is written than file by file.
Result<void> require_whole(const Stage& stage, repo::Repository& repository,
                           const repo::StoredSnapshot& stored) {
  if (stage.folder().empty() || TRY(engine::is_whole_in_stage(repository, stored.snapshot)))
    return {};
  return std::unexpected(
      Error(ErrorCode::kNotFound,
            fmt::format("of snapshot {} only a part is in the stage: the rest is at {}",
                        stored.id.short_hex(), stage.remote()))
          .with_hint("Send it with 'backstay stage send', and restore it from there."));
}

// Touches nothing: what would keep the restore from beginning comes after the plan.
Result<ExitCode> show_plan(Context& context, repo::Repository& repository,
                           const FoundSnapshot& found, const engine::RestoreOptions& options) {
  Running running(context);
  engine::RestorePlan plan =
      TRY(engine::plan_restore(repository, found.stored.snapshot, options, running.activity()));
  running.finish();
  Console& console = context.console;
  if (console.json()) {
    console.print_json(plan_line(plan, running.seconds()));
  } else {
    console.print(plan_text(plan));
  }
  for (const std::string& warning : plan.warnings) console.warning(warning);
  if (plan.refusal) return std::unexpected(*std::move(plan.refusal));
  return plan.expected.errors > 0 ? ExitCode::kPartial : found.done();
}

Error stage_keeps_nothing() {
  return Error(ErrorCode::kUnsupported, "a stage keeps no safety snapshot")
      .with_hint(
          "Restore into an empty folder, give --no-safety-snapshot, or restore from the "
          "repository itself, without --stage.");
}

// For restores from a stage, which only those may store in that send it on.
class StageKeepsNothing final : public engine::restoring::ChangeKeeper {
 public:
  Result<void> keep(const engine::restoring::TargetChanges& changes) override {
    if (changes.takes_something()) return std::unexpected(stage_keeps_nothing());
    saved_.emplace();
    return {};
  }
  [[nodiscard]] const engine::restoring::SavedStates* saved() const override {
    return saved_ ? &*saved_ : nullptr;
  }

 private:
  std::optional<engine::restoring::SavedStates> saved_;
};

// What is asked for and not there was not restored either.
ExitCode tell_restored(Context& context, const Restored& restored, double seconds) {
  const engine::RestoreReport& report = restored.report;
  for (const std::string& pattern : report.unmatched)
    context.console.warning(fmt::format("--include '{}' selects nothing in the snapshot", pattern));
  for (const std::string& path : report.not_found)
    context.console.warning(
        fmt::format("{} of --files-from selects nothing in the snapshot", printable(path)));
  print_result(context, restored, seconds);
  if (restored.check_exit && *restored.check_exit != 0) {
    context.console.warning(
        fmt::format("the command of --check-command ended with {}", *restored.check_exit),
        restored.journal != nullptr
            ? "Look at what it said; 'backstay rollback' brings the target back."
            : "Look at what it said.");
    return ExitCode::kPartial;
  }
  return report.errors > 0 || !report.not_found.empty() ? ExitCode::kPartial : ExitCode::kDone;
}

Error with_way_on(Error error, const engine::RestoreSafety& safety) {
  if (safety.journal() == nullptr && error.code() == ErrorCode::kCancelled) {
    return std::move(error).with_hint(
        "Run the same command again to go on: what is right already is not fetched again.");
  }
  return with_ways_on(std::move(error), safety);
}

struct Chosen {
  const repo::StoredSnapshot& stored;
  engine::RestoreOptions options;
};

Result<ExitCode> restore_chosen(Context& context, const RestoreArguments& arguments,
                                repo::Repository& repository, Chosen chosen) {
  engine::RestoreOptions& options = chosen.options;
  Running running(context);
  DamageWatch watch(running.activity());
  engine::SafetyOptions safe = safety_options(context, repository, options.keep);
  if (arguments.safety_snapshot) safe.when = engine::SafetyOptions::When::kAlways;
  safe.snapshot = chosen.stored.id.hex();
  safe.validates = options.validate;
  engine::RestoreSafety safety(repository, options.target, safe, watch.activity());
  StageKeepsNothing stage_keeper;
  if (!arguments.no_safety_snapshot) options.keeper = &safety;
  if (options.keeper != nullptr && !arguments.stage.folder.empty()) options.keeper = &stage_keeper;
  auto restored = engine::restore(repository, chosen.stored.snapshot, options, watch.activity());
  if (!restored) return std::unexpected(with_way_on(std::move(restored).error(), safety));
  Restored done{.report = *restored,
                .dry_run = options.dry_run,
                .journal = safety.journal(),
                .validated = options.validate && !options.dry_run};
  if (whole_set(context) != nullptr && !options.dry_run) {
    const RestoredInPart in_part{.primary = repository,
                                 .stored = chosen.stored,
                                 .options = options,
                                 .watch = watch,
                                 .kept = safety.journal() != nullptr};
    done.from_copies = TRY(restore_from_copies(context, in_part, running, *restored));
  }
  if (!arguments.check_command.empty() && !options.dry_run) {
    const std::string id = done.journal != nullptr ? done.journal->record().id : "";
    done.check_exit = TRY(run_check_command(context, {.line = arguments.check_command,
                                                      .target = options.target,
                                                      .snapshot = chosen.stored.id,
                                                      .restore_id = id}));
  }
  TRY(safety.finish(*restored, done.check_exit));
  running.finish();
  return tell_restored(context, done, running.seconds());
}

Result<ExitCode> restore_from_place(Context& context, const RestoreArguments& arguments) {
  engine::RestoreOptions options = complete(context, arguments);
  const bool only_told = options.dry_run || arguments.plan;
  options.on_delete = tell_deleted(context.console, only_told);
  const Stage stage(context, arguments.stage);
  const auto repository = TRY(open_to_restore(context, stage));
  options.keep = kept_folders(context, *repository);
  const std::string which = engine::parse_snapshot_argument(arguments.snapshot).which;
  const FoundSnapshot found =
      TRY(find_snapshot(context, *repository, arguments.choice, which,
                        only_told ? PassOver::kWarn : pass_over_damaged(options)));
  options.id = found.stored.id;
  // Less than that one connection brings before others are made.
  constexpr std::uint64_t kMuch = 16 * kMiB;
  if (!only_told && found.stored.snapshot.stats.bytes_total >= kMuch)
    repository->store().expect_transfers();
  TRY(load_index(context, *repository));
  TRY(require_whole(stage, *repository, found.stored));
  if (arguments.plan) return show_plan(context, *repository, found, options);
  const ExitCode code = TRY(restore_chosen(
      context, arguments, *repository, {.stored = found.stored, .options = std::move(options)}));
  return code == ExitCode::kDone ? found.done() : code;
}

Result<void> refuse_contradictions(const RestoreArguments& arguments) {
  const auto wrong = [](std::string what) {
    return fail(ErrorCode::kInvalidArgument, std::move(what));
  };
  if (arguments.safety_snapshot && arguments.no_safety_snapshot)
    return wrong("--safety-snapshot and --no-safety-snapshot contradict each other");
  if (!arguments.files_from.empty() && arguments.engine.delete_extra) {
    return wrong(
        "--files-from names single files, and --delete is for whole folders: leave one of them "
        "out");
  }
  if (arguments.safety_snapshot && !arguments.stage.folder.empty())
    return std::unexpected(stage_keeps_nothing());
  return require_words(arguments.check_command);
}

// Paths in the snapshot; those that are not absolute count from the part that is restored.
Result<void> read_files_from(const Context& context, RestoreArguments& arguments) {
  if (arguments.files_from.empty()) return {};
  const std::string text = TRY(read_list(arguments.files_from, context.stop.get_token()));
  const std::string subpath = engine::parse_snapshot_argument(arguments.snapshot).subpath;
  std::set<std::string> listed;
  for (const std::string& line : lines_of_list(text))
    listed.insert(snapshot::clean_path(line, subpath.empty() ? "/" : subpath));
  if (listed.empty())
    return fail(ErrorCode::kInvalidArgument, "the list of --files-from names nothing to restore");
  arguments.listed = std::move(listed);
  return {};
}

// --at TIME is @TIME; what stands in the place of the snapshot is then only a part of it.
Result<void> choose_by_time(RestoreArguments& arguments) {
  if (arguments.at.empty()) {
    return arguments.snapshot.empty() ? fail(ErrorCode::kInvalidArgument, "SNAP is missing")
                                      : Result<void>();
  }
  if (!arguments.snapshot.empty() && !arguments.snapshot.starts_with(":/")) {
    return std::unexpected(
        Error(ErrorCode::kInvalidArgument, "a snapshot is named and --at says another way")
            .with_hint("With --at give nothing, or the part that is wanted: ':/home/ann'."));
  }
  arguments.snapshot = "@" + arguments.at + arguments.snapshot;
  return {};
}

Result<ExitCode> run_restore(Context& context, RestoreArguments& arguments) {
  TRY(choose_by_time(arguments));
  TRY(refuse_contradictions(arguments));
  TRY(read_files_from(context, arguments));
  return read_from_places(context,
                          [&](Context& place) { return restore_from_place(place, arguments); });
}

// Given in words, always means symbolic links to folders, too.
Option overwrite_option(RestoreArguments& to) {
  using engine::Overwrite;
  Option overwrite = choice<Overwrite>(
      "--overwrite", "WHEN", to.engine.overwrite,
      {{"always", Overwrite::kAlways},
       {"if-changed", Overwrite::kIfChanged},
       {"if-newer", Overwrite::kIfNewer},
       {"never", Overwrite::kNever}},
      "what to do with files that exist: always (the default; those that differ are replaced when "
      "the new one is whole), if-changed (size or time differ), if-newer, never. A symbolic link "
      "to a folder gives way to a folder only when always is given in words");
  overwrite.set = [&to, set = std::move(overwrite.set)](std::string_view when) -> Result<void> {
    TRY(set(when));
    to.engine.replace_folder_links = to.engine.overwrite == Overwrite::kAlways;
    return {};
  };
  return overwrite;
}

std::vector<Option> restore_options(RestoreArguments& to) {
  Option target =
      place("-t,--target", "DIR", to.target, "restore into this folder, made when it is missing");
  target.required = true;
  std::vector<Option> options{std::move(target)};
  options.push_back(place("--at", "TIME", to.at,
                          "the newest snapshot that began at this time or before, instead of SNAP: "
                          "'2026-11-21 10:30:05', '2h ago'; ':/home/ann' then says which part"));
  append_pattern_options(options, "include", "-i,", to.includes,
                         "restore only what fits this pattern");
  append_pattern_options(options, "exclude", "-e,", to.excludes,
                         "leave out what fits this pattern");
  options.push_back(overwrite_option(to));
  options.push_back(flag("--delete", to.engine.delete_extra,
                         "delete from restored folders what the snapshot does not have; what the "
                         "backup left out or may have left out for its size, the repository, the "
                         "cache and other file systems stay; "
                         "-v names what goes"));
  options.push_back(
      flag("-n,--dry-run", to.engine.dry_run, "say what would be done, change nothing"));
  options.push_back(flag("--plan", to.plan,
                         "say what would be done in full: files, bytes to write and to fetch, "
                         "conflicts, space, time; change nothing"));
  options.push_back(
      flag("--verify", to.engine.verify, "read everything back afterwards and compare"));
  options.push_back(
      flag("--validate", to.engine.validate,
           "as --verify, but past the system's cache, and types and links too; the result is kept "
           "with the restore ('backstay restores')"));
  options.push_back(place("--check-command", "CMD", to.check_command,
                          "run this afterwards, cut into words without a shell, with "
                          "BACKSTAY_RESTORE_TARGET in its environment; the exit code is 3 when it "
                          "fails"));
  options.push_back(place("--files-from", "FILE", to.files_from,
                          "restore only the paths listed in FILE, one a line, as the snapshot has "
                          "them or below SUBPATH ('-' for standard input)"));
  options.push_back(
      flag("--no-ownership", to.no_ownership, "leave owners and groups as they come"));
  options.push_back(flag("--safety-snapshot", to.safety_snapshot,
                         "keep what will change in a safety snapshot first, so that 'backstay "
                         "rollback' can undo the restore; so it is by itself where something "
                         "would be replaced or deleted"));
  options.push_back(flag("--no-safety-snapshot", to.no_safety_snapshot,
                         "keep nothing: what is replaced or deleted is lost"));
  options.push_back(place("--stage", "DIR", to.stage.folder,
                          "from what waits in DIR, where all of the snapshot is there"));
  append_choice_options(options, to.choice);
  return options;
}

}  // namespace

Command restore_command() {
  const auto arguments = std::make_shared<RestoreArguments>();
  SetValue set_snapshot = [arguments](std::string_view which) -> Result<void> {
    arguments->snapshot = which;
    return {};
  };
  return {
      .name = "restore",
      .summary = "Restore files from a snapshot",
      .description =
          "Absolute paths are laid out below the target folder; SNAP:SUBPATH puts the content of "
          "SUBPATH "
          "straight into it. Nothing is ever written outside of the target. Files that are damaged "
          "in the "
          "repository are named and not written; all others are restored, and the exit code is 3. "
          "It is 3, too, when latest or a time had to pass over a damaged snapshot: the newest "
          "whole one is restored then, but only into a folder that is empty or missing, and not "
          "with --delete.\n\n"
          "From a set of repositories (--repo set:FILE, docs/copies.md) files come from the "
          "primary, "
          "from a copy where the primary is away, and those alone that are damaged in the primary "
          "from the first copy that has them whole.",
      .examples = {{"backstay restore latest --target /tmp/back",
                    "Everything of the newest snapshot"},
                   {"backstay restore latest:/home/ann --target /home/ann",
                    "One folder, back in its place"},
                   {"backstay restore latest:/home/ann --target /home/ann --delete --plan",
                    "What that would do"},
                   {"backstay restore latest -t /srv --validate --check-command /srv/verify",
                    "And look whether it is as it should be"},
                   {"backstay restore --at 2026-11-21T10:30:05Z :/home/ann -t /tmp/back",
                    "One folder as it was at a moment"},
                   {"backstay restore 1a2b3c4d -t /tmp/back --include '*.odt'", "Some files"}},
      .arguments = {{.name = "SNAP[:SUBPATH]",
                     .help = "id or at least 8 digits of it, latest, latest~N, or @TIME",
                     .arity = Arity::kOptional,
                     .set = set_snapshot}},
      .options = restore_options(*arguments),
      .run = [arguments](Context& context) { return run_restore(context, *arguments); }};
}

}  // namespace backstay::cli
