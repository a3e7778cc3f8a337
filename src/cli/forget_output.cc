#include "cli/forget_output.h"

#include <fmt/format.h>

#include "cli/output_text.h"
#include "cli/table.h"
#include "cli/text_layout.h"
#include "json/json.h"

namespace backstay::cli {

using json::Json;
using json::put_text;
using json::put_texts;

namespace {

// "host web, paths /home, /srv, no tags"; empty where nothing is grouped.
std::string heading(const engine::ForgetGroup& group, const policy::Grouping& grouping) {
  if (group.is_safety) return "safety snapshots of restores";
  std::string out;
  const auto add = [&out](const std::string& text) { out += (out.empty() ? "" : "; ") + text; };
  if (grouping.host) add("host " + printable(group.host));
  if (grouping.paths) add("paths " + comma_list(group.paths));
  if (grouping.tags) add(group.tags.empty() ? "no tags" : "tags " + comma_list(group.tags));
  return out;
}

std::string reasons_text(const std::vector<policy::Reason>& reasons) {
  std::string out;
  for (const policy::Reason& reason : reasons)
    out += (out.empty() ? "" : ", ") + printable(reason.text);
  return out;
}

Json group_of(const engine::ForgetGroup& group, const policy::Grouping& grouping) {
  Json line;
  line["host"] = nullptr;
  line["paths"] = nullptr;
  line["tags"] = nullptr;
  if (group.is_safety) return line;
  if (grouping.host) put_text(line, "host", group.host);
  if (grouping.paths) put_texts(line, "paths", group.paths);
  if (grouping.tags) put_texts(line, "tags", group.tags);
  return line;
}

Json decision_line(const engine::ForgetDecision& decision, const Json& group) {
  const snapshot::Snapshot& snapshot = decision.stored.snapshot;
  Json line = json::line_of("snapshot");
  line["id"] = decision.stored.id.hex();
  line["short_id"] = decision.stored.id.short_hex();
  line["time"] = format_rfc3339(snapshot.started);
  put_text(line, "host", snapshot.host);
  put_texts(line, "paths", snapshot.paths);
  put_texts(line, "tags", snapshot.tags);
  line["bytes_stored"] = snapshot.stats.bytes_stored;
  line["group"] = group;
  line["decision"] = policy::to_string(decision.decision);
  Json reasons = Json::array();
  for (const policy::Reason& reason : decision.reasons) {
    Json one;
    one["rule"] = policy::to_string(reason.rule);
    put_text(one, "text", reason.text);
    reasons.push_back(std::move(one));
  }
  line["reasons"] = std::move(reasons);
  return line;
}

}  // namespace

std::string forget_plan_text(const engine::ForgetPlan& plan) {
  std::string out;
  for (const engine::ForgetGroup& group : plan.groups) {
    if (const std::string title = heading(group, plan.grouping); !title.empty())
      out += title + "\n";
    Table table({{"Decision"}, {"Time"}, {"ID"}, {"Tags"}, {"Reasons"}});
    for (const engine::ForgetDecision& decision : group.decisions) {
      table.add({std::string(policy::to_string(decision.decision)),
                 format_local(decision.stored.snapshot.started), decision.stored.id.short_hex(),
                 comma_list(decision.stored.snapshot.tags), reasons_text(decision.reasons)});
    }
    out += table.render() + "\n";
  }
  for (const snapshot::SnapshotId& id : plan.damaged)
    out += fmt::format("remove {}: named, and damaged\n", id.short_hex());
  return out;
}

std::vector<Json> forget_plan_lines(const engine::ForgetPlan& plan) {
  std::vector<Json> lines;
  for (const engine::ForgetGroup& group : plan.groups) {
    const Json of = group_of(group, plan.grouping);
    for (const engine::ForgetDecision& decision : group.decisions)
      lines.push_back(decision_line(decision, of));
  }
  for (const snapshot::SnapshotId& id : plan.damaged) {
    Json line = json::line_of("damaged_snapshot");
    line["id"] = id.hex();
    line["short_id"] = id.short_hex();
    line["decision"] = "remove";
    lines.push_back(std::move(line));
  }
  return lines;
}

Json removed_line(const snapshot::SnapshotId& id) {
  Json line = json::line_of("removed");
  line["id"] = id.hex();
  line["short_id"] = id.short_hex();
  return line;
}

std::string forget_text(const engine::ForgetReport& report, bool dry_run) {
  const std::string kept = report.kept == 0 ? "" : fmt::format(", {} kept", grouped(report.kept));
  if (dry_run) {
    return fmt::format("{} would be removed{}: this was a dry run\n",
                       counted(report.removed, "snapshot"), kept);
  }
  return fmt::format("{} removed{}\n", counted(report.removed, "snapshot"), kept);
}

Json forget_summary(const engine::ForgetReport& report, bool dry_run) {
  Json line = json::line_of("summary");
  line["dry_run"] = dry_run;
  line["groups"] = report.groups;
  line["kept"] = report.kept;
  line["removed"] = report.removed;
  line["damaged"] = report.damaged;
  return line;
}

}  // namespace backstay::cli
