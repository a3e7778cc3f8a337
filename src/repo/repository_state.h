// What an open repository holds, for the files that implement it.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/mutex.h"
#include "repo/frame_cache.h"
#include "repo/key_epoch.h"
#include "repo/object_key_cache.h"
#include "repo/repository.h"

namespace backstay::repo {

inline constexpr std::size_t kFrameCacheBytes = 8 * 1024 * 1024;

struct Repository::State {
  std::unique_ptr<backend::Backend> backend;
  World world;
  Config config;
  UnlockedKeys keys;
  std::string cache_directory;
  std::vector<Generation> generations;
  std::optional<Error> generation_trouble;
  std::vector<snapshot::SnapshotId> uncounted;
  std::unique_ptr<Index> index;
  FrameCache frames{kFrameCacheBytes};
  ObjectKeyCache pack_keys;

  enum class Scan : std::uint8_t { kNotWanted, kWanted, kRunning, kDone };
  Mutex scan_mutex;
  CondVar scan_ended;
  Scan scan GUARDED_BY(scan_mutex) = Scan::kNotWanted;
  Recovery told_of_scan;  // before other threads start

  KeyPlace key_place() { return {.store = *backend, .repository = config.id}; }
  Result<void> scan_once(Repository& repository) EXCLUDES(scan_mutex);
};

}  // namespace backstay::repo
