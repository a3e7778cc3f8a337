#include <fmt/format.h>

#include <memory>

#include "base/try.h"
#include "cli/commands.h"
#include "cli/console.h"
#include "cli/output_text.h"
#include "cli/place_set.h"
#include "cli/restore_journals.h"
#include "cli/session.h"
#include "cli/snapshot_choice.h"
#include "cli/text_layout.h"
#include "json/json.h"
#include "mount/serve.h"

namespace backstay::cli {
namespace {

struct MountArguments {
  std::string target;
  bool allow_other = false;
  SnapshotChoice choice;
};

void tell_ready(const Context& context, const std::string& target, std::size_t snapshots) {
  Console& console = context.console;
  if (console.json()) {
    json::Json line = json::line_of("mounted");
    json::put_text(line, "target", target);
    line["snapshots"] = snapshots;
    console.print_json_now(line);
  }
  console.note(fmt::format("{} at {}; Ctrl-C here, or 'umount {}', ends it",
                           counted(snapshots, "snapshot"), target, target));
}

void tell_trouble(const Context& context, const std::string& what, const Error& error) {
  Console& console = context.console;
  console.warning(fmt::format("{}: {}", what, error.describe()), error.hint());
  if (!console.json()) return;
  json::Json line = json::line_of("file_error");
  json::put_text(line, "path", what);
  line["message"] = error.describe();
  if (!error.hint().empty()) line["hint"] = error.hint();
  console.print_json_now(line);
}

ExitCode tell_end(const Context& context, const std::string& target,
                  const mount::ServeReport& report) {
  Console& console = context.console;
  if (report.detached)
    console.warning(fmt::format("programs still used {}: it was taken away all the same", target),
                    "What they had open there cannot be read any more.");
  if (console.json()) {
    json::Json line = json::line_of("summary");
    line["snapshots"] = report.snapshots;
    line["errors"] = report.errors;
    line["interrupted"] = report.stopped;
    line["detached"] = report.detached;
    console.print_json(line);
  }
  if (report.stopped) return ExitCode::kInterrupted;
  if (report.damage) return ExitCode::kDamage;
  return report.errors > 0 ? ExitCode::kPartial : ExitCode::kDone;
}

Result<ExitCode> mount_place(Context& context, const MountArguments& arguments) {
  const auto repository = TRY(open_repository(context));
  mount::ServeOptions options;
  options.target = arguments.target;
  options.access = arguments.allow_other ? mount::Access::kAll : mount::Access::kOwner;
  options.list = [&]() -> Result<std::vector<repo::StoredSnapshot>> {
    SnapshotList list = TRY(list_snapshots(context, *repository));
    note_uncounted(context, *repository);
    return chosen(std::move(list.snapshots), arguments.choice);
  };
  bool loaded = false;
  options.load_index = [&]() -> Result<void> {
    if (std::exchange(loaded, true))
      return repository->load_index([](const repo::ObjectId&, const Error&) {});
    TRY(load_index(context, *repository));
    return {};
  };
  options.keep = kept_folders(context, *repository);
  options.threads = context.options.threads;
  options.memory_limit = context.options.memory_limit;
  engine::Progress progress;
  engine::Activity activity{
      .progress = progress,
      .stop = context.stop.get_token(),
      .report = [&](const std::string& what,
                    const Error& error) { tell_trouble(context, what, error); },
      .note = [&](const std::string& message) { context.console.note(message); }};
  const mount::ServeReport report = TRY(mount::serve(
      *repository, options,
      [&](std::size_t snapshots) { tell_ready(context, arguments.target, snapshots); }, activity));
  return tell_end(context, arguments.target, report);
}

Result<ExitCode> run_mount(Context& context, const MountArguments& arguments) {
  return read_from_places(context, [&](Context& place) { return mount_place(place, arguments); });
}

}  // namespace

Command mount_command() {
  const auto arguments = std::make_shared<MountArguments>();
  std::vector<Option> options{flag("--allow-other", arguments->allow_other,
                                   "let other users in, as far as the permissions of the files "
                                   "allow; else only who mounts may look, at everything")};
  append_choice_options(options, arguments->choice);
  SetValue set_target = [arguments](std::string_view target) -> Result<void> {
    arguments->target = target;
    return {};
  };
  return {
      .name = "mount",
      .summary = "Show snapshots as folders",
      .description =
          "Shows the snapshots as folders and files below DIR, read-only, until it is unmounted "
          "(umount DIR, or fusermount3 -u DIR) or interrupted with Ctrl-C. It is ready at once "
          "whatever the size of the repository: what nobody looks at is not read.\n\n"
          "latest is the newest snapshot. snapshots/ has each of them by time (in UTC) and id, "
          "hosts/HOST/ and tags/TAG/ lead to those of one host or tag, and each has a latest. "
          "by-path/ has every path that any snapshot has, as a folder; a file is a folder, too, "
          "with its versions side by side, called by the snapshot that has it first, its size and "
          "its name. The same content is shown once.\n\n"
          "Snapshots that are made meanwhile appear within seconds; those that are forgotten go, "
          "but what they need stays as long as the mount. Where something is damaged, reading it "
          "fails with an input/output error, which is told on standard error with the file and the "
          "snapshot, and all else can be read.\n\n"
          "With --memory-limit about half of it holds what was read lately. Users other than root "
          "need fusermount3 (Debian: fuse3), and --allow-other needs user_allow_other in "
          "/etc/fuse.conf. The exit code is 0 when it was unmounted, 130 after Ctrl-C, and 13 or 3 "
          "when something could not be read because of damage or for another reason.",
      .examples = {{"backstay mount /mnt/backups", "All snapshots, until Ctrl-C"},
                   {"backstay mount --host web1 --tag daily /mnt/backups",
                    "Those of one host and tag"}},
      .arguments = {{.name = "DIR",
                     .help = "a folder; what is in it is hidden meanwhile",
                     .arity = Arity::kOne,
                     .set = set_target}},
      .options = std::move(options),
      .run = [arguments](Context& context) { return run_mount(context, *arguments); }};
}

}  // namespace backstay::cli
