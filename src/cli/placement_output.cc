#include "cli/placement_output.h"

#include <fmt/format.h>

#include "base/byte_size.h"
#include "cli/output_text.h"
#include "cli/table.h"
#include "json/json.h"

namespace backstay::cli {
namespace {

namespace placement = backend::placement;

std::string_view state_of(const placement::StoreStatus& store) {
  if (!store.trouble.empty()) return "away";
  if (store.store.membership == placement::Membership::kJoining) return "joining";
  if (store.store.membership == placement::Membership::kLeaving) return "leaving";
  return store.store.weight == 0 ? "drained" : "there";
}

std::string copies(std::uint64_t count) {
  return fmt::format("{} {}", count, count == 1 ? "copy" : "copies");
}

std::string percent(double share) {
  return fmt::format("{:.1f} %", share * 100);
}

}  // namespace

std::string placement_status_text(const placement::PlacementStatus& status) {
  Table table({{.title = "Store"},
               {.title = "State"},
               {.title = "Domain"},
               {.title = "Weight", .align = Align::kRight},
               {.title = "Share", .align = Align::kRight},
               {.title = "Objects", .align = Align::kRight},
               {.title = "Stored", .align = Align::kRight},
               {.title = "Missing", .align = Align::kRight},
               {.title = "Elsewhere", .align = Align::kRight}});
  std::string troubles;
  for (const placement::StoreStatus& store : status.stores) {
    table.add({store.store.name, std::string(state_of(store)), store.store.domain,
               std::to_string(store.store.weight), percent(store.share),
               std::to_string(store.objects), format_byte_size(store.bytes),
               std::to_string(store.missing), std::to_string(store.misplaced)});
    if (!store.trouble.empty())
      troubles += fmt::format("{}: {}\n", store.store.name, store.trouble);
  }
  std::string out = table.render();
  out += fmt::format("map {}, {}, quorum {}{}; {}", status.map.version,
                     placement::describe(status.map.redundancy), status.map.quorum,
                     status.map.phase == placement::Phase::kMoving ? ", objects are moving" : "",
                     counted(status.objects, "object"));
  if (status.incomplete > 0) out += fmt::format(", {} with too few copies", status.incomplete);
  if (status.left_over > 0)
    out += fmt::format(", {} of removed objects left over", copies(status.left_over));
  return out + "\n" + troubles;
}

json::Json placement_store_line(const placement::StoreStatus& store) {
  json::Json line = json::line_of("store");
  line["name"] = store.store.name;
  line["state"] = state_of(store);
  line["domain"] = store.store.domain;
  line["weight"] = store.store.weight;
  line["share"] = json::milliseconds_of(store.share);
  line["objects"] = store.objects;
  line["bytes"] = store.bytes;
  line["missing"] = store.missing;
  line["misplaced"] = store.misplaced;
  if (!store.trouble.empty()) json::put_text(line, "trouble", store.trouble);
  return line;
}

json::Json placement_status_line(const placement::PlacementStatus& status) {
  json::Json line = json::line_of("placement");
  line["map"] = status.map.version;
  line["moving"] = status.map.phase == placement::Phase::kMoving;
  line["data"] = status.map.redundancy.data;
  line["parity"] = status.map.redundancy.parity;
  line["quorum"] = status.map.quorum;
  line["objects"] = status.objects;
  line["incomplete"] = status.incomplete;
  line["removed"] = status.removed;
  line["left_over"] = status.left_over;
  return line;
}

std::string placement_upkeep_text(const placement::UpkeepReport& report, bool dry_run) {
  std::string out =
      fmt::format("{} looked at; {} {} put ({}), {} removed", counted(report.objects, "object"),
                  copies(report.copies_put), dry_run ? "would be" : "were",
                  format_byte_size(report.bytes_put), report.copies_removed);
  if (report.copies_damaged > 0) out += fmt::format(", {} damaged", copies(report.copies_damaged));
  out += '\n';
  for (const std::string& name : report.lost) out += fmt::format("no whole copy of {}\n", name);
  for (const std::string& trouble : report.troubles) out += trouble + '\n';
  return out;
}

json::Json placement_upkeep_line(const placement::UpkeepReport& report, bool dry_run,
                                 double seconds) {
  json::Json line = json::line_of("summary");
  line["dry_run"] = dry_run;
  line["objects"] = report.objects;
  line["copies_put"] = report.copies_put;
  line["bytes_put"] = report.bytes_put;
  line["copies_removed"] = report.copies_removed;
  line["copies_damaged"] = report.copies_damaged;
  line["lost"] = report.lost;
  line["troubles"] = report.troubles;
  line["settled"] = report.settled;
  line["seconds"] = json::milliseconds_of(seconds);
  return line;
}

json::Json placement_plan_line(const placement::Planned& planned) {
  json::Json line = json::line_of("plan");
  line["map"] = planned.next.version + 1;
  line["moves"] = json::milliseconds_of(planned.moves);
  return line;
}

std::string placement_plan_text(const placement::Planned& planned) {
  return fmt::format("about {} of all copies of packs and index runs would move\n",
                     percent(planned.moves));
}

}  // namespace backstay::cli
