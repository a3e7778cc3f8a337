#include "cli/import_output.h"

#include <fmt/format.h>

#include "base/byte_size.h"
#include "base/clock.h"
#include "cli/output_text.h"
#include "cli/text_layout.h"
#include "json/json.h"

namespace backstay::cli {

using engine::ImportOutcome;

json::Json imported_line(const engine::ImportedSnapshot& one) {
  const snapshot::Snapshot& record = one.original.record;
  json::Json line = json::line_of("snapshot");
  line["original_id"] = one.original.id;
  json::put_text(line, "original_name", one.original.name);
  line["time"] = format_rfc3339(record.started);
  json::put_text(line, "host", record.host);
  json::put_texts(line, "paths", record.paths);
  line["snapshot_id"] = one.id ? json::Json(one.id->hex()) : json::Json(nullptr);
  line["outcome"] = engine::to_string(one.outcome);
  line["bytes_added"] = one.bytes_added;
  line["bytes_stored"] = one.bytes_stored;
  if (one.outcome == ImportOutcome::kFailed) json::put_text(line, "message", one.failure);
  return line;
}

json::Json import_summary(const engine::ImportReport& report, double seconds) {
  json::Json line = json::line_of("summary");
  line["snapshots_imported"] = report.imported;
  line["snapshots_there_already"] = report.there_already;
  line["snapshots_failed"] = report.failed;
  line["bytes_added"] = report.bytes_added;
  line["bytes_stored"] = report.bytes_stored;
  line["seconds"] = json::milliseconds_of(seconds);
  return line;
}

std::string imported_text(const engine::ImportedSnapshot& one) {
  const snapshot::Snapshot& record = one.original.record;
  std::string what;
  switch (one.outcome) {
    case ImportOutcome::kImported:
      what = fmt::format("imported as {}, {} added, {} stored", one.id->short_hex(),
                         format_byte_size(one.bytes_added), format_byte_size(one.bytes_stored));
      break;
    case ImportOutcome::kThereAlready:
      what = "there already as " + one.id->short_hex();
      break;
    case ImportOutcome::kWouldBeImported:
      what = "would be imported";
      break;
    case ImportOutcome::kFailed:
      what = "not imported: " + printable_message(one.failure);
      break;
  }
  const std::string name = one.original.name.empty() ? "" : printable(one.original.name) + "  ";
  return fmt::format("{}  {}{}  {}  {}: {}\n", one.original.id.substr(0, 8), name,
                     format_local(record.started), printable(record.host), comma_list(record.paths),
                     what);
}

std::string import_text(const engine::ImportReport& report, bool dry_run, double seconds) {
  return fmt::format("{} {}, {} there already, {} failed; {} stored in {:.1f} s\n",
                     counted(report.imported, "snapshot"),
                     dry_run ? "would be imported" : "imported", report.there_already,
                     report.failed, format_byte_size(report.bytes_stored), seconds);
}

}  // namespace backstay::cli
