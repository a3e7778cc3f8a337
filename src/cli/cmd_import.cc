#include <fmt/format.h>

#include <algorithm>
#include <atomic>
#include <memory>

#include "base/try.h"
#include "cli/commands.h"
#include "cli/compression_option.h"
#include "cli/console.h"
#include "cli/foreign_password.h"
#include "cli/global_options.h"
#include "cli/import_output.h"
#include "cli/keep_parity.h"
#include "cli/running.h"
#include "cli/session.h"
#include "cli/snapshot_choice.h"
#include "engine/import.h"
#include "engine/select.h"
#include "foreign/borg/borg_repository.h"
#include "foreign/restic/restic_repository.h"
#include "io/machine.h"
#include "json/json.h"
#include "snapshot/tree_key.h"

namespace backstay::cli {
namespace {

using foreign::ForeignSnapshot;

struct ImportArguments {
  std::string from;
  ForeignPassword password;
  std::vector<std::string> snapshots;
  SnapshotChoice choice;
  engine::ImportOptions engine;
  // Of borg's alone.
  bool bypass_lock = false;
  std::string scratch_folder;
  std::string base;
};

// As snapshots of ours are chosen: both have ids of 64 digits.
Result<std::vector<repo::StoredSnapshot>> as_stored(const std::vector<ForeignSnapshot>& all) {
  std::vector<repo::StoredSnapshot> stored;
  for (const ForeignSnapshot& one : all) {
    const auto id = snapshot::SnapshotId::from_hex(one.id);
    if (!id) return fail(ErrorCode::kCorruption, "the id of a snapshot is none");
    stored.push_back({.id = *id, .snapshot = one.record});
  }
  return stored;
}

// Those that are named, or all that fit.
Result<std::vector<ForeignSnapshot>> wanted(const Context& context,
                                            const std::vector<ForeignSnapshot>& all,
                                            const ImportArguments& arguments) {
  const std::vector<repo::StoredSnapshot> fitting = chosen(TRY(as_stored(all)), arguments.choice);
  std::vector<std::string> ids;
  for (const repo::StoredSnapshot& one : fitting) {
    if (arguments.snapshots.empty()) ids.push_back(one.id.hex());
  }
  for (const std::string& which : arguments.snapshots) {
    const auto by_name = std::ranges::find_if(
        all, [&](const ForeignSnapshot& one) { return !one.name.empty() && one.name == which; });
    if (by_name != all.end()) {
      ids.push_back(by_name->id);
    } else {
      ids.push_back(TRY(engine::select_snapshot(fitting, {}, which, context.clock.now())).id.hex());
    }
  }
  std::vector<ForeignSnapshot> found = all;
  std::erase_if(found, [&](const ForeignSnapshot& one) {
    return std::ranges::find(ids, one.id) == ids.end();
  });
  return found;
}

Result<ExitCode> run_import(Context& context, foreign::ForeignRepository& from,
                            const ImportArguments& arguments) {
  const auto to = TRY(open_repository(context, KeyUse::kReading, WhenChanged::kRefuse));
  engine::ImportOptions options = arguments.engine;
  options.threads = context.options.threads;
  options.memory_limit = context.options.memory_limit;
  Running running(context);
  engine::Activity& activity = running.activity();
  const foreign::ForeignHooks hooks{
      .report = activity.report, .note = activity.note, .stop = activity.stop};
  engine::ForeignChoice choice;
  choice.all = TRY(from.snapshots(hooks));
  choice.wanted = TRY(wanted(context, choice.all, arguments));
  const auto tell = [&](const engine::ImportedSnapshot& one) {
    if (context.console.json()) {
      context.console.print_json(imported_line(one));
    } else if (!context.options.quiet || one.outcome == engine::ImportOutcome::kFailed) {
      context.console.print(imported_text(one));
    }
  };
  const engine::ImportReport report =
      TRY(engine::import_snapshots(from, *to, choice, options, activity, tell));
  if (!options.dry_run) keep_parity_after(context, *to, running);
  running.finish();
  if (context.console.json()) {
    context.console.print_json(import_summary(report, running.seconds()));
  } else if (!context.options.quiet) {
    context.console.print(import_text(report, options.dry_run, running.seconds()));
  }
  const bool all_whole = report.failed == 0 && running.reported() == 0;
  return all_whole ? ExitCode::kDone : ExitCode::kPartial;
}

Result<ExitCode> import_restic(Context& context, const ImportArguments& arguments) {
  const std::string password = TRY(restic_password(context, arguments.password));
  const auto from = TRY(
      foreign::restic::ResticRepository::open(arguments.from, password, context.stop.get_token()));
  return run_import(context, *from, arguments);
}

Result<ExitCode> import_borg(Context& context, const ImportArguments& arguments) {
  foreign::borg::BorgOptions options;
  options.repository = arguments.from;
  options.passphrase = TRY(borg_passphrase(context, arguments.password));
  options.bypass_lock = arguments.bypass_lock;
  options.scratch_folder = !arguments.scratch_folder.empty()
                               ? arguments.scratch_folder
                               : context.environment.get("TMPDIR").value_or("/var/tmp");
  if (!arguments.base.empty()) {
    options.base =
        snapshot::key_from_path(snapshot::clean_path(arguments.base, TRY(io::current_directory())));
  }
  const auto from = TRY(foreign::borg::BorgRepository::open(options, context.stop.get_token()));
  return run_import(context, *from, arguments);
}

std::vector<Argument> import_arguments(const std::shared_ptr<ImportArguments>& to, const char* what,
                                       const char* which) {
  SetValue set_from = [to](std::string_view from) -> Result<void> {
    to->from = from;
    return {};
  };
  SetValue add_snapshot = [to](std::string_view snapshot) -> Result<void> {
    to->snapshots.emplace_back(snapshot);
    return {};
  };
  return {{.name = "REPO", .help = what, .arity = Arity::kOne, .set = set_from},
          {.name = "SNAP", .help = which, .arity = Arity::kAny, .set = add_snapshot}};
}

void append_common_options(std::vector<Option>& options, ImportArguments& to) {
  options.push_back(flag("-n,--dry-run", to.engine.dry_run, "say what would be imported"));
  options.push_back(compression_option([&to](repo::Compression c) { to.engine.compression = c; }));
}

constexpr const char* kHowItGoes =
    "What was imported already is left out, so that the same command run again imports what is "
    "new, and goes on where an interrupted one stopped. Each snapshot keeps time, host, user, "
    "paths, tags and all else that is known of it, and all metadata of its files; later backups "
    "of the same files find their bytes there. What was stored is compared with the original "
    "before it counts. A snapshot that is damaged is named and not imported, the others are, and "
    "the exit code is 3.\n\n"
    "Nothing is written to the repository that is imported from.";

Command import_restic_command() {
  const auto arguments = std::make_shared<ImportArguments>();
  std::vector<Option> options;
  append_foreign_password_options(options, arguments->password, "RESTIC_PASSWORD");
  append_choice_options(options, arguments->choice);
  append_common_options(options, *arguments);
  return {
      .name = "restic",
      .summary = "Import snapshots of a restic repository",
      .description =
          std::string("Brings the named snapshots, or all, of a restic repository (formats 1 and "
                      "2) in a folder over, oldest first. restic itself is not needed. ") +
          kHowItGoes +
          " No lock is taken there either: let no 'restic prune' run meanwhile.\n\n"
          "The password: --from-password-file, --from-password-command, RESTIC_PASSWORD, "
          "RESTIC_PASSWORD_FILE or RESTIC_PASSWORD_COMMAND, else it is asked for.",
      .examples = {{"backstay import restic /mnt/restic-repo", "Import all snapshots"},
                   {"backstay import restic /mnt/restic-repo --host web latest",
                    "Import the last one of a host"}},
      .arguments = import_arguments(arguments, "a folder with a restic repository",
                                    "a snapshot to import, as its id or 'latest'; all when none "
                                    "is named"),
      .options = std::move(options),
      .run = [arguments](Context& context) { return import_restic(context, *arguments); }};
}

Command import_borg_command() {
  const auto arguments = std::make_shared<ImportArguments>();
  std::vector<Option> options;
  append_foreign_password_options(options, arguments->password, "BORG_PASSPHRASE");
  options.push_back(
      text("-H,--host", "HOST", arguments->choice.host, "only archives of this host"));
  options.push_back(text("--base", "DIR", arguments->base,
                         "the folder in which relative paths were backed up; without it they lie "
                         "in /"));
  options.push_back(flag("--bypass-lock", arguments->bypass_lock,
                         "let borg take no lock, for a repository that cannot be written"));
  options.push_back(text("--scratch-dir", "DIR", arguments->scratch_folder,
                         "where files lie while they are imported (TMPDIR, else /var/tmp)"));
  append_common_options(options, *arguments);
  return {
      .name = "borg",
      .summary = "Import archives of a borg repository",
      .description =
          std::string("Brings the named archives, or all, of a borg repository (1.x) over, "
                      "oldest first. borg itself (1.1 or later) reads it, so anything works "
                      "that borg can open, 'ssh://...' too. ") +
          kHowItGoes +
          " borg takes its lock while it reads, and keeps a cache of its own.\n\n"
          "The passphrase: --from-password-file, --from-password-command, or as borg itself "
          "finds it (BORG_PASSPHRASE, BORG_PASSCOMMAND, BORG_PASSPHRASE_FD).\n\n"
          "Files wait in the scratch folder, up to a quarter of its free space at a time; a "
          "larger one goes straight through.",
      .examples = {{"backstay import borg /mnt/borg-repo", "Import all archives"},
                   {"backstay import borg ssh://nas/./repo web-2026-11-21", "Import one archive"}},
      .arguments = import_arguments(arguments, "a borg repository, as borg takes it",
                                    "an archive to import, by name, as its id or 'latest'; "
                                    "all when none is named"),
      .options = std::move(options),
      .run = [arguments](Context& context) { return import_borg(context, *arguments); }};
}

}  // namespace

Command import_command() {
  return {.name = "import",
          .summary = "Bring over the snapshots of another program",
          .description =
              "Imports what another backup program has stored, so that one can switch "
              "and keep the past.",
          .commands = {import_restic_command(), import_borg_command()}};
}

}  // namespace backstay::cli
