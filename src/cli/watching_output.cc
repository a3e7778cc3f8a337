#include "cli/watching_output.h"

#include <fmt/format.h>

#include "base/byte_size.h"
#include "base/clock.h"
#include "cli/console.h"
#include "cli/global_options.h"
#include "cli/output_text.h"
#include "json/json.h"

namespace backstay::cli {
namespace {

// Somebody may follow what is printed.
void print_now(const Context& context, const std::string& text) {
  if (context.options.quiet) return;
  context.console.print(text);
  // A reader who went away asks to stop; a full disk is said at the end.
  static_cast<void>(context.console.flush());
}

json::Json captured_line(const Captured& captured) {
  const snapshot::Snapshot& made = captured.report.snapshot;
  json::Json line = json::line_of("snapshot");
  line["snapshot_id"] = captured.report.id->hex();
  line["time"] = format_rfc3339(made.started);
  line["compared"] = captured.compared;
  if (captured.compared) line["why"] = captured.why;
  line["files_new"] = made.stats.files_new;
  line["files_changed"] = made.stats.files_changed;
  line["files_deleted"] = made.stats.files_deleted;
  line["files_total"] = made.stats.files_total;
  line["bytes_total"] = made.stats.bytes_total;
  line["bytes_read"] = made.stats.bytes_read;
  line["bytes_added"] = made.stats.bytes_added;
  line["bytes_stored"] = made.stats.bytes_stored;
  line["errors"] = made.stats.errors;
  line["seconds"] = json::milliseconds_of(captured.seconds);
  line["seconds_to_durable"] = json::milliseconds_of(captured.seconds_to_durable);
  return line;
}

}  // namespace

void tell_watching(const Context& context, const watch::Watcher& watcher) {
  if (context.console.json()) {
    json::Json line = json::line_of("watching");
    line["method"] = watch::to_string(watcher.method());
    line["folders"] = watcher.folders();
    return context.console.print_json_now(line);
  }
  const std::string folders =
      watcher.folders() == 0 ? "" : ", " + counted(watcher.folders(), "folder");
  print_now(context,
            fmt::format("watching by {}{}\n", watch::to_string(watcher.method()), folders));
}

void tell_captured(const Context& context, const Captured& captured) {
  const snapshot::SnapshotStats& stats = captured.report.snapshot.stats;
  if (!captured.report.id) {
    return context.console.detail("nothing that is kept is different: no snapshot was made");
  }
  if (context.console.json()) return context.console.print_json_now(captured_line(captured));
  const std::string why = captured.compared ? fmt::format(" ({})", captured.why) : "";
  print_now(
      context,
      fmt::format("{}  snapshot {}: {} new, {} changed, {} deleted, {} stored, {:.1f} s after "
                  "the first change{}\n",
                  format_local(captured.report.snapshot.started), captured.report.id->short_hex(),
                  stats.files_new, stats.files_changed, stats.files_deleted,
                  format_byte_size(stats.bytes_stored), captured.seconds_to_durable, why));
}

void tell_failed(const Context& context, const Error& error, const TryAgain& next) {
  if (context.console.json()) {
    json::Json line = json::line_of("failed");
    line["message"] = error.describe();
    if (!error.hint().empty()) line["hint"] = error.hint();
    line["seconds_to_next"] = next.again_in.count();
    context.console.print_json_now(line);
  }
  const std::string message = "no snapshot was made: " + error.describe();
  // Once, and not at every attempt.
  if (!next.first) {
    return context.console.detail(
        fmt::format("{}; trying again in {} s", message, next.again_in.count()));
  }
  context.console.warning(
      message + "; what changes is remembered, and it is tried again until it is stored",
      error.hint());
}

void tell_thinned(const Context& context, std::uint64_t removed) {
  if (context.console.json()) {
    json::Json line = json::line_of("thinned");
    line["snapshots"] = removed;
    return context.console.print_json_now(line);
  }
  print_now(context, fmt::format("thinned out: {}\n", counted(removed, "older snapshot")));
}

void tell_watched(const Context& context, const WatchTotals& totals, double seconds) {
  if (context.console.json()) {
    json::Json line = json::line_of("summary");
    line["snapshots"] = totals.snapshots;
    line["compares"] = totals.compares;
    line["failures"] = totals.failures;
    line["thinned"] = totals.forgotten;
    line["seconds"] = json::milliseconds_of(seconds);
    return context.console.print_json(line);
  }
  print_now(context, fmt::format("stopped: {} made\n", counted(totals.snapshots, "snapshot")));
}

}  // namespace backstay::cli
