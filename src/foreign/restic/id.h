// Names of what a restic repository holds: the SHA-256 of its bytes.
#pragma once

#include "base/strong_id.h"

namespace backstay::foreign::restic {

// Of a file of the repository, or of a piece of a pack.
using Id = StrongId<struct ResticIdTag>;

}  // namespace backstay::foreign::restic
