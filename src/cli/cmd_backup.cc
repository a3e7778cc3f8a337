#include <fmt/format.h>

#include <chrono>
#include <memory>
#include <optional>

#include "base/try.h"
#include "cli/commands.h"
#include "cli/compression_option.h"
#include "cli/console.h"
#include "cli/copy_to_places.h"
#include "cli/duration.h"
#include "cli/exclusion_options.h"
#include "cli/keep_parity.h"
#include "cli/output_json.h"
#include "cli/output_text.h"
#include "cli/place_set.h"
#include "cli/restore_journals.h"
#include "cli/running.h"
#include "cli/session.h"
#include "cli/snapshot_choice.h"
#include "cli/source_paths.h"
#include "cli/stage.h"
#include "cli/staged_backup.h"
#include "cli/store_lock.h"
#include "engine/backup.h"
#include "engine/notes.h"
#include "io/machine.h"
#include "io/stream.h"
#include "json/json.h"
#include "snapshot/clean_paths.h"
#include "snapshot/tree_key.h"
#include "source/file_source.h"
#include "source/stream_source.h"

namespace backstay::cli {
namespace {

struct BackupArguments {
  std::vector<std::string> paths;
  std::vector<std::string> files_from;
  std::vector<std::string> files_from_raw;
  std::optional<std::vector<std::string>> listed;  // what these name, once they were read
  bool from_stdin = false;
  bool from_command = false;
  std::string stdin_filename = "stdin";
  std::vector<std::string> command;
  std::vector<std::string> tags;
  std::string parent;
  std::chrono::seconds lock_for{0};
  StageOptions stage;
  Patterns excludes;
  source::FileSourceOptions source;
  engine::BackupOptions engine;
};

Result<void> refuse_contradictions(const BackupArguments& arguments) {
  const bool stream = arguments.from_stdin || arguments.from_command;
  const bool lists = !arguments.files_from.empty() || !arguments.files_from_raw.empty();
  const auto wrong = [](std::string what) {
    return fail(ErrorCode::kInvalidArgument, std::move(what));
  };
  if (arguments.from_stdin && arguments.from_command) {
    return wrong("only one of --stdin and --stdin-from-command makes sense");
  }
  if (stream && (lists || (arguments.from_stdin && !arguments.paths.empty()))) {
    return wrong("a stream is backed up alone: leave the paths out");
  }
  if (arguments.from_command && arguments.command.empty() && arguments.paths.empty()) {
    return wrong("--stdin-from-command needs a command after '--'");
  }
  if (arguments.engine.type == snapshot::BackupType::kFull && !arguments.parent.empty()) {
    return wrong("a full backup compares with nothing: leave out --parent or --type full");
  }
  if (!stream && !lists && arguments.paths.empty()) return wrong("PATH is missing");
  if (!arguments.stage.folder.empty() && arguments.lock_for.count() > 0) {
    return wrong("what may be kept in a stage cannot be locked: leave out --lock-for or --stage");
  }
  if (!arguments.stage.folder.empty() && !arguments.parent.empty()) {
    return wrong("a stage compares with what it has: leave out --parent or --stage");
  }
  return {};
}

// What the lists name. They may be pipes: they are read once, also where a run begins anew.
Result<void> read_lists(BackupArguments& arguments, const std::stop_token& stop) {
  if (arguments.listed) return {};
  std::vector<std::string> listed;
  for (const std::string& list : arguments.files_from) {
    const std::string text = TRY(read_list(list, stop));
    for (const std::string& line : lines_of_list(text)) {
      for (std::string& path : expand_glob(line)) listed.push_back(std::move(path));
    }
  }
  for (const std::string& list : arguments.files_from_raw) {
    const std::string bytes = TRY(read_list(list, stop));
    for (std::string& path : names_of_raw_list(bytes)) listed.push_back(std::move(path));
  }
  arguments.listed = std::move(listed);
  return {};
}

// The paths of the command line and of all lists, absolute, clean, sorted and unique.
Result<std::vector<std::string>> all_paths(BackupArguments& arguments,
                                           const std::stop_token& stop) {
  TRY(read_lists(arguments, stop));
  std::vector<std::string> given = arguments.paths;
  given.insert(given.end(), arguments.listed->begin(), arguments.listed->end());
  if (given.empty()) return fail(ErrorCode::kInvalidArgument, "the lists name nothing to back up");
  return snapshot::clean_paths(std::move(given), TRY(io::current_directory()));
}

// People who give a link often mean what it leads to. Lists may name thousands on purpose, so only
// the paths of the command line count.
void tell_about_links(Console& console, std::vector<std::string> given,
                      const std::vector<std::string>& all, const std::string& current) {
  for (const std::string& link : links_on_the_way(all)) {
    console.note(
        fmt::format("{} is a symbolic link; it is recorded as the folder that it leads to", link));
  }
  for (std::string& path : given) path = snapshot::clean_path(path, current);
  const std::vector<std::string> links = links_among(given);
  if (links.empty()) return;
  const std::string which = links.size() == 1 ? fmt::format("{} is a symbolic link", links.front())
                                              : fmt::format("{} and {} more are symbolic links",
                                                            links.front(), links.size() - 1);
  console.note(which + ": the link itself is stored, not what it leads to");
}

// What the source reads: fills in the paths that name the series, and gives the way to open it.
Result<engine::OpenSource> choose_source(const Context& context, BackupArguments& arguments,
                                         const repo::Repository& repository) {
  if (arguments.from_stdin || arguments.from_command) {
    if (arguments.from_stdin && !io::is_readable(0)) {
      return std::unexpected(
          Error(ErrorCode::kInvalidArgument, "standard input is closed: there is nothing to store")
              .with_hint("Give it a pipe or a file, or </dev/null for a file that is empty."));
    }
    source::StreamSourceOptions stream;
    stream.path = snapshot::clean_path(arguments.stdin_filename, "/");
    if (arguments.from_command) {
      stream.command = arguments.paths;
      stream.command.insert(stream.command.end(), arguments.command.begin(),
                            arguments.command.end());
    }
    arguments.engine.paths = {stream.path};
    return engine::OpenSource([stream, &clock = context.clock](source::SourceHooks hooks) {
      source::StreamSourceOptions with_hooks = stream;
      with_hooks.stop = std::move(hooks.stop);
      return source::open_stream_source(std::move(with_hooks), clock);
    });
  }
  source::FileSourceOptions options = arguments.source;
  options.paths = TRY(all_paths(arguments, context.stop.get_token()));
  options.excludes = arguments.excludes.filter;
  // A backup of its own repository or cache would grow with every run.
  options.never = kept_folders(context, repository);
  if (!arguments.stage.folder.empty()) options.never.push_back(arguments.stage.folder);
  const std::string current = TRY(io::current_directory());
  for (const std::string& place : options.never) {
    arguments.engine.places_left_out.push_back(snapshot::clean_path(place, current));
  }
  tell_about_links(context.console, arguments.paths, options.paths, current);
  arguments.engine.paths = options.paths;
  return engine::OpenSource([options](source::SourceHooks hooks) {
    return source::open_file_source(options, std::move(hooks.report));
  });
}

Result<void> complete(const Context& context, BackupArguments& arguments,
                      repo::Repository& repository) {
  engine::BackupOptions& options = arguments.engine;
  options.tags = split_tags(arguments.tags);
  if (options.host.empty()) options.host = io::hostname();
  options.user = io::user_name();
  options.excludes = arguments.excludes.texts;
  options.exclude_larger_than = arguments.source.exclude_larger_than;
  options.threads = context.options.threads;
  options.memory_limit = context.options.memory_limit;
  if (!arguments.parent.empty()) {
    options.parent = TRY(find_snapshot(context, repository, {}, arguments.parent)).stored.id;
  }
  return {};
}

// Without a command to run, what stands after "--" are paths that may begin with a dash.
void sort_trailing_words(BackupArguments& arguments) {
  if (arguments.from_command) return;
  arguments.paths.insert(arguments.paths.end(), arguments.command.begin(), arguments.command.end());
  arguments.command.clear();
}

// Who may not read cannot tell what the snapshot needs; better said before the work than after.
Result<void> refuse_lock_without_full_key(const BackupArguments& arguments,
                                          const repo::Repository& repository) {
  if (arguments.lock_for.count() == 0 || !repository.keyring().is_write_only()) return {};
  return std::unexpected(
      Error(ErrorCode::kWrongKey, "the key is write-only: it cannot lock what it stores")
          .with_hint("Leave out --lock-for, and lock with 'backstay hold --lock' and a full key."));
}

// A new snapshot is held and locked like any other.
Result<void> lock_new(Context& context, repo::Repository& repository,
                      const snapshot::SnapshotId& id, std::chrono::seconds span) {
  const auto now = TRY(engine::time_of_store(repository));
  Timestamp until = now.value_or(context.clock.now());
  until.seconds += span.count();
  const repo::Hold hold{
      .until = until,
      .reason = "backup --lock-for",
      .author = {.time = context.clock.now(), .host = io::hostname(), .user = io::user_name()},
      .locked = true};
  TRY(engine::hold(repository, {id}, hold, fence_wait(context)));
  return lock_in_store_and_tell(context, repository, {id}, until);
}

Result<MadeBackup> make_backup(Context& context, BackupArguments& arguments,
                               repo::Repository& repository) {
  TRY(complete(context, arguments, repository));
  Running running(context);
  const engine::OpenSource open_source = TRY(choose_source(context, arguments, repository));
  engine::BackupReport report =
      TRY(engine::backup(repository, open_source, arguments.engine, running.activity()));
  if (report.id) keep_parity_after(context, repository, running);
  running.finish();
  return MadeBackup{
      .report = std::move(report), .seconds = running.seconds(), .reported = running.reported()};
}

ExitCode tell_backup(const Context& context, const BackupArguments& arguments,
                     const MadeBackup& made) {
  const bool staged = made.durable == Durable::kStage && made.report.id;
  if (context.console.json()) {
    json::Json line = backup_summary(made.report, made.seconds);
    if (!arguments.stage.folder.empty() && made.report.id)
      line["durable"] = to_string(made.durable);
    context.console.print_json(line);
  } else if (!context.options.quiet) {
    context.console.print(backup_text(made.report, arguments.engine.dry_run, made.seconds));
    if (staged) {
      context.console.print(fmt::format("kept in {}, not yet at {}\n", arguments.stage.folder,
                                        context.options.repository));
    }
  }
  const bool partial = made.report.snapshot.stats.errors > 0 || made.reported > 0 || !made.all_sent;
  return partial ? ExitCode::kPartial : ExitCode::kDone;
}

Result<ExitCode> run_backup_with_stage(Context& context, BackupArguments& arguments) {
  arguments.stage.folder =
      snapshot::clean_path(arguments.stage.folder, TRY(io::current_directory()));
  const Stage stage(context, arguments.stage);
  const MadeBackup made = TRY(back_up_with_stage(
      context, stage, arguments.from_stdin ? SourceIs::kReadOnce : SourceIs::kReadAgain,
      [&](repo::Repository& repository, std::uint64_t memory_beside) {
        arguments.engine.source_bytes = memory_beside;
        return make_backup(context, arguments, repository);
      },
      arguments.engine.dry_run ? Storing::kNo : Storing::kYes));
  return tell_backup(context, arguments, made);
}

// In a set the primary, and never a copy instead: copies hold what the primary has, and a snapshot
// that only one of them had would be missed in the others.
Result<std::unique_ptr<repo::Repository>> open_to_back_up(const Context& context,
                                                          GivenCredential& given) {
  if (whole_set(context) == nullptr)
    return open_repository(context, KeyUse::kWriting, WhenChanged::kRefuse);
  given = TRY(read_given_credential(context));
  auto opened = open_repository(context, KeyUse::kWriting, WhenChanged::kRefuse, &given);
  if (opened) return opened;
  const Error& error = opened.error();
  return std::unexpected(
      Error(error.code(), fmt::format("nothing was backed up: {}, the primary, cannot be used: {}",
                                      context.in_set->place.name, error.describe()))
          .with_hint(is_away(error)
                         ? "Make it reachable. Copies are made from it, and never in its place."
                         : error.hint()));
}

Result<ExitCode> run_backup(Context& context, BackupArguments& arguments) {
  sort_trailing_words(arguments);
  TRY(refuse_contradictions(arguments));
  if (!arguments.stage.folder.empty() && whole_set(context) != nullptr) {
    return std::unexpected(
        Error(ErrorCode::kInvalidArgument, "a stage is for one repository, and not for a set")
            .with_hint("Give the primary alone, as set:FILE#NAME; 'backstay copy' brings the "
                       "copies what is sent."));
  }
  if (!arguments.stage.folder.empty()) return run_backup_with_stage(context, arguments);
  GivenCredential given;
  const auto repository = TRY(open_to_back_up(context, given));
  TRY(refuse_lock_without_full_key(arguments, *repository));
  const MadeBackup made = TRY(make_backup(context, arguments, *repository));
  Result<void> locked;
  if (made.report.id && arguments.lock_for.count() > 0)
    locked = lock_new(context, *repository, *made.report.id, arguments.lock_for);
  Result<bool> copied = true;
  ExitCode code = ExitCode::kDone;
  // For people in the order in which it happened; programs find the summary at the end.
  if (!context.console.json()) code = tell_backup(context, arguments, made);
  if (whole_set(context) != nullptr && !arguments.engine.dry_run)
    copied = copy_after_backup(context, *repository, given, made.report.id);
  if (context.console.json()) code = tell_backup(context, arguments, made);
  TRY_DOING("locking the snapshot, which is stored", std::move(locked));
  const bool all_copied = TRY_DOING("copying the snapshot, which is stored", std::move(copied));
  return all_copied ? code : ExitCode::kPartial;
}

void append_source_options(std::vector<Option>& options, BackupArguments& to) {
  append_exclusion_options(options, to.excludes, to.source);
  options.push_back(
      texts("--files-from", "FILE", to.files_from,
            "take paths from a file or - (standard input), one a line, patterns allowed"));
  options.push_back(texts("--files-from-raw", "FILE", to.files_from_raw,
                          "the same, each ended by a zero byte, as they are"));
  options.push_back(flag("--stdin", to.from_stdin, "back up standard input as one file"));
  options.push_back(flag("--stdin-from-command", to.from_command,
                         "back up what the command after -- prints; fails when the command fails"));
  options.push_back(text("--stdin-filename", "NAME", to.stdin_filename,
                         "its path in the snapshot, /stdin by default"));
  options.push_back(flag("--with-atime", to.source.with_atime, "keep times of the last access"));
}

std::vector<Option> backup_options(BackupArguments& to) {
  using snapshot::BackupType;
  std::vector<Option> options{
      choice<BackupType>(
          "--type", "TYPE", to.engine.type,
          {{"full", BackupType::kFull},
           {"incremental", BackupType::kIncremental},
           {"differential", BackupType::kDifferential}},
          "full reads everything anew; incremental (the default) compares with the last snapshot, "
          "differential with the last full one"),
      texts("--tag", "TAG", to.tags, "mark the snapshot (a,b or repeated)"),
      text("-H,--host", "HOST", to.engine.host, "record this host name instead of the machine's"),
      text("--description", "TEXT", to.engine.description, "keep this text with the snapshot"),
  };
  append_source_options(options, to);
  options.push_back({.names = "--lock-for",
                     .value = "SPAN",
                     .help = "nobody forgets the snapshot for so long (30d): as hold --lock",
                     .set = [&to](std::string_view given) -> Result<void> {
                       to.lock_for = TRY(parse_duration(given));
                       return {};
                     }});
  append_stage_options(options, to.stage);
  options.push_back(text("--parent", "SNAP", to.parent, "compare with this snapshot"));
  options.push_back(flag("-n,--dry-run", to.engine.dry_run, "read and compare, store nothing"));
  options.push_back(flag("--skip-if-unchanged", to.engine.skip_if_unchanged,
                         "make no snapshot when nothing changed"));
  options.push_back(compression_option([&to](repo::Compression c) { to.engine.compression = c; }));
  options.push_back(
      choice<engine::Cutting>("--chunking", "HOW", to.engine.cutting,
                              {{"auto", engine::Cutting::kAuto},
                               {"content", engine::Cutting::kContent},
                               {"pages", engine::Cutting::kFixed}},
                              "cut files by content, in pages (databases, disk images), or auto"));
  return options;
}

}  // namespace

Command backup_command() {
  const auto arguments = std::make_shared<BackupArguments>();
  SetValue add_path = [arguments](std::string_view path) -> Result<void> {
    arguments->paths.emplace_back(path);
    return {};
  };
  SetValue add_word = [arguments](std::string_view word) -> Result<void> {
    arguments->command.emplace_back(word);
    return {};
  };
  return {
      .name = "backup",
      .summary = "Back up files and folders into a new snapshot",
      .description =
          "Walks the paths and stores what the repository does not have yet. Every snapshot "
          "restores alone, "
          "whatever its type. Files that cannot be read are named, the run goes on and ends with "
          "exit code 3.\n\n"
          "Patterns: * ? [...] fit within one name, ** any number of folders; a leading / counts "
          "from the "
          "root; a leading ! takes back what an earlier pattern left out.\n\n"
          "With --stage DIR a backup is kept in DIR while the repository is away, and sent by the "
          "next one that finds it there ('backstay stage'). DIR must have seen the repository "
          "once: run the same command while it is there.\n\n"
          "With a set of repositories (--repo set:FILE, docs/copies.md) the snapshot goes into the "
          "primary, and from there into the copies, with what they missed. A copy that is away is "
          "named, gets it the next time, and the exit code is 3.",
      .examples = {{"backstay backup /home --exclude '*.tmp' --tag daily", "Back up a folder"},
                   {"backstay backup --type full /home", "Read everything anew"},
                   {"backstay backup --stdin-from-command --stdin-filename db.sql -- pg_dump shop",
                    "Back up what a program prints"}},
      .arguments = {{.name = "PATH",
                     .help = "file or folder to back up",
                     .arity = Arity::kAny,
                     .set = add_path,
                     .setting = "paths"}},
      .options = backup_options(*arguments),
      .trailing = Argument{.name = "CMD ARG...",
                           .help = "the command of --stdin-from-command; without that option, "
                                   "paths that may begin with a dash",
                           .arity = Arity::kAny,
                           .set = add_word,
                           .setting = "command"},
      .run = [arguments](Context& context) { return run_backup(context, *arguments); }};
}

}  // namespace backstay::cli
