#include "cli/store_lock.h"

#include <fmt/format.h>

#include "base/byte_size.h"
#include "base/try.h"
#include "cli/console.h"
#include "cli/output_text.h"
#include "cli/running.h"
#include "engine/store_lock.h"
#include "json/json.h"

namespace backstay::cli {

std::string_view lock_keeper(const backend::Capabilities& can) {
  if (!can.object_lock) return "nothing";
  return can.lock_by_store ? "store" : "programs";
}

namespace {

void warn_of_missing(Context& context, const engine::StoreLockReport& report) {
  if (report.chunks_missing == 0) return;
  context.console.warning(
      fmt::format("{} that the snapshots need are stored nowhere: see 'backstay check'",
                  counted(report.chunks_missing, "chunk")));
}

// `until`: nothing of a legal hold.
void tell_locked(Context& context, const engine::StoreLockReport& report,
                 std::optional<Timestamp> until, const backend::Capabilities& can) {
  if (context.console.json()) {
    json::Json line = json::line_of("locked");
    line["until"] = until ? json::Json(format_rfc3339(*until)) : json::Json(nullptr);
    line["objects"] = report.objects;
    line["packs"] = report.packs;
    line["bytes_packs"] = report.bytes_packs;
    line["kept_by"] = lock_keeper(can);
    context.console.print_json(line);
    return;
  }
  if (context.options.quiet) return;
  context.console.print(
      fmt::format("{}: {}, {} of packs, kept by {}\n",
                  until ? "locked until " + format_local(*until) : "under a legal hold",
                  counted(report.objects, "object"), format_byte_size(report.bytes_packs),
                  can.lock_by_store ? "the store itself"
                                    : "programs that heed it (the immutable flag needs "
                                      "root and a file system that has it)"));
}

}  // namespace

Result<void> lock_in_store_and_tell(Context& context, repo::Repository& repository,
                                    const std::vector<snapshot::SnapshotId>& snapshots,
                                    Timestamp until) {
  const backend::Capabilities can = repository.store().capabilities();
  if (!can.object_lock) {
    context.console.note(
        "the store has no object lock: the hold is heeded by backstay, and not by who removes "
        "files by other means");
    return {};
  }
  Running running(context);
  const engine::StoreLockReport report =
      TRY_DOING("locking in the store what is held now (run the command again to go on)",
                engine::lock_in_store(repository, snapshots, until, running.activity()));
  running.finish();
  warn_of_missing(context, report);
  tell_locked(context, report, until, can);
  return {};
}

Result<void> hold_in_store_and_tell(Context& context, repo::Repository& repository,
                                    const std::vector<snapshot::SnapshotId>& snapshots) {
  Running running(context);
  const engine::StoreLockReport report =
      TRY_DOING("putting under a legal hold what is held now (run the command again to go on)",
                engine::put_under_legal_hold(repository, snapshots, running.activity()));
  running.finish();
  warn_of_missing(context, report);
  tell_locked(context, report, std::nullopt, repository.store().capabilities());
  return {};
}

}  // namespace backstay::cli
