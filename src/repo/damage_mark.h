// Marks of packs that a check found damaged (docs/format.md section 8.5).
#pragma once

#include <vector>

#include "backend/backend.h"
#include "base/clock.h"
#include "repo/location.h"
#include "repo/object.h"

namespace backstay::repo {

// Durable when it returns. Marking what is marked already succeeds.
Result<void> mark_damaged(backend::Backend& store, const RepositoryId& repository,
                          const ObjectId& pack, PackKind kind, Timestamp now);
// The pack was read and is whole: somebody put back a copy.
Result<void> remove_mark(backend::Backend& store, const ObjectId& pack);
// The packs that are marked. The names of the marks say all: their bytes are not read.
Result<std::vector<ObjectId>> marked_packs(backend::Backend& store);

}  // namespace backstay::repo
