#include "mount/snapshot_set.h"

#include "engine/safety_snapshot.h"
#include "mount/names.h"

namespace backstay::mount {

SnapshotSet::SnapshotSet(const std::vector<repo::StoredSnapshot>& oldest_first) {
  for (const repo::StoredSnapshot& stored : oldest_first) {
    const std::string time = name_of_time(stored.snapshot.started) + "-";
    const std::string usual = time + stored.id.short_hex();
    auto served = std::make_shared<const ServedSnapshot>(
        ServedSnapshot{.id = stored.id,
                       .snapshot = stored.snapshot,
                       .name = by_name_.contains(usual) ? time + stored.id.hex() : usual});
    by_name_.emplace(served->name, served);
    hosts_[folder_name(served->snapshot.host)].push_back(served);
    for (const std::string& tag : served->snapshot.tags) {
      Snapshots& tagged = tags_[folder_name(tag)];
      if (tagged.empty() || tagged.back() != served) tagged.push_back(served);
    }
    all_.push_back(std::move(served));
  }
}

ServedPtr SnapshotSet::find(std::string_view name) const {
  const auto it = by_name_.find(name);
  return it == by_name_.end() ? nullptr : it->second;
}

ServedPtr latest_of(const SnapshotSet::Snapshots& snapshots) {
  for (auto it = snapshots.rbegin(); it != snapshots.rend(); ++it)
    if (!engine::is_safety_snapshot((*it)->snapshot)) return *it;
  return snapshots.empty() ? nullptr : snapshots.back();
}

}  // namespace backstay::mount
