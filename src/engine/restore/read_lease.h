// The lease of an operation that only reads.
#pragma once

#include <memory>
#include <string_view>

#include "engine/activity.h"
#include "repo/lease.h"
#include "repo/repository.h"

namespace backstay::engine::restoring {

using LeasePtr = std::unique_ptr<repo::Lease>;

// Says that packs are being read, so that no collection takes them away. Null, with a note, where
// the repository cannot be written: what is on a read-only medium must be readable all the same.
Result<LeasePtr> take_read_lease(repo::Repository& repository, std::string_view operation,
                                 const Activity& activity);

// Where the snapshot was chosen before the lease was taken: not_found when it was forgotten between
// the two, because then nothing keeps what it needs.
Result<void> require_snapshot(repo::Repository& repository, const snapshot::SnapshotId& id);

// conflict when the lease was ended: what a collection freed since looks as if it were lost. For a
// lease that there is none of (null), nothing.
Result<void> require_lease(const LeasePtr& lease);

}  // namespace backstay::engine::restoring
