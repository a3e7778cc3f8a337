#include <fmt/format.h>

#include "backend/backend.h"
#include "base/try.h"
#include "cli/commands.h"
#include "cli/console.h"
#include "cli/output_text.h"
#include "cli/session.h"
#include "cli/store_lock.h"
#include "engine/store_lock.h"
#include "json/json.h"

namespace backstay::cli {
namespace {

void print_state(Context& context, const backend::Backend& store, const backend::Keeping& keeping) {
  const backend::Capabilities can = store.capabilities();
  if (context.console.json()) {
    json::Json line = json::line_of("append_only");
    line["append_only"] = can.append_only;
    line["objects"] = keeping.objects;
    line["objects_kept_by_store"] = keeping.by_store;
    line["object_lock"] = lock_keeper(can);
    context.console.print_json(line);
    return;
  }
  const std::string where = store.describe();
  if (!can.append_only) {
    context.console.print(fmt::format("{} is not append-only\n", where));
    return;
  }
  const std::uint64_t by_programs = keeping.objects - keeping.by_store;
  context.console.print(
      fmt::format("{} is append-only: {} stay\n", where, counted(keeping.objects, "object")));
  if (keeping.by_store > 0) {
    context.console.print(
        fmt::format("  {} by the store itself: no program of a client removes "
                    "them\n",
                    counted(keeping.by_store, "object")));
  }
  if (by_programs > 0) {
    context.console.print(fmt::format(
        "  {} because backstay refuses: who may write the store's files can still remove them\n",
        counted(by_programs, "object")));
  }
}

// Whoever may read what is there may say that it stays.
Result<ExitCode> turn_on(Context& context) {
  const OpenStore store = TRY(open_store(context));
  TRY_DOING("making the repository append-only",
            store.backend->set_append_only(backend::AppendOnly::kOn));
  print_state(context, *store.backend, TRY(store.backend->keeping()));
  return ExitCode::kDone;
}

// With a full key as well as the folder: that a machine owns the files is no reason that it may.
Result<ExitCode> turn_off(Context& context) {
  const auto repository = TRY(open_repository(context));
  const std::size_t hidden = TRY(engine::snapshots_that_would_not_count(*repository)).size();
  TRY_DOING("making the repository one that lets go",
            repository->store().set_append_only(backend::AppendOnly::kOff));
  print_state(context, repository->store(), {});
  if (hidden > 0) {
    context.console.warning(fmt::format(
        "{} do not count any more, because a collection took the leases that made them for ended: "
        "prune would remove them. If you did not expect that, turn append-only on again, and copy "
        "them to another repository first (docs/threat-model.md)",
        counted(hidden, "snapshot")));
  }
  return ExitCode::kDone;
}

Result<ExitCode> show(Context& context) {
  const OpenStore store = TRY(open_store(context));
  print_state(context, *store.backend, TRY(store.backend->keeping()));
  return ExitCode::kDone;
}

}  // namespace

Command append_only_command() {
  Command command{
      .name = "append-only",
      .summary = "Keep everything that is in a repository",
      .description =
          "In an append-only repository nothing is removed but the leases of operations that have "
          "ended. Backups, copies, checks and restores work as ever; forget, prune, release and "
          "the removal of keys refuse before they begin.\n\n"
          "In a folder this is a rule that backstay keeps to. Where the command is run as root on "
          "a file system that has immutable files, each object is made immutable as well: then "
          "not even the owner of the files removes one, by whatever program. Objects that clients "
          "without that right store later are brought in when 'append-only on' is run again."};
  command.commands.push_back(
      {.name = "on",
       .summary = "Let nothing go from now on; needs no passphrase",
       .description = "Only the owner of the folder, and root, may. Run again, it goes on with "
                      "what came since, which makes it a job for root's timer.",
       .examples = {{"backstay append-only on -r /srv/backup", "Keep all that is there"}},
       .run = turn_on});
  command.commands.push_back(
      {.name = "off",
       .summary = "Let objects go again",
       .description = "Only the owner of the folder, and root, may, and only with a full key. What "
                      "is locked until a time (hold --lock) stays until then.",
       .run = turn_off});
  command.commands.push_back({.name = "status",
                              .summary = "Show whether it is on, and what it is worth",
                              .description = {},
                              .run = show});
  return command;
}

}  // namespace backstay::cli
