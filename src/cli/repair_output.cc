#include "cli/repair_output.h"

#include <fmt/format.h>

#include "base/byte_size.h"
#include "cli/output_text.h"
#include "cli/text_layout.h"
#include "json/json.h"

namespace backstay::cli {

using json::Json;
using json::put_text;

namespace {

constexpr std::string_view kDryRunText = "this was a dry run: nothing was changed\n";

std::string would(bool dry_run, std::string_view done, std::string_view doing) {
  return dry_run ? fmt::format("would be {}", doing) : std::string(done);
}

std::string loss_text(std::uint64_t files, std::uint64_t stretches) {
  std::string out = counted(files, "file") + " lost";
  if (stretches > 0) out += ", and what is in " + counted(stretches, "unreadable part") + " of it";
  return out;
}

}  // namespace

// ---- index

std::string index_repair_text(const engine::IndexRepairReport& report, bool dry_run) {
  std::string out;
  for (const engine::ObjectTrouble& run : report.damaged_runs)
    out += fmt::format("damaged: {}: {}\n", printable(run.object), printable(run.what));
  for (const engine::ObjectTrouble& run : report.strange_runs)
    out += fmt::format("left as it is: {}: {}\n", printable(run.object), printable(run.what));
  for (const engine::ObjectTrouble& pack : report.packs_unreadable)
    out += fmt::format("unreadable: {}: {}\n", printable(pack.object), printable(pack.what));
  if (report.packs_taken_in > 0) {
    out += fmt::format("{} with {} that no index run named: {}\n",
                       counted(report.packs_taken_in, "pack"),
                       counted(report.chunks_taken_in, "chunk"),
                       would(dry_run, "in the index now", "taken into the index"));
  }
  if (report.packs_compared > 0) {
    out += fmt::format("{} compared with the index, of {} it did not know all: {}\n",
                       counted(report.packs_compared, "pack"), grouped(report.packs_completed),
                       would(dry_run, "completed", "completed"));
  }
  if (report.packs_missing > 0) {
    out += fmt::format(
        "{} of the index not there, or not of the length that it names: their places in the index "
        "stay, in case they come back\n",
        counted(report.packs_missing, "pack"));
  }
  if (!report.damaged_runs.empty()) {
    if (report.runs_replaced > 0) {
      out += counted(report.runs_replaced, "damaged index run") + " " +
             would(dry_run, "replaced", "replaced") + "\n";
    }
    if (report.runs_replaced < report.damaged_runs.size()) {
      out +=
          "damaged index runs stay: they may have known packs whose directories cannot be "
          "read\n";
    }
  }
  const bool nothing = report.damaged_runs.empty() && report.packs_taken_in == 0 &&
                       report.packs_completed == 0 && report.packs_unreadable.empty();
  if (nothing) out += "the index is whole: nothing to do\n";
  if (dry_run) out += kDryRunText;
  return out;
}

Json index_object_line(const engine::ObjectTrouble& trouble, std::string_view state) {
  Json line = json::line_of("object");
  put_text(line, "object", trouble.object);
  line["state"] = state;
  line["message"] = trouble.what;
  return line;
}

Json index_repair_summary(const engine::IndexRepairReport& report, bool dry_run) {
  Json line = json::line_of("index_summary");
  line["dry_run"] = dry_run;
  line["runs_damaged"] = report.damaged_runs.size();
  line["runs_replaced"] = report.runs_replaced;
  line["packs_taken_in"] = report.packs_taken_in;
  line["chunks_taken_in"] = report.chunks_taken_in;
  line["packs_compared"] = report.packs_compared;
  line["packs_completed"] = report.packs_completed;
  line["packs_missing"] = report.packs_missing;
  line["packs_unreadable"] = report.packs_unreadable.size();
  return line;
}

// ---- generations

std::string generation_repair_text(const engine::GenerationRepairReport& report, bool dry_run) {
  if (report.damaged.empty()) return "all generation objects are whole\n";
  std::string out;
  for (const engine::ObjectTrouble& one : report.damaged)
    out += fmt::format("{}: {}\n", printable(one.object), printable(one.what));
  if (dry_run)
    return out + fmt::format("would remove {}\n", counted(report.damaged.size(), "object"));
  return out + fmt::format(
                   "removed {}; generation {} begins, and what they alone gave up is used "
                   "again\n",
                   counted(report.removed, "object"), report.begun);
}

Json generation_repair_summary(const engine::GenerationRepairReport& report, bool dry_run) {
  Json line = json::line_of("generations_summary");
  line["dry_run"] = dry_run;
  line["damaged"] = report.damaged.size();
  line["removed"] = report.removed;
  line["begun"] = report.begun;
  line["leases_ended"] = report.leases_ended;
  return line;
}

// ---- packs

std::string repaired_pack_text(const engine::RepairedPack& pack, bool dry_run) {
  std::string out = printable(pack.object) + ": ";
  switch (pack.outcome) {
    case engine::PackOutcome::kWhole:
      return out + (pack.what.empty() ? "whole" : printable(pack.what) + "; left as it is") + "\n";
    case engine::PackOutcome::kMissing:
      return out + "missing: there is nothing to save\n";
    case engine::PackOutcome::kRestored:
      return out + printable(pack.what) + "\n    " +
             would(dry_run, "brought back by parity", "brought back by parity") + "\n";
    case engine::PackOutcome::kSalvaged:
      break;
  }
  out += printable(pack.what) + "\n";
  if (!pack.directory_readable)
    out += "    its directory cannot be read: only what the index knows of it can be saved\n";
  out += fmt::format("    {} of {} damaged; {} ({}) {}, {} elsewhere, {} lost\n",
                     grouped(pack.frames_damaged), counted(pack.frames, "frame"),
                     counted(pack.chunks_saved, "chunk"), format_byte_size(pack.bytes_saved),
                     would(dry_run, "saved", "saved"), grouped(pack.chunks_elsewhere),
                     grouped(pack.chunks_lost));
  return out;
}

Json repaired_pack_line(const engine::RepairedPack& pack) {
  Json line = json::line_of("pack");
  put_text(line, "object", pack.object);
  line["outcome"] = engine::to_string(pack.outcome);
  line["message"] = pack.what;
  line["directory_readable"] = pack.directory_readable;
  line["frames"] = pack.frames;
  line["frames_damaged"] = pack.frames_damaged;
  line["chunks_saved"] = pack.chunks_saved;
  line["bytes_saved"] = pack.bytes_saved;
  line["chunks_elsewhere"] = pack.chunks_elsewhere;
  line["chunks_lost"] = pack.chunks_lost;
  return line;
}

namespace {

struct PackSums {
  std::uint64_t whole = 0;
  std::uint64_t missing = 0;
  std::uint64_t damaged = 0;
  std::uint64_t saved = 0;
  std::uint64_t lost = 0;
};
PackSums sums_of(const engine::PackRepairReport& report) {
  PackSums sums;
  for (const engine::RepairedPack& pack : report.packs) {
    sums.whole += pack.outcome == engine::PackOutcome::kWhole ? 1U : 0U;
    sums.missing += pack.outcome == engine::PackOutcome::kMissing ? 1U : 0U;
    sums.damaged += pack.outcome == engine::PackOutcome::kSalvaged ? 1U : 0U;
    sums.saved += pack.chunks_saved;
    sums.lost += pack.chunks_lost;
  }
  return sums;
}

}  // namespace

std::string pack_repair_text(const engine::PackRepairReport& report, bool dry_run) {
  const PackSums sums = sums_of(report);
  std::string out;
  if (report.packs.empty()) out += "no pack is known to be damaged: nothing to do\n";
  if (sums.saved > 0) {
    out += fmt::format(
        "{} {}\n", counted(sums.saved, "chunk"),
        dry_run ? "would be saved" : "saved in " + counted(report.packs_written, "new pack"));
  }
  if (sums.lost > 0 || sums.missing > 0) {
    out +=
        "next: make a backup of the source, which stores again what it still has; then "
        "'backstay repair snapshots'\n";
  }
  if (dry_run) out += kDryRunText;
  return out;
}

Json pack_repair_summary(const engine::PackRepairReport& report, bool dry_run) {
  const PackSums sums = sums_of(report);
  Json line = json::line_of("packs_summary");
  line["dry_run"] = dry_run;
  line["packs_damaged"] = sums.damaged;
  line["packs_missing"] = sums.missing;
  line["packs_whole"] = sums.whole;
  line["chunks_saved"] = sums.saved;
  line["chunks_lost"] = sums.lost;
  line["packs_written"] = report.packs_written;
  line["bytes_stored"] = report.bytes_stored;
  return line;
}

// ---- snapshots

Json lost_line(const engine::LostEntry& lost) {
  Json line = json::line_of("lost");
  line["snapshot_id"] = lost.snapshot.hex();
  put_text(line, "path", lost.path);
  line["from_here_on"] = lost.from_here_on;
  line["message"] = lost.what;
  return line;
}

std::string repaired_snapshot_text(const engine::RepairedSnapshot& one, bool dry_run) {
  using engine::SnapshotOutcome;
  const std::string made = one.made ? " by " + one.made->short_hex() : "";
  std::string what;
  switch (one.outcome) {
    case SnapshotOutcome::kWhole:
      what = "whole";
      break;
    case SnapshotOutcome::kReplaced:
      what = would(dry_run, "replaced" + made, "replaced by one without what is lost");
      break;
    case SnapshotOutcome::kKept:
      what = dry_run ? "would stay, beside one without what is lost" : "stays beside the one made";
      if (one.made) what = "stays; " + one.made->short_hex() + " is the one without what is lost";
      break;
    case SnapshotOutcome::kNothingLeft:
      what = "nothing of it can be read: it stays as it is; 'backstay forget' removes it";
      break;
    case SnapshotOutcome::kRefused:
      what = "left as it is";
      break;
  }
  if (!one.what.empty()) what += " (" + printable(one.what) + ")";
  return fmt::format("snapshot {}: {}: {}\n", one.original.id.short_hex(),
                     loss_text(one.files_lost, one.stretches_lost), what);
}

Json repaired_snapshot_line(const engine::RepairedSnapshot& one, bool dry_run) {
  Json line = json::line_of("snapshot");
  line["dry_run"] = dry_run;
  line["snapshot_id"] = one.original.id.hex();
  line["outcome"] = engine::to_string(one.outcome);
  line["new_id"] = one.made ? Json(one.made->hex()) : Json(nullptr);
  line["files_lost"] = one.files_lost;
  line["stretches_lost"] = one.stretches_lost;
  line["message"] = one.what;
  return line;
}

std::string snapshot_repair_text(const engine::SnapshotRepairReport& report, bool dry_run) {
  std::string out = counted(report.whole, "whole snapshot");
  if (report.replaced > 0)
    out += fmt::format(", {} {}", grouped(report.replaced), would(dry_run, "replaced", "replaced"));
  if (report.kept > 0)
    out += fmt::format(", {} {}", grouped(report.kept), dry_run ? "would be kept" : "kept");
  if (report.left > 0) out += fmt::format(", {} left as they are", grouped(report.left));
  if (!report.damaged.empty())
    out += fmt::format(", {} damaged themselves", grouped(report.damaged.size()));
  return out + "\n" + (dry_run ? std::string(kDryRunText) : std::string());
}

Json snapshot_repair_summary(const engine::SnapshotRepairReport& report, bool dry_run) {
  Json line = json::line_of("snapshots_summary");
  line["dry_run"] = dry_run;
  line["whole"] = report.whole;
  line["replaced"] = report.replaced;
  line["kept"] = report.kept;
  line["left"] = report.left;
  line["damaged"] = report.damaged.size();
  line["files_lost"] = report.files_lost;
  line["stretches_lost"] = report.stretches_lost;
  return line;
}

}  // namespace backstay::cli
