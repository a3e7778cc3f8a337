#include <fmt/format.h>

#include <algorithm>
#include <memory>

#include "base/try.h"
#include "cli/commands.h"
#include "cli/compression_option.h"
#include "cli/console.h"
#include "cli/copy_to_places.h"
#include "cli/global_options.h"
#include "cli/keep_parity.h"
#include "cli/output_json.h"
#include "cli/output_text.h"
#include "cli/place_set.h"
#include "cli/running.h"
#include "cli/session.h"
#include "cli/snapshot_choice.h"
#include "engine/copy.h"
#include "engine/move.h"
#include "engine/store_lock.h"
#include "io/machine.h"
#include "json/json.h"

namespace backstay::cli {
namespace {

struct CopyArguments {
  std::string to;
  std::string to_password_file;
  std::string to_password_command;
  std::string to_recovery_key_file;
  std::string to_key_file;
  std::string to_key_command;
  std::vector<std::string> snapshots;
  SnapshotChoice choice;
  bool move = false;
  engine::CopyOptions engine;
};

// The variables of the other repository have BACKSTAY_TO_ where those of the first have BACKSTAY_.
class OtherEnvironment final : public Environment {
 public:
  explicit OtherEnvironment(const Environment& first) : first_(first) {}
  [[nodiscard]] std::optional<std::string> get(std::string_view name) const override {
    constexpr std::string_view kPrefix = "BACKSTAY_";
    const std::string_view rest =
        name.starts_with(kPrefix) ? name.substr(kPrefix.size()) : std::string_view();
    const bool is_secret = rest.starts_with("PASSWORD") || rest.starts_with("RECOVERY_KEY") ||
                           rest.starts_with("KEY_");
    return first_.get(is_secret ? fmt::format("BACKSTAY_TO_{}", rest) : std::string(name));
  }
  [[nodiscard]] bool has_secret() const {
    for (const char* name :
         {"BACKSTAY_RECOVERY_KEY_FILE", "BACKSTAY_KEY_FILE", "BACKSTAY_KEY_COMMAND",
          "BACKSTAY_PASSWORD", "BACKSTAY_PASSWORD_FILE", "BACKSTAY_PASSWORD_COMMAND"}) {
      if (get(name)) return true;
    }
    return false;
  }

 private:
  const Environment& first_;
};

// The world as the other repository has it, which outlives what is opened in it. Without a secret
// of its own the other is taken to have the same.
class OtherWorld {
 public:
  OtherWorld(const Context& context, const CopyArguments& arguments)
      : environment_(context.environment), options_(context.options) {
    options_.repository = arguments.to;
    own_secret_ = !arguments.to_password_file.empty() || !arguments.to_password_command.empty() ||
                  !arguments.to_recovery_key_file.empty() || !arguments.to_key_file.empty() ||
                  !arguments.to_key_command.empty() || environment_.has_secret();
    if (own_secret_) {
      options_.password_file = arguments.to_password_file;
      options_.password_command = arguments.to_password_command;
      options_.recovery_key_file = arguments.to_recovery_key_file;
      options_.key_file = arguments.to_key_file;
      options_.key_command = arguments.to_key_command;
    }
    const Environment& environment =
        own_secret_ ? static_cast<const Environment&>(environment_) : context.environment;
    context_.emplace(Context{.program = context.program,
                             .options = options_,
                             .environment = environment,
                             .console = context.console,
                             .clock = context.clock,
                             .rng = context.rng,
                             .stop = context.stop});
  }
  OtherWorld(const OtherWorld&) = delete;
  OtherWorld& operator=(const OtherWorld&) = delete;

  // `given` is what was read for the first.
  Result<std::unique_ptr<repo::Repository>> open(const GivenCredential& given) {
    return open_repository(*context_, KeyUse::kReading, WhenChanged::kRefuse,
                           own_secret_ ? nullptr : &given);
  }

