#include <fmt/format.h>

#include <algorithm>
#include <memory>

#include "base/try.h"
#include "cli/commands.h"
#include "cli/console.h"
#include "cli/output_json.h"
#include "cli/output_text.h"
#include "cli/restore_journals.h"
#include "cli/running.h"
#include "cli/session.h"
#include "engine/restore_safety.h"
#include "json/json.h"

namespace backstay::cli {
namespace {

struct RollbackArguments {
  std::string restore;
  bool no_safety_snapshot = false;
};

Error another_repository(const engine::RestoreRecord& record) {
  return Error(ErrorCode::kInvalidArgument,
               fmt::format("what restore {} changed is kept in another repository", record.id))
      .with_hint(fmt::format("Give the one at {} with --repo.", record.repository));
}

Result<repo::StoredSnapshot> find_safety(const Context& context, repo::Repository& repository,
                                         const engine::RestoreRecord& record) {
  if (repository.config().id.hex() != record.repository_id)
    return std::unexpected(another_repository(record));
  SnapshotList list = TRY(list_snapshots(context, repository));
  for (repo::StoredSnapshot& stored : list.snapshots) {
    if (stored.id.hex() == record.safety) return std::move(stored);
  }
  return std::unexpected(
      Error(ErrorCode::kNotFound, fmt::format("the safety snapshot {} is not in the repository",
                                              record.safety.substr(0, 8)))
          .with_hint("It was forgotten or is damaged: 'backstay check' tells. Without it there is "
                     "no way back."));
}

// Said of restores that there is nothing to take back of.
Result<void> require_changes(const engine::KnownRestore& known) {
  switch (known.state) {
    case engine::RestoreState::kRolledBack:
      return std::unexpected(
          Error(ErrorCode::kNotFound,
                fmt::format("restore {} was rolled back before", known.record.id))
              .with_hint(fmt::format("To have again what it made, roll back the rollback: backstay "
                                     "rollback {}",
                                     known.record.rolled_back_by)));
    case engine::RestoreState::kRunning:
      return std::unexpected(
          Error(ErrorCode::kConflict, fmt::format("restore {} is running", known.record.id))
              .with_hint("Wait for its end, or end it with Ctrl-C."));
    default:
      return {};
  }
}

void tell(Context& context, const engine::RestoreReport& report, double seconds,
          const engine::RestoreSafety& safety) {
  Console& console = context.console;
  const engine::RestoreJournal* const journal = safety.journal();
  if (console.json()) {
    json::Json line = restore_summary(report, seconds);
    if (journal != nullptr) line["restore_id"] = journal->record().id;
    console.print_json(line);
  } else if (!context.options.quiet) {
    console.print(restore_text(report, false, seconds));
    if (journal != nullptr)
      console.print(
          fmt::format("to undo this rollback: backstay rollback {}\n", journal->record().id));
  }
}

Result<ExitCode> run_rollback(Context& context, const RollbackArguments& arguments) {
  const std::string journals = journals_folder(context.environment);
  const engine::KnownRestore known = TRY(engine::find_restore(journals, arguments.restore));
  TRY(require_changes(known));
  if (known.state == engine::RestoreState::kNothingDone) {
    context.console.note(
        fmt::format("restore {} ended before it changed anything", known.record.id));
    if (context.console.json()) context.console.print_json(restore_summary({}, 0));
    return ExitCode::kDone;
  }
  const engine::RestorePaths paths = TRY(engine::read_restore_paths(journals, known.record.id));
  const auto repository = TRY(open_repository(context));
  const repo::StoredSnapshot stored = TRY(find_safety(context, *repository, known.record));
  TRY(load_index(context, *repository));

  engine::RestoreOptions options;
  options.threads = context.options.threads;
  options.memory_limit = context.options.memory_limit;
  options.keep = kept_folders(context, *repository);
  Running running(context);
  engine::SafetyOptions safe = safety_options(context, *repository, options.keep);
  safe.when = engine::SafetyOptions::When::kAlways;
  safe.snapshot = stored.id.hex();
  safe.rollback_of = known.record.id;
  engine::RestoreSafety safety(*repository, paths.target, safe, running.activity());
  if (!arguments.no_safety_snapshot) options.keeper = &safety;
  auto done = engine::roll_back(*repository, stored, paths, std::move(options), running.activity());
  if (!done) return std::unexpected(with_ways_on(std::move(done).error(), safety));
  running.finish();
  // What was not brought back can be tried again, so only a whole one counts as done.
  if (done->errors == 0) {
    const auto journal = TRY(engine::RestoreJournal::reopen(journals, known.record));
    engine::RestoreRecord record = known.record;
    record.rolled_back_by =
        safety.journal() != nullptr ? safety.journal()->record().id : known.record.id;
    TRY(journal->write(std::move(record)));
  }
  TRY(safety.finish(*done));
  tell(context, *done, running.seconds(), safety);
  return done->errors > 0 ? ExitCode::kPartial : ExitCode::kDone;
}

}  // namespace

Command rollback_command() {
  const auto arguments = std::make_shared<RollbackArguments>();
  SetValue set_restore = [arguments](std::string_view which) -> Result<void> {
    arguments->restore = which;
    return {};
  };
  return {
      .name = "rollback",
      .summary = "Undo a restore that kept a safety snapshot",
      .description =
          "What the restore made is removed, and what it replaced, deleted or changed comes "
          "back from the safety snapshot, with its attributes; also after a restore, or a "
          "rollback, that was interrupted. What stands there now is kept first, in a safety "
          "snapshot of its own, so that a rollback can be rolled back.\n\n"
          "It works on the machine that restored, for the user who did: there is the journal "
          "(~/.local/state/backstay/restores). Elsewhere the safety snapshot can be restored "
          "like any other, by its id.",
      .examples = {{"backstay rollback latest", "Undo the last restore"},
                   {"backstay rollback 3f2a", "Undo the one that 'backstay restores' names so"}},
      .arguments = {{.name = "RESTORE_ID",
                     .help = "id or at least 4 digits of it, or latest",
                     .arity = Arity::kOne,
                     .set = set_restore}},
      .options = {flag("--no-safety-snapshot", arguments->no_safety_snapshot,
                       "do not keep what stands there now: it is lost then")},
      .run = [arguments](Context& context) { return run_rollback(context, *arguments); }};
}

}  // namespace backstay::cli
