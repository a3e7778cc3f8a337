// The key slots of a repository as they are in its store: opening with one, adding, removing, and
// rotation (docs/format.md sections 4.4 and 4.6).
#pragma once

#include <optional>
#include <vector>

#include "backend/backend.h"
#include "base/clock.h"
#include "base/rng.h"
#include "repo/key_slot.h"
#include "repo/lease.h"

namespace backstay::repo {

struct KeySlotEntry {
  ObjectId id;
  SlotInfo info;
  bool readable = true;  // false when it is damaged or of a kind that this version does not know
  bool opened_this_session = false;
  // The keys of now say that it is one of theirs: it gets the new ones of a rotation. Others were
  // revoked, are from before there were rotations, or were put there by somebody without a key.
  bool confirmed = false;
  bool usable = false;  // it opens the repository as it is now
};

// Which repository, and where.
struct KeyPlace {
  backend::Backend& store;
  RepositoryId repository;
};

struct UnlockedKeys {
  Keyring keyring;
  SlotIdentity identity;
  ObjectId slot;
  // Slots that do not open the repository, as far as a full key can say: left behind by a change of
  // the keys, or put there by somebody without one.
  std::vector<ObjectId> unusable = {};
};

// What deriving keys from a passphrase may cost in vain, in KiB times passes: about a minute.
// Whoever can write to the store can put slots there that each ask for the dearest derivation.
inline constexpr std::uint64_t kVainWorkMax = std::uint64_t{64} * 1024 * 1024;

// With the first slot that the credential opens and that was not revoked, the cheapest first.
// wrong_key when there is none, or not all that are there may be tried, corruption when the one may
// be damaged.
Result<UnlockedKeys> unlock_keys(const KeyPlace& place, const Credential& credential);

Result<std::vector<KeySlotEntry>> list_key_slots(const KeyPlace& place, const UnlockedKeys& keys);

// wrong_key for write-only ones.
Result<void> require_full(const Keyring& keyring);

// Needs a full keyring, as all that follows. Follows rotations first.
Result<ObjectId> add_key_slot(const KeyPlace& place, UnlockedKeys& keys, const SlotInfo& info,
                              const Credential& credential, Rng& rng);

// Two that take keys away at once may take away the last: each holds a lease for the operation
// "key", taken before it lists slots, and gives up when it sees the other's.
inline constexpr std::string_view kKeyOperation = "key";
// conflict when another one lives.
Result<void> require_no_other_key_lease(const KeyPlace& place, const LeaseId& own);

// conflict when no full key would be left, or the keys were changed meanwhile: then the slot is
// there as before.
Result<void> remove_key_slot(const KeyPlace& place, UnlockedKeys& keys, const ObjectId& id,
                             const Lease& lease);

struct RotationReport {
  std::uint32_t epoch = 0;
  std::vector<KeySlotEntry> carried;
  // Came while the keys were changed: they do not open the repository any more.
  std::vector<KeySlotEntry> left_behind;
  // The new epoch stands, but which slots came meanwhile is not known.
  std::optional<Error> not_listed = {};
  // The new epoch stands, but the slot that was revoked is still there. It opens only what was.
  std::optional<Error> not_removed = {};
};
struct RotationWish {
  std::optional<ObjectId> revoked;
  Timestamp now;
};
// unsupported when a slot cannot follow; conflict when no full key would; already_exists when
// somebody else was faster.
Result<RotationReport> rotate_keys(const KeyPlace& place, UnlockedKeys& keys,
                                   const RotationWish& wish, const Lease& lease, Rng& rng);

}  // namespace backstay::repo
