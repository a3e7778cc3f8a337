// Stores that do not let go: append-only ones, and object lock (docs/format.md section 10.4).
#pragma once

#include <cstdint>
#include <string_view>
#include <vector>

#include "base/clock.h"
#include "engine/activity.h"
#include "repo/repository.h"

namespace backstay::engine {

// Before `what` ("forget") has done anything: permission_denied in an append-only store,
// unsupported in one whose lists may be late.
Result<void> require_removals(const repo::Repository& repository, std::string_view what);

// Those that count because the store is append-only, and would not otherwise (docs/format.md
// section 8.3).
Result<std::vector<snapshot::SnapshotId>> snapshots_that_would_not_count(
    repo::Repository& repository);

struct StoreLockReport {
  std::uint64_t objects = 0;
  std::uint64_t packs = 0;  // of them
  std::uint64_t bytes_packs = 0;
  std::uint64_t chunks_missing = 0;  // that the snapshots need and no pack has
};

// Has the store keep until then, and never shorter than before, everything that it takes to read
// these snapshots: their packs, the index, keys, key epochs and config, what is said about them,
// and at last themselves. May be cut anywhere; the next one goes on. Loads the index. not_found
// when a snapshot was forgotten before it was kept; unsupported where the store has no object lock.
Result<StoreLockReport> lock_in_store(repo::Repository& repository,
                                      const std::vector<snapshot::SnapshotId>& snapshots,
                                      Timestamp until, Activity& activity);

}  // namespace backstay::engine
