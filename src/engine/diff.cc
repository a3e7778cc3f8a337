#include "engine/diff.h"

#include "base/try.h"
#include "snapshot/tree_key.h"

namespace backstay::engine {

using snapshot::Entry;
using snapshot::EntryType;

std::string_view to_string(ChangeKind kind) {
  switch (kind) {
    case ChangeKind::kAdded:
      return "added";
    case ChangeKind::kRemoved:
      return "removed";
    case ChangeKind::kContent:
      return "content";
    case ChangeKind::kAttributes:
      return "attributes";
    case ChangeKind::kType:
      return "type";
  }
  return "";
}

static bool same_content(const Entry& before, const Entry& after) {
  return before.size_bytes == after.size_bytes && before.content == after.content &&
         before.symlink_target == after.symlink_target &&
         before.special_device == after.special_device;
}

ChangeKind kind_of(const std::optional<Entry>& before, const std::optional<Entry>& after) {
  if (!before) return ChangeKind::kAdded;
  if (!after) return ChangeKind::kRemoved;
  if (before->type != after->type) return ChangeKind::kType;
  return same_content(*before, *after) ? ChangeKind::kAttributes : ChangeKind::kContent;
}

DiffReport::Counts DiffReport::no_changes() {
  return {{ChangeKind::kAdded, 0},
          {ChangeKind::kRemoved, 0},
          {ChangeKind::kContent, 0},
          {ChangeKind::kAttributes, 0},
          {ChangeKind::kType, 0}};
}

void count_change(DiffReport& report, const Change& change) {
  const Entry& entry = change.after ? *change.after : *change.before;
  DiffReport::Counts& counts = entry.type == EntryType::kFile        ? report.files
                               : entry.type == EntryType::kDirectory ? report.folders
                                                                     : report.others;
  ++counts[change.kind];
  if (change.kind == ChangeKind::kAttributes) return;
  if (change.after) report.bytes_added += change.after->size_bytes;
  if (change.before) report.bytes_removed += change.before->size_bytes;
}

Result<DiffReport> diff_snapshots(repo::Repository& repository, const snapshot::TreeRoot& before,
                                  const snapshot::TreeRoot& after, const std::string& path,
                                  const std::function<Result<void>(const Change&)>& each,
                                  Activity& activity) {
  DiffReport report;
  const auto take = [&](const snapshot::TreeChange& changed) -> Result<void> {
    if (activity.stop.stop_requested()) return fail(ErrorCode::kCancelled, "interrupted");
    const Change change{.path = snapshot::path_from_key(changed.key),
                        .kind = kind_of(changed.before, changed.after),
                        .before = changed.before,
                        .after = changed.after};
    count_change(report, change);
    ++activity.progress.files_done;
    return each(change);
  };
  TRY(snapshot::diff_trees_within(repository, before, after, snapshot::key_from_path(path), take));
  return report;
}

}  // namespace backstay::engine
