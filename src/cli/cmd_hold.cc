#include <fmt/format.h>

#include <memory>

#include "base/try.h"
#include "cli/commands.h"
#include "cli/console.h"
#include "cli/running.h"
#include "cli/session.h"
#include "cli/snapshot_choice.h"
#include "cli/store_lock.h"
#include "cli/text_layout.h"
#include "engine/notes.h"
#include "engine/store_lock.h"
#include "io/machine.h"
#include "json/json.h"

namespace backstay::cli {
namespace {

struct HoldArguments {
  std::vector<std::string> snapshots;
  std::string until;
  std::string reason;
  bool lock = false;
  bool legal = false;
};

json::Json line_about(const char* type, const snapshot::SnapshotId& id) {
  json::Json line = json::line_of(type);
  line["id"] = id.hex();
  line["short_id"] = id.short_hex();
  return line;
}

Result<ExitCode> run_hold(Context& context, const HoldArguments& arguments) {
  repo::Hold made;
  made.reason = arguments.reason;
  made.author = {.time = context.clock.now(), .host = io::hostname(), .user = io::user_name()};
  made.locked = arguments.lock;
  if (arguments.lock && arguments.until.empty()) {
    return std::unexpected(Error(ErrorCode::kInvalidArgument, "a lock needs a time to end")
                               .with_hint("Say until when with --until: nobody can release it."));
  }
  made.legal = arguments.legal;
  if (arguments.legal && !arguments.until.empty()) {
    return std::unexpected(
        Error(ErrorCode::kInvalidArgument, "a legal hold has no time to end")
            .with_hint("Leave --until out, or use --lock: both may be on one snapshot."));
  }
  if (!arguments.until.empty()) made.until = TRY(parse_time(arguments.until, context.clock.now()));
  const auto repository = TRY(open_repository(context));
  if (made.legal) TRY(engine::require_legal_holds(*repository));
  const NamedSnapshots named =
      TRY(find_named(context, *repository, {}, arguments.snapshots, DamagedByName::kRefuse));
  std::vector<snapshot::SnapshotId> ids;
  for (const repo::StoredSnapshot& stored : named.whole) ids.push_back(stored.id);
  TRY(engine::hold(*repository, ids, made, fence_wait(context)));
  for (const snapshot::SnapshotId& id : ids) {
    if (!context.console.json()) {
      context.console.print(
          fmt::format("{} {} {}\n", id.short_hex(), made.locked ? "locked" : "held",
                      made.until ? "until " + format_local(*made.until) : "until it is released"));
      continue;
    }
    json::Json line = line_about("held", id);
    line["until"] = made.until ? json::Json(format_rfc3339(*made.until)) : json::Json(nullptr);
    line["locked"] = made.locked;
    line["legal"] = made.legal;
    json::put_text(line, "reason", made.reason);
    context.console.print_json(line);
  }
  if (made.legal) TRY(hold_in_store_and_tell(context, *repository, ids));
  if (made.locked) TRY(lock_in_store_and_tell(context, *repository, ids, *made.until));
  return ExitCode::kDone;
}

Result<ExitCode> run_release(Context& context, const HoldArguments& arguments) {
  const auto repository = TRY(open_repository(context));
  // A damaged one may be held, too, and has to be released before it can be removed.
  const NamedSnapshots named =
      TRY(find_named(context, *repository, {}, arguments.snapshots, DamagedByName::kTake));
  std::vector<snapshot::SnapshotId> ids = named.damaged;
  for (const repo::StoredSnapshot& stored : named.whole) ids.push_back(stored.id);
  Running running(context);
  const auto released = TRY(engine::release(*repository, ids, running.activity()));
  running.finish();
  for (const auto& [id, holds] : released) {
    if (context.console.json()) {
      json::Json line = line_about("released", id);
      line["holds"] = holds;
      context.console.print_json(line);
    } else {
      context.console.print(
          fmt::format("{} {}\n", id.short_hex(), holds > 0 ? "released" : "was not held"));
    }
  }
  return ExitCode::kDone;
}

}  // namespace

Command hold_command() {
  const auto arguments = std::make_shared<HoldArguments>();
  return {
      .name = "hold",
      .summary = "Keep snapshots from being forgotten",
      .description =
          "A held snapshot is not removed by forget, neither by rules nor by name, until the "
          "time is over or it is released. The time is that of the repository's store. There "
          "may be several holds on one snapshot; each of them binds.\n\n"
          "With --lock nobody can release the hold before its time: forget and release refuse "
          "and say until when, and prune keeps all that the snapshot needs. Where the store has "
          "object lock, it keeps all of that, too, whatever program asks: a folder on a file "
          "system with extended attributes, and as root the kernel enforces it. Elsewhere, who "
          "can remove files of the repository by other means is not stopped.\n\n"
          "With --legal the store itself keeps all that the snapshot needs, for no time: until it "
          "is released by who has the right to end legal holds there (S3 buckets with object "
          "lock). Several snapshots may need the same: it stays until the last one is released.",
      .examples = {{"backstay hold 1a2b3c4d --until 2027-05-01 --reason 'audit'",
                    "Hold one for a while"},
                   {"backstay hold latest --until 2027-05-01 --lock", "A retention lock"},
                   {"backstay hold latest --legal", "Until it is released, by the store itself"},
                   {"backstay hold latest", "Hold the newest until it is released"}},
      .arguments = {snapshots_argument(arguments->snapshots, Arity::kAtLeastOne)},
      .options = {text("--until", "TIME", arguments->until,
                       "RFC 3339, 2027-05-01 10:30 or 2027-05-01; else until it is released"),
                  text("--reason", "TEXT", arguments->reason, "said by snapshots and forget"),
                  flag("--lock", arguments->lock, "not to be released before that time"),
                  flag("--legal", arguments->legal, "a legal hold in the store itself")},
      .run = [arguments](Context& context) { return run_hold(context, *arguments); }};
}

Command release_command() {
  const auto arguments = std::make_shared<HoldArguments>();
  return {.name = "release",
          .summary = "Remove the holds of snapshots",
          .description =
              "All holds of a snapshot are removed, whoever made them. Of a legal hold the store "
              "lets go before what no other one needs.",
          .examples = {{"backstay release 1a2b3c4d", "Let it be forgotten again"}},
          .arguments = {snapshots_argument(arguments->snapshots, Arity::kAtLeastOne)},
          .run = [arguments](Context& context) { return run_release(context, *arguments); }};
}

}  // namespace backstay::cli
