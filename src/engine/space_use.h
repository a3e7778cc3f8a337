// What takes the space: a snapshot's folders, by what is stored for them.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "engine/activity.h"
#include "repo/repository.h"
#include "snapshot/snapshot.h"

namespace backstay::engine {

struct FolderUse {
  std::string path;
  std::uint64_t files = 0;         // regular ones
  std::uint64_t bytes = 0;         // their sizes
  std::uint64_t unique_bytes = 0;  // of pieces that no folder before this one has, nor this twice
  std::uint64_t stored_bytes = 0;  // what those take in packs: their share of their frames
};

struct SpaceUseOptions {
  std::string path = "/";   // only what is there or below it
  std::uint32_t depth = 1;  // folders so deep below each path of the snapshot, or below `path`
};

// In the order of a walk, which decides to whom a piece belongs that several have. What lies beside
// folders of that depth is counted for the folder that it is in. Needs about 40 bytes for each
// chunk of the snapshot. not_found when there is nothing at `path`.
Result<std::vector<FolderUse>> space_use(repo::Repository& repository,
                                         const snapshot::Snapshot& snapshot,
                                         const SpaceUseOptions& options, Activity& activity);

}  // namespace backstay::engine
