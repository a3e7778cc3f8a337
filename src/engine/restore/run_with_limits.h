// The verb with its limits open: tests make windows of a few files with this.
#pragma once

#include "engine/restore.h"
#include "engine/restore/limits.h"
#include "engine/restore_plan.h"

namespace backstay::engine::restoring {

Result<RestoreReport> restore_with_limits(repo::Repository& repository,
                                          const snapshot::Snapshot& snapshot,
                                          const RestoreOptions& options, const Limits& limits,
                                          Activity& activity);

Result<RestorePlan> plan_with_limits(repo::Repository& repository,
                                     const snapshot::Snapshot& snapshot,
                                     const RestoreOptions& options, const Limits& limits,
                                     Activity& activity);

}  // namespace backstay::engine::restoring
