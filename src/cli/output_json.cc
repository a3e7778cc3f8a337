#include "cli/output_json.h"

#include <cmath>

#include "cli/output_text.h"
#include "json/json.h"

namespace backstay::cli {
namespace {

using json::Json;
using json::line_of;
using json::milliseconds_of;
using json::put_text;
using json::put_texts;

double to_hundredths(double ratio) {
  return std::round(ratio * 100) / 100;
}

template <typename Id>
Json id_or_null(const std::optional<Id>& id) {
  return id ? Json(id->hex()) : Json(nullptr);
}

// What a repair left out of a snapshot.
Json repaired_or_null(const std::optional<snapshot::Repaired>& repaired) {
  if (!repaired) return nullptr;
  Json one;
  one["from"] = repaired->from.hex();
  one["files_lost"] = repaired->files_lost;
  one["stretches_lost"] = repaired->stretches_lost;
  one["time"] = format_rfc3339(repaired->time);
  return one;
}

// The holds that bind a snapshot; of one that cannot be read nothing is known.
Json held_array(const engine::BindingHolds& holds, const snapshot::SnapshotId& id) {
  Json held = Json::array();
  const auto found = holds.find(id);
  if (found == holds.end()) return held;
  for (const repo::StoredHold& stored : found->second) {
    Json one;
    one["readable"] = stored.readable;
    one["until"] = time_or_null(stored.hold.until);
    one["locked"] = stored.hold.locked;
    one["legal"] = stored.hold.legal;
    put_text(one, "reason", stored.hold.reason);
    put_text(one, "host", stored.hold.author.host);
    put_text(one, "user", stored.hold.author.user);
    held.push_back(std::move(one));
  }
  return held;
}

}  // namespace

Json time_or_null(const std::optional<Timestamp>& time) {
  return time ? Json(format_rfc3339(*time)) : Json(nullptr);
}

Json error_line(const Error& error) {
  Json line = line_of("error");
  line["code"] = to_string(error.code());
  line["message"] = error.describe();
  line["hint"] = error.hint();
  return line;
}

Json backup_summary(const engine::BackupReport& report, double seconds) {
  const snapshot::SnapshotStats& stats = report.snapshot.stats;
  Json line = line_of("summary");
  line["snapshot_id"] = id_or_null(report.id);
  line["backup_type"] = snapshot::to_string(report.snapshot.type);
  line["files_new"] = stats.files_new;
  line["files_changed"] = stats.files_changed;
  line["files_unmodified"] = stats.files_unmodified;
  line["files_deleted"] = stats.files_deleted;
  line["dirs_total"] = stats.dirs_total;
  line["files_total"] = stats.files_total;
  line["bytes_total"] = stats.bytes_total;
  line["bytes_read"] = stats.bytes_read;
  line["bytes_added"] = stats.bytes_added;
  line["bytes_stored"] = stats.bytes_stored;
  line["errors"] = stats.errors;
  line["seconds"] = milliseconds_of(seconds);
  return line;
}

Json deleted_line(const std::string& path, snapshot::EntryType type) {
  Json line = line_of("deleted");
  put_text(line, "path", path);
  line["entry_type"] = snapshot::to_string(type);
  return line;
}

Json copied_line(const engine::CopiedSnapshot& one) {
  Json line = line_of("snapshot");
  line["snapshot_id"] = one.original.id.hex();
  line["copy_id"] = id_or_null(one.copy);
  line["outcome"] = engine::to_string(one.outcome);
  line["bytes_added"] = one.bytes_added;
  line["bytes_stored"] = one.bytes_stored;
  line["notes_carried"] = one.notes_carried;
  if (one.outcome == engine::CopyOutcome::kFailed) line["message"] = one.failure;
  return line;
}

Json moved_line(const engine::MovedSnapshot& one) {
  Json line = line_of("moved");
  line["snapshot_id"] = one.pair.original.hex();
  line["copy_id"] = one.pair.copy.hex();
  line["outcome"] = engine::to_string(one.outcome);
  if (!one.why.empty()) put_text(line, "reason", one.why);
  return line;
}

Json copy_summary(const engine::CopyReport& report, const std::optional<engine::MoveReport>& moved,
                  double seconds) {
  Json line = line_of("summary");
  line["snapshots_copied"] = report.copied;
  line["snapshots_there_already"] = report.there_already;
  line["snapshots_forgotten"] = report.forgotten;
  line["snapshots_failed"] = report.failed;
  line["bytes_added"] = report.bytes_added;
  line["bytes_stored"] = report.bytes_stored;
  line["notes_carried"] = report.notes_carried;
  if (moved) {
    line["snapshots_moved"] = moved->moved;
    line["snapshots_staying"] = moved->staying;
    line["snapshots_not_moved"] = moved->failed;
    line["bytes_compared"] = moved->bytes_compared;
  }
  line["seconds"] = milliseconds_of(seconds);
  return line;
}

Json restore_summary(const engine::RestoreReport& report, double seconds) {
  Json line = line_of("summary");
  line["files_restored"] = report.files_restored;
  line["files_unchanged"] = report.files_unchanged;
  line["files_deleted"] = report.files_deleted;
  line["dirs_deleted"] = report.dirs_deleted;
  line["files_failed"] = report.files_failed;
  line["dirs_restored"] = report.dirs_restored;
  line["bytes_written"] = report.bytes_written;
  line["bytes_total"] = report.bytes_total;
  line["bytes_verified"] = report.bytes_verified;
  line["attributes_not_set"] = report.attributes_not_set;
  line["errors"] = report.errors;
  line["seconds"] = milliseconds_of(seconds);
  return line;
}

Json snapshot_line(const repo::StoredSnapshot& stored, const engine::BindingHolds& holds) {
  const snapshot::Snapshot& snapshot = stored.snapshot;
  Json line = line_of("snapshot");
  line["id"] = stored.id.hex();
  line["short_id"] = stored.id.short_hex();
  line["time"] = format_rfc3339(snapshot.started);
  line["finished"] = format_rfc3339(snapshot.finished);
  put_text(line, "host", snapshot.host);
  put_text(line, "user", snapshot.user);
  put_texts(line, "paths", snapshot.paths);
  put_texts(line, "tags", snapshot.tags);
  line["backup_type"] = snapshot::to_string(snapshot.type);
  line["parent"] = id_or_null(snapshot.parent);
  line["files_total"] = snapshot.stats.files_total;
  line["bytes_total"] = snapshot.stats.bytes_total;
  line["bytes_added"] = snapshot.stats.bytes_added;
  line["bytes_stored"] = snapshot.stats.bytes_stored;
  line["errors"] = snapshot.stats.errors;
  put_text(line, "description", snapshot.description);
  line["status"] = snapshot::to_string(snapshot.status);
  line["held"] = held_array(holds, stored.id);
  line["repaired"] = repaired_or_null(snapshot.repaired);
  return line;
}

Json entry_line(std::string_view path, const snapshot::Entry& entry,
                const snapshot::Snapshot& snapshot) {
  using snapshot::EntryType;
  Json line = line_of("entry");
  put_text(line, "path", path);
  line["kind"] = to_string(entry.type);
  line["mode"] = entry.mode;
  line["permissions"] = permissions_text(entry);
  line["uid"] = entry.uid;
  line["gid"] = entry.gid;
  put_text(line, "user", name_or_number(snapshot.user_names, entry.uid));
  put_text(line, "group", name_or_number(snapshot.group_names, entry.gid));
  line["size"] = entry.size_bytes;
  line["modified"] = format_rfc3339(entry.modified);
  line["changed"] = format_rfc3339(entry.changed);
  line["accessed"] = time_or_null(entry.accessed);
  line["born"] = time_or_null(entry.born);
  line["inode"] = entry.inode;
  line["links"] = entry.links;
  if (entry.type == EntryType::kSymlink) put_text(line, "target", entry.symlink_target);
  if (entry.type == EntryType::kCharDevice || entry.type == EntryType::kBlockDevice) {
    line["device_major"] = entry.special_device >> 32;
    line["device_minor"] = entry.special_device & 0xFFFFFFFFU;
  }
  std::vector<std::string> names;
  for (const snapshot::ExtendedAttribute& attribute : entry.xattrs) names.push_back(attribute.name);
  put_texts(line, "xattrs", names);
  line["inode_flags"] = entry.inode_flags;
  line["project_id"] = entry.project_id;
  line["changed_while_read"] = entry.changed_while_read;
  return line;
}

Json stats_line(const engine::StatsReport& report, const repo::StoredSnapshot* of) {
  Json line = line_of("stats");
  line["snapshot_id"] = of == nullptr ? Json(nullptr) : Json(of->id.hex());
  line["snapshots"] = report.snapshots;
  line["files"] = report.files;
  line["dirs"] = report.dirs;
  line["restore_bytes"] = report.restore_bytes;
  line["unique_chunks"] = report.unique_chunks;
  line["unique_bytes"] = report.unique_bytes;
  line["stored_bytes"] = report.stored_bytes;
  line["data_packs"] = report.data_packs;
  line["data_bytes"] = report.data_bytes;
  line["meta_packs"] = report.meta_packs;
  line["meta_bytes"] = report.meta_bytes;
  line["index_runs"] = report.index_runs;
  line["index_bytes"] = report.index_bytes;
  line["index_entries"] = report.index_entries;
  line["dedup_ratio"] = to_hundredths(report.dedup_ratio);
  line["compression_ratio"] =
      of == nullptr ? Json(to_hundredths(report.compression_ratio)) : Json(nullptr);
  return line;
}

Json affected_line(const engine::Affected& affected) {
  Json line = line_of("affected");
  put_text(line, "object", affected.object);
  line["snapshot_id"] = affected.snapshot.hex();
  if (affected.path.empty())
    line["path"] = nullptr;
  else
    put_text(line, "path", affected.path);
  line["from_here_on"] = affected.from_here_on;
  return line;
}

Json damage_line(const engine::Damage& damage) {
  Json line = line_of("damage");
  put_text(line, "object", damage.object);
  line["message"] = damage.what;
  put_texts(line, "affects", damage.affects);
  line["affected_total"] = damage.affected_total;
  line["affected_snapshots"] = damage.snapshots;
  line["next"] = damage.next;
  return line;
}

Json check_summary(const engine::CheckReport& report, double seconds) {
  Json line = line_of("summary");
  line["snapshots"] = report.snapshots;
  line["packs"] = report.packs;
  line["packs_read"] = report.packs_read;
  line["packs_unindexed"] = report.packs_unindexed;
  line["packs_replaced"] = report.packs_replaced;
  line["bytes_read"] = report.bytes_read;
  line["chunks"] = report.chunks;
  line["pages"] = report.pages;
  line["objects_verified"] = report.objects_verified;
  line["damages"] = report.damages.size();
  line["packs_left"] = report.packs_left;
  line["bytes_left"] = report.bytes_left;
  line["packs_fresh"] = report.packs_fresh;
  line["structure_complete"] = report.structure_complete;
  line["stopped_by_time"] = report.stopped_by_time;
  line["seconds"] = milliseconds_of(seconds);
  return line;
}

Json key_line(const repo::KeySlotEntry& slot) {
  Json line = line_of("key");
  line["id"] = slot.id.hex();
  line["short_id"] = slot.id.short_hex();
  line["kind"] = repo::to_string(slot.info.kind);
  put_text(line, "label", slot.info.label);
  line["created"] = format_rfc3339(slot.info.created);
  put_text(line, "host", slot.info.host);
  put_text(line, "user", slot.info.user);
  line["current"] = slot.opened_this_session;
  line["write_only"] = slot.info.write_only;
  line["usable"] = slot.usable;
  line["confirmed"] = slot.confirmed;
  return line;
}

Json lease_line(const repo::ListedLease& lease) {
  Json line = line_of("lease");
  line["id"] = lease.record.id.hex();
  put_text(line, "operation", lease.record.operation);
  put_text(line, "host", lease.record.host);
  put_text(line, "user", lease.record.user);
  line["process"] = lease.record.process;
  line["started"] = format_rfc3339(lease.record.started);
  line["generation"] = lease.record.generation;
  line["age_seconds"] = lease.age_seconds;
  line["alive"] = lease.alive;
  line["ahead"] = lease.ahead;
  line["state"] = lease_state(lease);
  return line;
}

Json self_test_line(const engine::SelfTestStep& step) {
  Json line = line_of("step");
  line["name"] = step.name;
  line["passed"] = step.passed;
  line["detail"] = step.detail;
  line["seconds"] = milliseconds_of(step.seconds);
  return line;
}

}  // namespace backstay::cli
