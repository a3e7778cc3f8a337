// The verb mount: snapshots as folders, until somebody unmounts them.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "engine/activity.h"
#include "mount/fuse_server.h"
#include "repo/repository.h"

namespace backstay::mount {

struct ServeOptions {
  std::string target;  // a folder that exists
  Access access = Access::kOwner;
  // What is shown, oldest first: asked for at the beginning, and when the store has others. Says
  // itself what it leaves out.
  std::function<Result<std::vector<repo::StoredSnapshot>>()> list;
  std::function<Result<void>()> load_index;  // after each list
  // Folders that the mount must not hide: the repository and the cache.
  std::vector<std::string> keep;
  std::size_t threads = 0;         // that read from the store; 0: the usual ones
  std::uint64_t memory_limit = 0;  // bytes; 0: the default
};

struct ServeReport {
  bool stopped = false;   // by the activity's stop; else somebody unmounted it
  bool detached = false;  // programs still used it
  std::uint64_t snapshots = 0;
  std::uint64_t errors = 0;  // answers of EIO
  bool damage = false;       // some of them because the repository is damaged
};

// `ready` is called once the folder shows the snapshots. not_found when there is no such folder;
// invalid_argument when it is no folder, or would hide what is read.
Result<ServeReport> serve(repo::Repository& repository, const ServeOptions& options,
                          const std::function<void(std::size_t snapshots)>& ready,
                          engine::Activity& activity);

// What frames may take, and how many are fetched at once.
[[nodiscard]] FrameStore::Limits frame_limits(const backend::Backend& store, std::size_t threads,
                                              std::uint64_t memory_limit);

}  // namespace backstay::mount
