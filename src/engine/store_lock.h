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

// unsupported where the store has no legal holds.
Result<void> require_legal_holds(const repo::Repository& repository);

// The same as lock_in_store(), for no time: until end_legal_holds() (S3: legal hold). The holds
// that say so (repo::Hold::legal) are stored before. unsupported as above.
Result<StoreLockReport> put_under_legal_hold(repo::Repository& repository,
                                             const std::vector<snapshot::SnapshotId>& snapshots,
                                             Activity& activity);
// What these snapshots need is let go, but for what others need that are under a legal hold; before
// their holds are removed, so that who is cut goes on by doing it again. Of snapshots that cannot
// be read, all objects are looked at.
Result<void> end_legal_holds(repo::Repository& repository,
                             const std::vector<snapshot::SnapshotId>& snapshots,
                             Activity& activity);

}  // namespace backstay::engine
