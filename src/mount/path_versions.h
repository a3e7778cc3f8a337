// Paths across all snapshots: what is below one in any of them, and the versions of a file.
#pragma once

#include <list>
#include <map>
#include <memory>
#include <stop_token>
#include <string>
#include <utility>
#include <vector>

#include "base/mutex.h"
#include "mount/snapshot_set.h"
#include "snapshot/entry.h"

namespace backstay::mount {

// What a path's folder shows of itself. Whoever may not look into a folder of one snapshot must not
// see its names here: the permissions are what all snapshots allow, and where they differ about the
// owner, nobody but root has any.
struct MergedStatus {
  bool exists = false;
  std::uint32_t mode = 0777;  // permissions; of a file, who may read it may look into its folder
  std::uint32_t uid = 0;
  std::uint32_t gid = 0;
  Timestamp modified;  // the newest

  // In any order, and an entry may be added more than once.
  void add(const snapshot::Entry& entry);
};

struct PathVersion {
  std::string name;    // of the file in the folder of its versions
  ServedPtr snapshot;  // the oldest that has this content
  std::shared_ptr<const snapshot::Entry> entry;
};

struct PathFacts {
  MergedStatus status;
  bool is_folder = false;             // in some snapshot
  std::vector<PathVersion> versions;  // where it was no folder; oldest first, each content once
};
using PathFactsPtr = std::shared_ptr<const PathFacts>;

struct PathChild {
  std::string name;
  MergedStatus status;
};

// Thread-safe. Remembers the facts of some hundred paths.
class PathVersions {
 public:
  // A request to stop ends what goes through all snapshots (cancelled).
  PathVersions(chunk::ChunkReader& pages, std::stop_token stop)
      : pages_(pages), stop_(std::move(stop)) {}

  // `key` as in the tree; the empty one is there even where there are no snapshots.
  Result<PathFactsPtr> facts(const SnapshotSetPtr& set, const std::string& key) EXCLUDES(mutex_);
  // Sorted by name. Reads pages that several snapshots share once, mostly.
  Result<std::vector<PathChild>> children(const SnapshotSet& set, const std::string& folder);

 private:
  [[nodiscard]] Result<void> go_on() const;
  Result<PathFacts> collect(const SnapshotSet& set, const std::string& key);

  chunk::ChunkReader& pages_;
  const std::stop_token stop_;
  Mutex mutex_;
  struct Remembered {
    std::string key;
    PathFactsPtr facts;
  };
  SnapshotSetPtr set_ GUARDED_BY(mutex_);            // of which the facts are
  std::list<Remembered> recent_ GUARDED_BY(mutex_);  // the one asked for last in front
  std::map<std::string, std::list<Remembered>::iterator, std::less<>> by_key_ GUARDED_BY(mutex_);
};

}  // namespace backstay::mount
