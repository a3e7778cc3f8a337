// Reads back what was restored.
#pragma once

#include "engine/restore/site.h"

namespace backstay::engine::restoring {

// Compares every regular file of the selection with the snapshot, chunk by chunk, but for those
// that failed or were left alone by the overwrite rule. Differences are reported.
Result<void> verify_target(Site& site);

}  // namespace backstay::engine::restoring
