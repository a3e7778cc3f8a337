#include "mount/path_versions.h"

#include <algorithm>
#include <unordered_set>

#include "base/try.h"
#include "engine/restore/link_groups.h"
#include "mount/names.h"
#include "snapshot/tree_key.h"
#include "snapshot/tree_walker.h"

namespace backstay::mount {

namespace {

using snapshot::Entry;
using snapshot::EntryType;

constexpr std::size_t kRememberedMax = 256;

// The names directly in a folder of one tree after the other.
class Union {
 public:
  Union(chunk::ChunkReader& pages, const std::string& folder)
      : pages_(pages), folder_(folder), name_at_(folder.empty() ? 0 : folder.size() + 1) {}

  Result<void> add(const snapshot::TreeRoot& tree) {
    snapshot::TreeWalker walker(pages_, tree);
    TRY(walker.seek(folder_.empty() ? std::string() : folder_ + '\0'));
    while (!walker.at_end() && is_inside(walker)) TRY(take(walker));
    return {};
  }

  std::vector<PathChild> finish() {
    std::vector<PathChild> children;
    children.reserve(found_.size());
    for (auto& [name, status] : found_) children.push_back({.name = name, .status = status});
    return children;
  }

 private:
  // Where a page begins before the folder, a part of it may be inside.
  [[nodiscard]] bool is_inside(const snapshot::TreeWalker& walker) const {
    const std::string& key = walker.position();
    return snapshot::is_within(key, folder_) || (walker.at_page() && key < folder_);
  }

  Result<void> take(snapshot::TreeWalker& walker) {
    if (walker.at_page()) {
      // The same page has the same names in it, whichever snapshot it is read for.
      if (seen_.insert(walker.page().ref.id).second) return walker.open();
      walker.skip_page();
      return {};
    }
    const std::string& key = walker.key();
    const std::size_t name_end = key.find('\0', name_at_);
    if (name_end != std::string::npos)
      return walker.seek(snapshot::key_after_subtree(key.substr(0, name_end)));
    if (key.size() > name_at_) {
      const std::string name = key.substr(name_at_);
      if (can_be_served(name)) found_[name].add(TRY(snapshot::decode_entry(walker.record())));
    }
    walker.step();
    return {};
  }

  chunk::ChunkReader& pages_;
  const std::string& folder_;
  const std::size_t name_at_;
  std::unordered_set<chunk::ChunkId> seen_;
  std::map<std::string, MergedStatus> found_;
};

// Snapshots of which each has another tree.
SnapshotSet::Snapshots with_different_trees(const SnapshotSet& set) {
  std::unordered_set<chunk::ChunkId> seen;
  SnapshotSet::Snapshots different;
  for (const ServedPtr& one : set.all())
    if (seen.insert(one->snapshot.tree.page.id).second) different.push_back(one);
  return different;
}

}  // namespace

void MergedStatus::add(const Entry& entry) {
  std::uint32_t allowed = entry.mode & 0777;
  if (entry.type != EntryType::kDirectory) allowed = (allowed & 0444) | ((allowed & 0444) >> 2);
  const bool same_owner = !exists || (uid == entry.uid && gid == entry.gid);
  mode &= same_owner ? allowed : allowed & 0700;
  uid = same_owner ? entry.uid : 0;
  gid = same_owner ? entry.gid : 0;
  modified = exists ? std::max(modified, entry.modified) : entry.modified;
  exists = true;
}

Result<void> PathVersions::go_on() const {
  if (stop_.stop_requested()) return fail(ErrorCode::kCancelled, "the mount is ending");
  return {};
}

Result<PathFacts> PathVersions::collect(const SnapshotSet& set, const std::string& key) {
  PathFacts facts;
  std::unordered_set<crypto::Digest> contents;
  const std::string file(snapshot::name_of_key(key));
  for (const ServedPtr& one : with_different_trees(set)) {
    TRY(go_on());
    auto entry = TRY_DOING("looking into snapshot " + one->id.short_hex(),
                           snapshot::find_entry(pages_, one->snapshot.tree, key));
    if (!entry) continue;
    facts.status.add(*entry);
    if (entry->type == EntryType::kDirectory) {
      facts.is_folder = true;
    } else if (contents.insert(engine::restoring::digest_of_common(*entry)).second) {
      facts.versions.push_back({.name = version_name(one->name, entry->size_bytes, file),
                                .snapshot = one,
                                .entry = std::make_shared<const Entry>(*std::move(entry))});
    }
  }
  if (key.empty() && !facts.status.exists) {
    facts.status.exists = true;
    facts.status.mode = 0755;
  }
  facts.is_folder = facts.is_folder || key.empty();
  return facts;
}

Result<PathFactsPtr> PathVersions::facts(const SnapshotSetPtr& set, const std::string& key) {
  {
    const MutexLock lock(mutex_);
    if (set_ != set) {
      set_ = set;
      by_key_.clear();
      recent_.clear();
    }
    if (const auto it = by_key_.find(key); it != by_key_.end()) {
      recent_.splice(recent_.begin(), recent_, it->second);
      return it->second->facts;
    }
  }
  auto facts = std::make_shared<const PathFacts>(TRY(collect(*set, key)));
  const MutexLock lock(mutex_);
  if (set_ != set || by_key_.contains(key)) return facts;
  recent_.push_front({.key = key, .facts = facts});
  by_key_[key] = recent_.begin();
  if (recent_.size() > kRememberedMax) {
    by_key_.erase(recent_.back().key);
    recent_.pop_back();
  }
  return facts;
}

Result<std::vector<PathChild>> PathVersions::children(const SnapshotSet& set,
                                                      const std::string& folder) {
  Union all(pages_, folder);
  for (const ServedPtr& one : with_different_trees(set)) {
    TRY(go_on());
    TRY_DOING("looking into snapshot " + one->id.short_hex(), all.add(one->snapshot.tree));
  }
  return all.finish();
}

}  // namespace backstay::mount
