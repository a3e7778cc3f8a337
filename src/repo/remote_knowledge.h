// What a machine keeps of a repository that may be away: all objects but packs, parity and leases,
// as they are stored. With them its snapshots can be listed, and it can be told which chunks it
// had.
#pragma once

#include "backend/backend.h"
#include "base/error.h"

namespace backstay::repo {

// Makes `kept` hold the objects of `from` that are needed to know it, and no others of their kinds.
// What is there already is not fetched again, because no object changes. Nothing is decoded:
// whoever opens `kept` checks it as he would the repository. permission_denied when `kept` is of
// another repository.
Result<void> keep_knowledge(backend::Backend& from, backend::Backend& kept);

// The same of what opens it: config, key slots, key epochs.
Result<void> keep_keys(backend::Backend& from, backend::Backend& kept);

}  // namespace backstay::repo
