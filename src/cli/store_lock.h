// Locking snapshots in the store itself, where it can, and saying what that is worth.
#pragma once

#include <string_view>
#include <vector>

#include "backend/backend.h"
#include "base/clock.h"
#include "cli/command.h"
#include "repo/repository.h"

namespace backstay::cli {

// After the snapshots are held until then. Says what the store keeps, or that it keeps nothing.
Result<void> lock_in_store_and_tell(Context& context, repo::Repository& repository,
                                    const std::vector<snapshot::SnapshotId>& snapshots,
                                    Timestamp until);

// The same of a legal hold, in a store that has them.
Result<void> hold_in_store_and_tell(Context& context, repo::Repository& repository,
                                    const std::vector<snapshot::SnapshotId>& snapshots);

// "store", "programs" or "nothing": who keeps what is locked from being removed.
[[nodiscard]] std::string_view lock_keeper(const backend::Capabilities& can);

}  // namespace backstay::cli
