#include <memory>

#include "base/try.h"
#include "cli/commands.h"
#include "cli/console.h"
#include "cli/place_set.h"
#include "cli/session.h"
#include "cli/snapshot_choice.h"
#include "engine/activity.h"
#include "engine/restore.h"
#include "engine/select.h"
#include "snapshot/tree_key.h"

namespace backstay::cli {
namespace {

struct DumpArguments {
  std::string snapshot;
  std::string path;
  SnapshotChoice choice;
};

Result<ExitCode> dump_from_place(Context& context, const DumpArguments& arguments) {
  const auto repository = TRY(open_repository(context));
  const engine::SnapshotArgument argument = engine::parse_snapshot_argument(arguments.snapshot);
  // A pipe hides warnings.
  const FoundSnapshot found =
      TRY(find_snapshot(context, *repository, arguments.choice, argument.which, PassOver::kRefuse));
  TRY(load_index(context, *repository));
  const std::string folder = argument.subpath.empty() ? "/" : argument.subpath;
  const std::string path = snapshot::clean_path(arguments.path, folder);
  engine::Progress progress;
  engine::Activity activity{
      .progress = progress,
      .stop = context.stop.get_token(),
      .report = [&](const std::string&,
                    const Error& error) { context.console.warning(error.describe()); },
      .note = [&](const std::string& message) { context.console.note(message); }};
  TRY(engine::dump(
      *repository, found.stored.snapshot, {.path = path, .id = found.stored.id},
      [&](ByteView bytes) -> Result<void> {
        context.console.print_bytes(bytes);
        return context.console.flush();
      },
      activity));
  return found.done();
}

Result<ExitCode> run_dump(Context& context, const DumpArguments& arguments) {
  return read_from_places(
      context, [&](Context& place) { return dump_from_place(place, arguments); },
      ResultsAre::kBytes);
}

}  // namespace

Command dump_command() {
  const auto arguments = std::make_shared<DumpArguments>();
  std::vector<Option> options;
  append_choice_options(options, arguments->choice);
  SetValue set_snapshot = [arguments](std::string_view which) -> Result<void> {
    arguments->snapshot = which;
    return {};
  };
  SetValue set_path = [arguments](std::string_view path) -> Result<void> {
    arguments->path = path;
    return {};
  };
  return {.name = "dump",
          .summary = "Write one file of a snapshot to standard output",
          .description =
              "Every byte that comes out was authenticated and belongs to the file. When damage is "
              "met on "
              "the way, what was written until then is a beginning of the file, and the exit code "
              "is not 0. Where latest or a time may mean a damaged snapshot, nothing comes out.",
          .examples = {{"backstay dump latest /db.sql | psql shop",
                        "Feed a backed-up stream to a program"}},
          .arguments = {{.name = "SNAP[:SUBPATH]",
                         .help = "id or at least 8 digits of it, latest, latest~N, or @TIME",
                         .arity = Arity::kOne,
                         .set = set_snapshot},
                        {.name = "PATH",
                         .help = "the file in the snapshot",
                         .arity = Arity::kOne,
                         .set = set_path}},
          .options = std::move(options),
          .run = [arguments](Context& context) { return run_dump(context, *arguments); }};
}

}  // namespace backstay::cli