 private:
  const OtherEnvironment environment_;
  GlobalOptions options_;
  bool own_secret_ = false;
  std::optional<Context> context_;
};

// What the run is told of as it goes.
template <typename Line, typename Text>
void tell(const Context& context, const Line& line, const Text& text, bool always) {
  if (context.console.json())
    context.console.print_json(line());
  else if (!context.options.quiet || always)
    context.console.print(text());
}

// The originals of all that is there now, in the order given.
Result<engine::MoveReport> move(const Context& context, repo::Repository& from,
                                repo::Repository& to, const std::vector<engine::CopiedPair>& pairs,
                                const engine::CopyOptions& copying, Running& running) {
  const engine::MoveOptions options{.dry_run = copying.dry_run,
                                    .host = io::hostname(),
                                    .user = io::user_name(),
                                    .wait = copying.wait};
  return engine::move_originals(
      from, to, pairs, options, running.activity(), [&](const engine::MovedSnapshot& one) {
        tell(
            context, [&] { return moved_line(one); }, [&] { return moved_text(one); },
            one.outcome == engine::MoveOutcome::kFailed);
      });
}

struct Chosen {
  std::vector<repo::StoredSnapshot> snapshots;  // oldest first
  std::size_t damaged = 0;                      // of which nobody knows whether they were meant
};

// Those that are named, or all that fit.
Result<Chosen> choose(const Context& context, repo::Repository& repository,
                      const CopyArguments& arguments) {
  if (arguments.snapshots.empty()) {
    SnapshotList list = TRY(list_snapshots(context, repository));
    return Chosen{.snapshots = chosen(std::move(list.snapshots), arguments.choice),
                  .damaged = list.damaged.size()};
  }
  std::vector<repo::StoredSnapshot> named;
  for (const std::string& which : arguments.snapshots) {
    repo::StoredSnapshot found =
        TRY(find_snapshot(context, repository, arguments.choice, which, PassOver::kRefuse)).stored;
    if (std::ranges::find(named, found.id, &repo::StoredSnapshot::id) == named.end())
      named.push_back(std::move(found));
  }
  std::ranges::sort(named, {}, [](const auto& one) { return one.snapshot.started; });
  return Chosen{.snapshots = std::move(named), .damaged = 0};
}

engine::CopyOptions engine_options(const Context& context, const CopyArguments& arguments) {
  engine::CopyOptions options = arguments.engine;
  options.threads = context.options.threads;
  options.memory_limit = context.options.memory_limit;
  options.wait = fence_wait(context);
  return options;
}

// From the primary of a set to all its copies.
Result<ExitCode> copy_in_set(Context& context, const CopyArguments& arguments) {
  if (arguments.move) {
    return fail(ErrorCode::kInvalidArgument,
                "--move takes originals away, and a set is there to keep them");
  }
  const GivenCredential given = TRY(read_given_credential(context));
  const auto primary = TRY(open_repository(context, KeyUse::kReading, WhenChanged::kTell, &given));
  const Chosen chosen = TRY(choose(context, *primary, arguments));
  TRY(load_index(context, *primary));
  Running running(context);
  CopyToPlaces copying({.context = context,
                        .primary = *primary,
                        .given = given,
                        .options = engine_options(context, arguments),
                        .running = running,
                        .on_copied = [&](const engine::CopiedSnapshot& one) {
                          tell(
                              context, [&] { return copied_line(one); },
                              [&] { return copied_text(one); },
                              one.outcome == engine::CopyOutcome::kFailed);
                        }});
  for (const policy::Place& copy : context.in_set->set.copies)
    TRY(copying.copy_all(copy, chosen.snapshots));
  running.finish();
  engine::CopyReport report = copying.total();
  report.failed += chosen.damaged;
  if (context.console.json())
    context.console.print_json(copy_summary(report, std::nullopt, running.seconds()));
  if (report.failed > 0) return ExitCode::kDamage;
  return copying.complete() ? ExitCode::kDone : ExitCode::kPartial;
}

Result<ExitCode> run_copy(Context& context, const CopyArguments& arguments) {
  if (arguments.to.empty() && whole_set(context) != nullptr) return copy_in_set(context, arguments);
  if (arguments.to.empty()) {
    return std::unexpected(Error(ErrorCode::kInvalidArgument, "where to copy to is not said")
                               .with_hint("Name the other repository with --to, or give a set of "
                                          "repositories as --repo set:FILE."));
  }
  const GivenCredential given = TRY(read_given_credential(context));
  const auto from = TRY(open_repository(context, KeyUse::kReading, WhenChanged::kTell, &given));
  OtherWorld other(context, arguments);
  const auto to = TRY(other.open(given));
  const bool dry_run = arguments.engine.dry_run;
  if (arguments.move && !dry_run) TRY(engine::require_removals(*from, "copy --move"));
  const Chosen chosen = TRY(choose(context, *from, arguments));
  TRY(load_index(context, *from));
  const engine::CopyOptions options = engine_options(context, arguments);
  Running running(context);
  std::vector<engine::CopiedPair> pairs;
  const auto on_copied = [&](const engine::CopiedSnapshot& one) {
    if (one.copy) pairs.push_back({.original = one.original.id, .copy = *one.copy});
    tell(
        context, [&] { return copied_line(one); }, [&] { return copied_text(one); },
        one.outcome == engine::CopyOutcome::kFailed);
  };
  engine::CopyReport report =
      TRY(engine::copy(*from, *to, chosen.snapshots, options, running.activity(), on_copied));
  report.failed += chosen.damaged;
  std::optional<engine::MoveReport> moved;
  if (!dry_run) keep_parity_after(context, *to, running);
  if (arguments.move) moved = TRY(move(context, *from, *to, pairs, options, running));
  running.finish();
  if (context.console.json()) {
    context.console.print_json(copy_summary(report, moved, running.seconds()));
  } else if (!context.options.quiet) {
    context.console.print(copy_text(report, dry_run, running.seconds()));
    if (moved) context.console.print(move_text(*moved, dry_run));
  }
  return report.failed == 0 && (!moved || moved->failed == 0) ? ExitCode::kDone : ExitCode::kDamage;
}

std::vector<Option> copy_options(CopyArguments& to) {
  std::vector<Option> options{
      place("--to", "URL", to.to, "the repository to copy to; it must exist. Not for a set"),
      text("--to-password-file", "FILE", to.to_password_file,
           "its passphrase, when it is another than that of the first"),
      text("--to-password-command", "COMMAND", to.to_password_command,
           "a program that prints its passphrase"),
      text("--to-recovery-key-file", "FILE", to.to_recovery_key_file,
           "a file with its recovery key"),
      text("--to-key-file", "FILE", to.to_key_file, "its key file"),
      text("--to-key-command", "COMMAND", to.to_key_command, "a program that gives its key"),
  };
  append_choice_options(options, to.choice);
  options.push_back(
      flag("--move", to.move, "then read the copies back, compare, and forget the originals"));
  options.push_back(flag("-n,--dry-run", to.engine.dry_run, "say what would be copied, and moved"));
  options.push_back(compression_option([&to](repo::Compression c) { to.engine.compression = c; }));
  return options;
}

}  // namespace

Command copy_command() {
  const auto arguments = std::make_shared<CopyArguments>();
  SetValue add_snapshot = [arguments](std::string_view which) -> Result<void> {
    arguments->snapshots.emplace_back(which);
    return {};
  };
  return {
      .name = "copy",
      .summary = "Copy snapshots to another repository",
      .description =
          "Copies the named snapshots, or all, to a repository that may have other keys, packs and "
          "compression. What is there already is left out, so that the same command run again "
          "copies what is new, and goes on where an interrupted one stopped. Copies keep time, "
          "host, tags and all else that the originals say of themselves; later backups of the "
          "same files to the other repository find their bytes there.\n\n"
          "Copies, moves and backups may run at the same time; of two copies of one snapshot at "
          "once one remains. Tags that are changed later, and holds, follow with the next copy; a "
          "locked hold locks the copy, too. Releasing a hold does not follow. A snapshot that "
          "cannot be read whole is not copied, the "
          "others are, and the exit code is 13.\n\n"
          "With --move the originals of all that was named and is there now are forgotten, each "
          "after its copy was read back and compared with it byte for byte. What is held, and the "
          "newest good snapshot of a source, stays and is named. 'backstay prune' then frees the "
          "space. It can be interrupted at any time: at no moment is a snapshot in neither.\n\n"
          "Of a set of repositories (--repo set:FILE, docs/copies.md) it copies from the primary "
          "to "
          "all copies, without --to. A copy that is away is named, the others are made, and the "
          "exit code is 3.\n\n"
          "The other repository's passphrase: --to-password-file, --to-password-command, "
          "--to-recovery-key-file, or BACKSTAY_TO_PASSWORD and its like; without any of them it "
          "is taken to be the same.",
      .examples = {{"backstay copy --to /mnt/second", "Copy all snapshots that are not there yet"},
                   {"backstay copy --to /mnt/second --host web latest", "Copy one"},
                   {"backstay -r set:places.yaml copy", "Bring all copies of a set up to date"},
                   {"backstay copy --to /mnt/archive --move --tag yearly",
                    "Move what has a tag to an archive"}},
      .arguments = {{.name = "SNAP",
                     .help = "a snapshot to copy; all when none is named",
                     .arity = Arity::kAny,
                     .set = add_snapshot}},
      .options = copy_options(*arguments),
      .run = [arguments](Context& context) { return run_copy(context, *arguments); }};
}

}  // namespace backstay::cli
