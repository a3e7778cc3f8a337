#include "cli/find_output.h"

#include <fmt/format.h>

#include "base/byte_size.h"
#include "cli/output_json.h"
#include "cli/output_text.h"
#include "cli/table.h"
#include "cli/text_layout.h"
#include "json/json.h"

namespace backstay::cli {

using engine::ChangeKind;
using json::Json;
using snapshot::Entry;
using snapshot::EntryType;

namespace {

std::vector<std::string> ids_of(const std::vector<std::size_t>& numbers,
                                const std::vector<repo::StoredSnapshot>& snapshots) {
  std::vector<std::string> ids;
  for (const std::size_t number : numbers) ids.push_back(snapshots[number].id.hex());
  return ids;
}

// What tells one state of an entry from another.
Json state_of(const std::optional<Entry>& entry) {
  if (!entry) return nullptr;
  Json state = Json::object();
  state["kind"] = to_string(entry->type);
  state["permissions"] = permissions_text(*entry);
  state["mode"] = entry->mode;
  state["uid"] = entry->uid;
  state["gid"] = entry->gid;
  state["size"] = entry->size_bytes;
  state["modified"] = format_rfc3339(entry->modified);
  if (entry->type == EntryType::kSymlink) json::put_text(state, "target", entry->symlink_target);
  return state;
}

char letter_of(ChangeKind kind) {
  switch (kind) {
    case ChangeKind::kAdded:
      return '+';
    case ChangeKind::kRemoved:
      return '-';
    case ChangeKind::kContent:
      return 'M';
    case ChangeKind::kAttributes:
      return 'U';
    case ChangeKind::kType:
      return 'T';
  }
  return '?';
}

Json counts_of(const engine::DiffReport::Counts& counts) {
  Json line = Json::object();
  for (const auto& [kind, count] : counts) line[std::string(to_string(kind))] = count;
  return line;
}

}  // namespace

std::string found_text(const engine::FoundEntry& found,
                       const std::vector<repo::StoredSnapshot>& snapshots, bool for_terminal) {
  const repo::StoredSnapshot& newest = snapshots[found.snapshots.back()];
  return fmt::format("{} {:>5}  {}", newest.id.short_hex(), found.snapshots.size(),
                     entry_text(found.path, found.entry, newest.snapshot, for_terminal));
}

Json found_line(const engine::FoundEntry& found,
                const std::vector<repo::StoredSnapshot>& snapshots) {
  const repo::StoredSnapshot& newest = snapshots[found.snapshots.back()];
  Json line = entry_line(found.path, found.entry, newest.snapshot);
  line["type"] = "match";
  line["snapshots"] = ids_of(found.snapshots, snapshots);
  return line;
}

std::string versions_text(const std::vector<engine::PathVersion>& versions,
                          const std::vector<repo::StoredSnapshot>& snapshots) {
  Table table({{"from"},
               {"to"},
               {"snapshots", Align::kRight},
               {"newest"},
               {"host"},
               {"change"},
               {"size", Align::kRight},
               {"modified"}});
  for (const engine::PathVersion& version : versions) {
    const repo::StoredSnapshot& first = snapshots[version.snapshots.front()];
    const repo::StoredSnapshot& last = snapshots[version.snapshots.back()];
    const bool is_file = version.entry && version.entry->type == EntryType::kFile;
    table.add({format_local(first.snapshot.started), format_local(last.snapshot.started),
               grouped(version.snapshots.size()), last.id.short_hex(), printable(version.host),
               std::string(to_string(version.change)),
               is_file ? format_byte_size(version.entry->size_bytes) : "",
               version.entry ? format_local(version.entry->modified) : ""});
  }
  return table.render();
}

Json version_line(const engine::PathVersion& version, const std::string& path,
                  const std::vector<repo::StoredSnapshot>& snapshots) {
  Json line = json::line_of("version");
  json::put_text(line, "path", path);
  json::put_text(line, "host", version.host);
  line["change"] = to_string(version.change);
  line["entry"] = state_of(version.entry);
  line["first"] = format_rfc3339(snapshots[version.snapshots.front()].snapshot.started);
  line["last"] = format_rfc3339(snapshots[version.snapshots.back()].snapshot.started);
  line["snapshots"] = ids_of(version.snapshots, snapshots);
  return line;
}

std::string change_text(const engine::Change& change, bool for_terminal) {
  return fmt::format("{}  {}\n", letter_of(change.kind),
                     for_terminal ? printable(change.path) : change.path);
}

Json change_line(const engine::Change& change) {
  Json line = json::line_of("change");
  json::put_text(line, "path", change.path);
  line["change"] = to_string(change.kind);
  line["before"] = state_of(change.before);
  line["after"] = state_of(change.after);
  return line;
}

std::string diff_text(const engine::DiffReport& report) {
  Table table({{""},
               {"added", Align::kRight},
               {"removed", Align::kRight},
               {"other content", Align::kRight},
               {"other type", Align::kRight},
               {"attributes only", Align::kRight}});
  const auto add = [&](std::string name, const engine::DiffReport::Counts& counts) {
    table.add({std::move(name), grouped(counts.at(ChangeKind::kAdded)),
               grouped(counts.at(ChangeKind::kRemoved)), grouped(counts.at(ChangeKind::kContent)),
               grouped(counts.at(ChangeKind::kType)), grouped(counts.at(ChangeKind::kAttributes))});
  };
  add("files", report.files);
  add("folders", report.folders);
  add("others", report.others);
  return "\n" + table.render() +
         fmt::format("{} of files came, {} went\n", format_byte_size(report.bytes_added),
                     format_byte_size(report.bytes_removed));
}

Json diff_summary(const engine::DiffReport& report, double seconds) {
  Json line = json::line_of("summary");
  line["files"] = counts_of(report.files);
  line["folders"] = counts_of(report.folders);
  line["others"] = counts_of(report.others);
  line["bytes_added"] = report.bytes_added;
  line["bytes_removed"] = report.bytes_removed;
  line["seconds"] = seconds;
  return line;
}

}  // namespace backstay::cli
