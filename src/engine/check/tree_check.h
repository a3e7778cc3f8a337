// Trees: every page, every content list, every chunk of every file; and which files a damage
// touches.
#pragma once

#include <functional>
#include <optional>
#include <string>
#include <unordered_map>
#include <unordered_set>
#include <vector>

#include "engine/check.h"
#include "engine/check/damage_log.h"
#include "repo/repository.h"
#include "snapshot/tree_walker.h"

namespace backstay::engine::check_stages {

// Walks the trees of all snapshots; pages that an earlier snapshot shared are walked once.
class TreeCheck {
 public:
  TreeCheck(repo::Repository& repository, DamageLog& log, Activity& activity,
            const std::unordered_set<repo::ObjectId>& bad_packs,
            const std::unordered_set<repo::ObjectId>& strays);

  // Checks the tree of one snapshot; damages name pages, chunks and packs. False when it was
  // stopped.
  Result<bool> check(const repo::StoredSnapshot& snapshot, const std::function<bool()>& stop_early);

  // Names for every damage found until now, by this or other stages, what of the snapshot it
  // touches. Walks everything that is readable, so it is called only when there is damage. Ends
  // with cancelled when the activity is stopped; false when it was enough before the end.
  Result<bool> name_affected(const repo::StoredSnapshot& snapshot,
                             const std::function<bool()>& enough);

  // Packs without which something of the snapshots walked could not be had.
  [[nodiscard]] const std::unordered_set<repo::ObjectId>& needed() const { return needed_; }
  [[nodiscard]] std::uint64_t pages() const { return pages_; }
  [[nodiscard]] std::uint64_t chunks() const { return chunks_; }

 private:
  void need(const chunk::ChunkId& id);
  Result<void> check_item(const snapshot::TreeWalker& walker);
  Result<void> name_damage_of(const chunk::ChunkRef& page, const snapshot::SnapshotId& snapshot,
                              const Error& error);
  Result<void> check_content(const snapshot::Entry& entry, const std::string& path);
  [[nodiscard]] Result<void> fits(const snapshot::Extent& extent) const;
  void name_affected_file(const snapshot::TreeItem& item, const snapshot::SnapshotId& snapshot);
  // The object to blame for a chunk that cannot be had, or nothing when the chunk is there. `what`
  // says what is wrong with it.
  [[nodiscard]] std::string blame(const chunk::ChunkId& id, std::string& what) const;
  // As above for a chunk that could not be read because of `error`: never nothing.
  [[nodiscard]] std::string blame_for(const chunk::ChunkId& id, const Error& error,
                                      std::string& what) const;
  [[nodiscard]] std::string blame_content(const snapshot::Entry& entry, std::string_view key,
                                          const Error& error, std::string& what);

  repo::Repository& repository_;
  DamageLog& log_;
  Activity& activity_;
  const std::unordered_set<repo::ObjectId>& bad_packs_;
  const std::unordered_set<repo::ObjectId>& strays_;  // known from their directories only
  std::unordered_set<repo::ObjectId> needed_;
  // Those that could be opened, and what each says of itself; nothing of others.
  std::unordered_map<chunk::ChunkId, std::optional<snapshot::PageFacts>> seen_pages_;
  std::uint64_t pages_ = 0;
  std::uint64_t chunks_ = 0;
};

}  // namespace backstay::engine::check_stages
