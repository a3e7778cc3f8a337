#include "cli/parity_output.h"

#include <fmt/format.h>

#include <algorithm>

#include "base/byte_size.h"
#include "cli/output_text.h"
#include "cli/table.h"
#include "cli/text_layout.h"
#include "json/json.h"

namespace backstay::cli {

using json::Json;
using json::put_text;

namespace {

std::uint64_t restored(const engine::ParityRepairReport& report) {
  return static_cast<std::uint64_t>(std::ranges::count(
      report.objects, engine::ParityOutcome::kRestored, &engine::ParityRepaired::outcome));
}

std::string wish_text(const repo::ParityWish& wish) {
  if (!wish.wanted()) return "nothing";
  return fmt::format("{} of the packs: {} for groups of {}", percent_text(wish.hundredths),
                     counted(wish.shards, "shard"), counted(wish.slots, "pack"));
}

void put_wish(Json& line, const repo::ParityWish& wish) {
  line["wanted_percent"] = static_cast<double>(wish.hundredths) / 100;
  line["shards_per_group"] = wish.wanted() ? wish.shards : 0;
  line["packs_per_group"] = wish.wanted() ? wish.slots : 0;
}

}  // namespace

std::string percent_text(std::uint32_t hundredths) {
  if (hundredths % 100 == 0) return fmt::format("{}%", hundredths / 100);
  return fmt::format("{}%", static_cast<double>(hundredths) / 100);
}

// ---- add

std::string parity_added_text(const engine::ParityReport& report, const repo::ParityWish& wish,
                              double seconds) {
  std::vector<Fact> facts;
  facts.push_back({"asked for", wish_text(wish)});
  facts.push_back({"covered", counted(report.packs_covered, "pack") + " more"});
  facts.push_back({"groups", fmt::format("{} made, {} removed", grouped(report.groups_made),
                                         grouped(report.groups_removed))});
  if (report.packs_damaged > 0)
    facts.push_back({"damaged", counted(report.packs_damaged, "pack") + ", not covered"});
  if (report.packs_too_large > 0)
    facts.push_back({"too large", counted(report.packs_too_large, "pack") + ", not covered"});
  facts.push_back({"read", format_byte_size(report.bytes_read)});
  facts.push_back({"written", format_byte_size(report.bytes_written)});
  facts.push_back({"time", format_duration(seconds)});
  return render_facts(facts);
}

Json parity_added_line(const engine::ParityReport& report, const repo::ParityWish& wish,
                       double seconds) {
  Json line = json::line_of("summary");
  put_wish(line, wish);
  line["packs_covered"] = report.packs_covered;
  line["packs_damaged"] = report.packs_damaged;
  line["packs_too_large"] = report.packs_too_large;
  line["groups_made"] = report.groups_made;
  line["groups_removed"] = report.groups_removed;
  line["objects_copied"] = report.copies;
  line["bytes_read"] = report.bytes_read;
  line["bytes_written"] = report.bytes_written;
  line["seconds"] = json::milliseconds_of(seconds);
  return line;
}

// ---- status

std::string parity_status_text(const engine::ParityStatus& status) {
  std::string out;
  for (const engine::ObjectTrouble& damaged : status.damaged)
    out += fmt::format("damaged: {}: {}\n", printable(damaged.object), printable(damaged.what));
  std::vector<Fact> facts;
  facts.push_back({"asked for", wish_text(status.wish)});
  facts.push_back(
      {"packs covered",
       fmt::format("{} of {} ({} of {})", grouped(status.packs_covered), grouped(status.packs),
                   format_byte_size(status.bytes_covered), format_byte_size(status.bytes_packs))});
  const double share = status.bytes_packs == 0 ? 0
                                               : 100 * static_cast<double>(status.bytes_parity) /
                                                     static_cast<double>(status.bytes_packs);
  facts.push_back(
      {"parity",
       fmt::format("{} in {} of {} ({:.1f}% of the packs)", format_byte_size(status.bytes_parity),
                   counted(status.shards, "shard"), counted(status.groups, "group"), share)});
  facts.push_back({"copied", counted(status.copies, "small object")});
  if (status.groups_incomplete > 0)
    facts.push_back({"shards missing", "in " + counted(status.groups_incomplete, "group")});
  if (status.groups_left_over > 0)
    facts.push_back({"left over", counted(status.groups_left_over, "group")});
  if (status.packs_lost > 0) {
    facts.push_back(
        {"packs lost", fmt::format("{}, of which {} beyond repair", grouped(status.packs_lost),
                                   grouped(status.packs_beyond_repair))});
  }
  facts.push_back({"survives", status.losses_survived == 0
                                   ? std::string("no loss: not every pack is covered")
                                   : "the loss of any " + counted(status.losses_survived, "pack")});
  return out + render_facts(facts);
}

Json parity_status_line(const engine::ParityStatus& status) {
  Json line = json::line_of("parity");
  put_wish(line, status.wish);
  line["packs"] = status.packs;
  line["bytes_packs"] = status.bytes_packs;
  line["packs_covered"] = status.packs_covered;
  line["bytes_covered"] = status.bytes_covered;
  line["packs_lost"] = status.packs_lost;
  line["packs_beyond_repair"] = status.packs_beyond_repair;
  line["groups"] = status.groups;
  line["groups_incomplete"] = status.groups_incomplete;
  line["groups_left_over"] = status.groups_left_over;
  line["shards"] = status.shards;
  line["bytes_parity"] = status.bytes_parity;
  line["objects_copied"] = status.copies;
  line["objects_damaged"] = status.damaged.size();
  line["losses_survived"] = status.losses_survived;
  return line;
}

Json damaged_parity_line(const engine::ObjectTrouble& damaged) {
  Json line = json::line_of("damaged");
  put_text(line, "object", damaged.object);
  line["message"] = damaged.what;
  return line;
}

// ---- repair

std::string parity_repaired_text(const engine::ParityRepaired& one, bool dry_run) {
  std::string out = fmt::format("{}: {}\n    ", printable(one.object), printable(one.what));
  switch (one.outcome) {
    case engine::ParityOutcome::kRestored:
      return out + fmt::format("{}, {} of {} from parity\n",
                               dry_run ? "would be brought back" : "brought back",
                               format_byte_size(one.bytes_rebuilt), format_byte_size(one.bytes));
    case engine::ParityOutcome::kBeyondRepair:
      return out + "beyond repair: see 'backstay repair packs'\n";
    case engine::ParityOutcome::kKept:
      return out + "can be brought back, but the store does not let go of the damaged one\n";
  }
  return out;
}

Json parity_repaired_line(const engine::ParityRepaired& one) {
  Json line = json::line_of("object");
  put_text(line, "object", one.object);
  line["outcome"] = to_string(one.outcome);
  line["message"] = one.what;
  line["bytes"] = one.bytes;
  line["bytes_rebuilt"] = one.bytes_rebuilt;
  return line;
}

std::string parity_repair_text(const engine::ParityRepairReport& report, bool dry_run) {
  std::string out;
  if (report.objects.empty()) out += "nothing that parity covers is known to be lost\n";
  if (!report.objects.empty()) {
    out += fmt::format("{} of {} {}\n", grouped(restored(report)),
                       counted(report.objects.size(), "object"),
                       dry_run ? "would be brought back" : "brought back");
  }
  if (report.shards_damaged > 0)
    out += counted(report.shards_damaged, "damaged shard") +
           (dry_run ? " would be made anew\n" : " made anew\n");
  if (report.packs_uncovered > 0)
    out += counted(report.packs_uncovered, "damaged pack") +
           " in no group: see 'backstay repair packs'\n";
  if (dry_run) out += "this was a dry run: nothing was changed\n";
  return out;
}

Json parity_repair_line(const engine::ParityRepairReport& report, bool dry_run, double seconds) {
  Json line = json::line_of("repair_summary");
  line["dry_run"] = dry_run;
  line["objects"] = report.objects.size();
  line["restored"] = restored(report);
  line["packs_uncovered"] = report.packs_uncovered;
  line["shards_damaged"] = report.shards_damaged;
  line["bytes_read"] = report.bytes_read;
  line["seconds"] = json::milliseconds_of(seconds);
  return line;
}

// ---- remove

std::string parity_removed_text(const engine::ParityRemoval& removal) {
  std::string out = fmt::format("removed {} ({})\n", counted(removal.objects, "parity object"),
                                format_byte_size(removal.bytes));
  if (removal.refused > 0) out += counted(removal.refused, "object") + " kept by the store\n";
  return out;
}

Json parity_removed_line(const engine::ParityRemoval& removal) {
  Json line = json::line_of("removed");
  line["objects"] = removal.objects;
  line["bytes"] = removal.bytes;
  line["refused"] = removal.refused;
  return line;
}

}  // namespace backstay::cli
