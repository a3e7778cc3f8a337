// Rotation of keys: objects that begin a key epoch (docs/format.md section 4.6).
#pragma once

#include <memory>
#include <vector>

#include "backend/backend.h"
#include "base/clock.h"
#include "base/rng.h"
#include "repo/key_slot.h"

namespace backstay::repo {

struct EpochEntry {
  SlotDigest slot;
  Bytes box;  // of the epoch, to the slot's public key
};

struct EpochStart {
  std::uint32_t number = 0;
  Timestamp time;
  std::vector<EpochEntry> entries;
};

void encode_epoch_body(const EpochStart& start, Bytes& out);
Result<EpochStart> decode_epoch_body(ByteView body);

// The whole object, signed by the epoch before, which is a full one.
Bytes encode_epoch_start(const EpochStart& start, const KeyEpoch& before,
                         const RepositoryId& repository);
// corruption when `before` did not sign it, or it is not the one that follows.
Result<EpochStart> decode_epoch_start(ByteView stored, const KeyEpoch& before,
                                      const RepositoryId& repository);

// Adds all epochs that began after the keyring's last one. wrong_key when the slot was revoked,
// corruption when an epoch is not confirmed by the one before.
Result<void> follow_epochs(backend::Backend& store, const RepositoryId& repository,
                           const SlotIdentity& slot, Keyring& keyring);
// The same, whenever an object of an unknown epoch is met. `store` outlives it.
std::shared_ptr<LateEpochs> late_epochs(backend::Backend& store, const RepositoryId& repository,
                                        SlotIdentity slot, const Keyring& keyring);

// The number of the last epoch that an object begins; 0 where there is none.
Result<std::uint32_t> last_epoch(backend::Backend& store);

// The object that began the current epoch of a keyring that holds the one before, too; nothing
// when no object did, or when the keyring began later.
Result<std::vector<EpochEntry>> entries_of_current(backend::Backend& store,
                                                   const RepositoryId& repository,
                                                   const Keyring& keyring);

// Begins a new epoch for these slots. already_exists when somebody else began it first.
struct Rotation {
  std::vector<PublicSlot> slots;
  Timestamp time;
};
Result<KeyEpoch> begin_epoch(backend::Backend& store, const RepositoryId& repository,
                             const Keyring& keyring, const Rotation& rotation, Rng& rng);

// Epochs that were begun by several objects, each confirmed by the epoch before: somebody who had
// that epoch's keys took the first one away, or put his own beside it. As far as the ring knows the
// epochs before, and both are there.
struct ForkedEpoch {
  std::uint32_t number = 0;
  std::vector<std::string> objects;  // one name of each
};
Result<std::vector<ForkedEpoch>> forked_epochs(backend::Backend& store,
                                               const RepositoryId& repository,
                                               const Keyring& keyring);

// Stores the copy of the current epoch's object where it is missing.
Result<void> keep_epoch_copy(backend::Backend& store, const RepositoryId& repository,
                             const Keyring& keyring);

}  // namespace backstay::repo
