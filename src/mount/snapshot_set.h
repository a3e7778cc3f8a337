// The snapshots that are shown, as they were listed at one moment.
#pragma once

#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "repo/repository.h"

namespace backstay::mount {

struct ServedSnapshot {
  snapshot::SnapshotId id;
  snapshot::Snapshot snapshot;
  std::string name;  // of its folder: "2026-11-20T10-30-00Z-1a2b3c4d"
};
using ServedPtr = std::shared_ptr<const ServedSnapshot>;

// Never changes, so that any number of threads may look at it while the next one is made.
class SnapshotSet {
 public:
  using Snapshots = std::vector<ServedPtr>;                       // oldest first
  using Folders = std::map<std::string, Snapshots, std::less<>>;  // by name of folder

  explicit SnapshotSet(const std::vector<repo::StoredSnapshot>& oldest_first);

  [[nodiscard]] const Snapshots& all() const { return all_; }
  [[nodiscard]] const Folders& hosts() const { return hosts_; }
  [[nodiscard]] const Folders& tags() const { return tags_; }
  // Null when no snapshot is called so.
  [[nodiscard]] ServedPtr find(std::string_view name) const;

 private:
  Snapshots all_;
  std::map<std::string, ServedPtr, std::less<>> by_name_;
  Folders hosts_;
  Folders tags_;
};
using SnapshotSetPtr = std::shared_ptr<const SnapshotSet>;

// The newest that is no safety snapshot, unless there are no others; null when there is none.
[[nodiscard]] ServedPtr latest_of(const SnapshotSet::Snapshots& snapshots);

}  // namespace backstay::mount
