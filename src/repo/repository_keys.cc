// The keys of an open repository: slots and rotation.
#include "base/try.h"
#include "io/machine.h"
#include "repo/key_rotation.h"
#include "repo/repository_state.h"

namespace backstay::repo {

Result<std::vector<KeySlotEntry>> Repository::key_slots() {
  return list_key_slots(state_->key_place(), state_->keys);
}

Result<ObjectId> Repository::add_key_slot(const SlotInfo& info, const Credential& credential) {
  TRY(require_full(state_->keys.keyring));
  // Released when it goes: until then no rotation leaves the new slot behind.
  const auto lease = TRY(take_key_lease());
  return repo::add_key_slot(state_->key_place(), state_->keys, info, credential, state_->world.rng);
}

Result<std::vector<ForkedEpoch>> Repository::forked_key_epochs() const {
  return forked_epochs(*state_->backend, state_->config.id, state_->keys.keyring);
}

const std::vector<ObjectId>& Repository::unusable_key_slots() const {
  return state_->keys.unusable;
}

// Of a process that was killed it is in the way only as long as it must.
Result<std::unique_ptr<Lease>> Repository::take_key_lease() {
  constexpr std::uint64_t kRenewSeconds = 30;
  auto record = lease_of_this_process(kKeyOperation, io::hostname(), io::user_name());
  record.renew_seconds = kRenewSeconds;
  auto lease = TRY(take_lease(std::move(record), LeaseUse::kWriting));
  TRY(require_no_other_key_lease(state_->key_place(), lease->id()));
  return lease;
}

Result<void> Repository::remove_key_slot(const ObjectId& id) {
  TRY(require_full(state_->keys.keyring));
  const auto lease = TRY(take_key_lease());
  return repo::remove_key_slot(state_->key_place(), state_->keys, id, *lease);
}

Result<RotationReport> Repository::rotate_keys(const std::optional<ObjectId>& revoked) {
  TRY(require_full(state_->keys.keyring));
  const auto lease = TRY(take_key_lease());
  return repo::rotate_keys(state_->key_place(), state_->keys,
                           {.revoked = revoked, .now = state_->world.clock.now()}, *lease,
                           state_->world.rng);
}

}  // namespace backstay::repo
