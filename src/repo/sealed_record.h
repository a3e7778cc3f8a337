// Objects that are the prefix and one sealed segment of a record: snapshots and the notes about
// them (docs/format.md section 7).
#pragma once

#include "base/bytes.h"
#include "base/error.h"
#include "base/rng.h"
#include "repo/config.h"
#include "repo/key_slot.h"
#include "repo/object.h"

namespace backstay::repo {

// The purpose follows from the kind.
Result<Bytes> seal_record(ObjectKind kind, ByteView record, const Keyring& keyring,
                          const Config& config, Rng& rng);
Result<Bytes> open_record(ObjectKind kind, ByteView stored, const Keyring& keyring,
                          const RepositoryId& repository);

}  // namespace backstay::repo
