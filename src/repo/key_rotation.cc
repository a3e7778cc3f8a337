#include "repo/key_rotation.h"

#include <fmt/format.h>

#include <algorithm>
#include <set>
#include <string>
#include <utility>

#include "base/try.h"
#include "repo/key_epoch.h"

namespace backstay::repo {

namespace {

struct StoredSlot {
  ObjectId id;
  Bytes bytes;  // empty when it cannot be read
};

// Slots of this repository. One that cannot be read is kept as an empty object, so that it is seen.
Result<std::vector<StoredSlot>> read_slots(const KeyPlace& place) {
  std::vector<ObjectId> listed;
  TRY(place.store.list(name_prefix(ObjectKind::kKeySlot),
                       [&](const backend::ObjectInfo& info) -> Result<void> {
                         if (auto id = parse_object_name(ObjectKind::kKeySlot, info.name))
                           listed.push_back(*id);
                         return {};
                       }));
  std::ranges::sort(listed);
  std::vector<StoredSlot> slots;
  for (const ObjectId& id : listed) {
    auto slot = get_object(place.store, object_name(ObjectKind::kKeySlot, id), kPlainObjectMax);
    if (!slot && slot.error().code() == ErrorCode::kNotFound) continue;  // removed meanwhile
    if (!slot && !is_damage(slot.error().code())) {
      return std::unexpected(std::move(slot).error().with_context("reading the key slots"));
    }
    const auto header = decode_header(slot ? ByteView(*slot) : ByteView());
    const bool stray = header && header->repository != place.repository;
    if (stray && id_of(*slot) == id) continue;
    slots.push_back({.id = id, .bytes = slot ? std::move(*slot) : Bytes{}});
  }
  return slots;
}

std::string names_of(const std::vector<ObjectId>& slots) {
  constexpr std::size_t kNamedMax = 8;
  std::string names;
  for (std::size_t i = 0; i < std::min(slots.size(), kNamedMax); ++i)
    names += (i == 0 ? "" : ", ") + slots[i].short_hex();
  if (slots.size() > kNamedMax) names += fmt::format(" and {} more", slots.size() - kNamedMax);
  return names;
}

// Why no slot opened, the most telling reason first.
class Refusals {
 public:
  void add(const StoredSlot& slot, Error error) {
    if (const auto info = read_slot_info(slot.bytes)) {
      kinds_.insert(std::string(to_string(info->kind)));
    }
    if (id_of(slot.bytes) != slot.id) {
      trouble_ = Error(ErrorCode::kCorruption,
                       "the bytes of key slot " + slot.id.short_hex() + " do not match its name");
      return;
    }
    switch (error.code()) {
      case ErrorCode::kWrongKey:
        ++refused_;
        break;
      // The program that was to give the key did not.
      case ErrorCode::kPermissionDenied:
      case ErrorCode::kInvalidArgument:
        command_failed_ = Error(ErrorCode::kWrongKey, error.describe());
        break;
      // A slot of a kind that this version does not know says nothing about the credential; one
      // that is damaged may be the one that it would open.
      case ErrorCode::kUnsupported:
        unknown_ = std::move(error);
        break;
      default:
        trouble_ = std::move(error);
    }
  }
  void add_revoked(Error error) { revoked_ = std::move(error); }
  void add_untried(const ObjectId& slot) { untried_.push_back(slot); }

  [[nodiscard]] Error verdict() && {
    if (revoked_) return std::move(*revoked_);
    if (!untried_.empty()) {
      return {ErrorCode::kWrongKey,
              fmt::format("no key slot opens with this passphrase, and these were not tried, "
                          "because that would take very long: {}. Whoever can write to the store "
                          "can put such slots there; if nobody knows them, remove the objects "
                          "keys/... of these names from the store",
                          names_of(untried_))};
    }
    if (command_failed_) return std::move(*command_failed_).with_context("opening the key slots");
    if (!trouble_ && refused_ == 0) trouble_ = std::move(unknown_);
    if (trouble_) return std::move(*trouble_).with_context("opening the key slots");
    if (refused_ == 0) return {ErrorCode::kCorruption, "the repository has no key slot"};
    std::string kinds;
    for (const std::string& kind : kinds_) kinds += (kinds.empty() ? "" : ", ") + kind;
    return {ErrorCode::kWrongKey,
            fmt::format("wrong password or key (the repository opens with: {})", kinds)};
  }

 private:
  std::set<std::string> kinds_;
  std::optional<Error> revoked_;
  std::optional<Error> command_failed_;
  std::optional<Error> trouble_;
  std::optional<Error> unknown_;
  std::vector<ObjectId> untried_;
  std::size_t refused_ = 0;
};

// Whether the keys of now know the slot for one of theirs.
class Confirmation {
 public:
  static Result<Confirmation> read(const KeyPlace& place, const Keyring& keyring) {
    Confirmation confirmation(keyring.current());
    for (EpochEntry& entry : TRY_DOING(
             "reading the key epoch", entries_of_current(place.store, place.repository, keyring))) {
      confirmation.carried_.insert(entry.slot);
    }
    return confirmation;
  }
  [[nodiscard]] bool confirms(const PublicSlot& slot) const {
    if (slot.info.epoch == 0) return false;
    if (carried_.contains(slot.digest)) return true;
    return slot.info.epoch == current_.number &&
           crypto::is_signed_by(current_.signer, slot.signed_bytes, slot.signature);
  }

 private:
  explicit Confirmation(KeyEpoch current) : current_(std::move(current)) {}

  KeyEpoch current_;
  std::set<SlotDigest> carried_;
};

// Slots that have no way to say whose they are open the repository until keys are changed.
KeySlotEntry entry_of(const StoredSlot& stored, const UnlockedKeys& keys,
                      const Confirmation& confirmation) {
  KeySlotEntry entry{.id = stored.id, .info = {}};
  const auto slot = read_public_slot(stored.bytes);
  entry.readable = slot.has_value() && id_of(stored.bytes) == stored.id;
  if (!entry.readable) {
    entry.info.label = "(damaged)";
    return entry;
  }
  entry.info = slot->info;
  entry.opened_this_session = stored.id == keys.slot;
  entry.confirmed = confirmation.confirms(*slot);
  const bool unsigned_at_first = entry.info.epoch == 0 && keys.keyring.current_epoch == 1;
  entry.usable = entry.confirmed || unsigned_at_first;
  return entry;
}

std::vector<KeySlotEntry> entries_of(const std::vector<StoredSlot>& slots, const UnlockedKeys& keys,
                                     const Confirmation& confirmation) {
  std::vector<KeySlotEntry> entries;
  entries.reserve(slots.size());
  for (const StoredSlot& stored : slots) entries.push_back(entry_of(stored, keys, confirmation));
  return entries;
}

std::unexpected<Error> cannot_follow(const std::vector<ObjectId>& slots) {
  return std::unexpected(
      Error(ErrorCode::kUnsupported,
            fmt::format("the keys are not changed, because not every key slot would go on: {}",
                        names_of(slots)))
          .with_hint("They are damaged, revoked, from an earlier version, or somebody without a "
                     "key put them there. Remove them with 'backstay key remove', and add those "
                     "anew that are yours, with 'backstay key add'."));
}

// Those that go on. All others must be known to.
Result<std::vector<PublicSlot>> slots_to_carry(const std::vector<StoredSlot>& stored,
                                               const Confirmation& confirmation,
                                               const std::optional<ObjectId>& revoked) {
  std::vector<PublicSlot> carried;
  std::vector<ObjectId> others;
  for (const StoredSlot& one : stored) {
    if (one.id == revoked) continue;
    auto slot = read_public_slot(one.bytes);
    const bool whole = slot && id_of(one.bytes) == one.id;
    if (whole && confirmation.confirms(*slot)) {
      carried.push_back(std::move(*slot));
    } else {
      others.push_back(one.id);
    }
  }
  if (!others.empty()) return cannot_follow(others);
  if (std::ranges::all_of(carried, [](const PublicSlot& slot) { return slot.info.write_only; })) {
    return std::unexpected(
        Error(ErrorCode::kConflict, "no key slot that can read would go on: nothing could be read")
            .with_hint("'backstay key list' shows what there is; 'backstay key add' adds one."));
  }
  return carried;
}

// A key that is not listed would be left behind, and one that is gone be counted on.
Result<void> require_prompt_lists(const KeyPlace& place, std::string_view what) {
  if (place.store.capabilities().lists_at_once) return {};
  return backend::refuse_late_lists(place.store.describe(), what);
}

Result<void> remove_slot(const KeyPlace& place, const ObjectId& id) {
  TRY(place.store.remove(object_name(ObjectKind::kKeySlot, id)));
  return place.store.barrier();
}

Result<void> put_back(const KeyPlace& place, const ObjectId& id, const Bytes& bytes) {
  const auto put = place.store.put(object_name(ObjectKind::kKeySlot, id), bytes);
  if (!put && put.error().code() != ErrorCode::kAlreadyExists)
    return std::unexpected(put.error().clone());
  return place.store.barrier();
}

// `gone` must not be the last full key.
Result<void> require_another(const std::vector<KeySlotEntry>& slots, const ObjectId& gone) {
  if (std::ranges::find(slots, gone, &KeySlotEntry::id) == slots.end()) {
    return fail(ErrorCode::kNotFound, "there is no key slot " + gone.short_hex());
  }
  const bool another = std::ranges::any_of(slots, [&](const KeySlotEntry& slot) {
    return slot.id != gone && slot.usable && !slot.info.write_only;
  });
  if (another) return {};
  return std::unexpected(Error(ErrorCode::kConflict,
                               "this is the last key slot that can read: without it nothing "
                               "could be read again")
                             .with_hint("Add another one first with 'backstay key add'."));
}

// With what is there now, after something was removed.
Result<void> require_still_opens(const KeyPlace& place, const UnlockedKeys& keys) {
  constexpr const char* kAgain = "Look at 'backstay key list', and run the command again.";
  if (TRY(last_epoch(place.store)) > keys.keyring.current_epoch) {
    return std::unexpected(
        Error(ErrorCode::kConflict, "the keys were changed at the same time").with_hint(kAgain));
  }
  const std::vector<KeySlotEntry> slots = TRY(list_key_slots(place, keys));
  if (std::ranges::any_of(
          slots, [](const KeySlotEntry& slot) { return slot.usable && !slot.info.write_only; }))
    return {};
  return std::unexpected(
      Error(ErrorCode::kConflict, "somebody removed the other key slots at the same time")
          .with_hint(kAgain));
}

}  // namespace

Result<void> require_full(const Keyring& keyring) {
  if (!keyring.is_write_only()) return {};
  return std::unexpected(
      Error(ErrorCode::kWrongKey, "the key is write-only: it cannot change keys")
          .with_hint("Use a full key; 'backstay key list' shows which key slots are write-only."));
}

// What trying it costs; one that asks for more than is allowed is refused at no cost.
static std::uint64_t work_of(const StoredSlot& slot, const Credential& credential) {
  if (!credential.passphrase) return 0;
  const auto info = read_slot_info(slot.bytes);
  if (!info || info->kind != SlotKind::kPassphrase) return 0;
  return std::uint64_t{info->argon2.memory_kib} * std::uint64_t{info->argon2.passes};
}

// Among `slots`; nothing where it cannot be found out.
static std::vector<ObjectId> unusable_among(const std::vector<StoredSlot>& slots,
                                            const KeyPlace& place, const UnlockedKeys& keys) {
  std::vector<ObjectId> unusable;
  if (keys.keyring.is_write_only()) return unusable;
  const auto confirmation = Confirmation::read(place, keys.keyring);
  if (!confirmation) return unusable;
  for (const KeySlotEntry& entry : entries_of(slots, keys, *confirmation)) {
    const bool told = entry.readable && entry.info.kind != SlotKind::kNone && !entry.usable;
    if (told) unusable.push_back(entry.id);
  }
  return unusable;
}

Result<UnlockedKeys> unlock_keys(const KeyPlace& place, const Credential& credential) {
  Refusals refusals;
  const std::vector<StoredSlot> slots = TRY(read_slots(place));
  std::vector<std::pair<std::uint64_t, std::size_t>> by_work;
  for (std::size_t i = 0; i < slots.size(); ++i)
    by_work.emplace_back(work_of(slots[i], credential), i);
  std::ranges::sort(by_work);
  std::uint64_t in_vain = 0;
  for (const auto& [work, number] : by_work) {
    const StoredSlot* const stored = &slots[number];
    // One that stands alone is tried whatever it asks for: somebody chose that.
    if (in_vain > 0 && work > kVainWorkMax - std::min(in_vain, kVainWorkMax)) {
      refusals.add_untried(stored->id);
      continue;
    }
    auto opened = unlock_slot(stored->bytes, credential);
    if (!opened) {
      in_vain += work;
      refusals.add(*stored, std::move(opened).error());
      continue;
    }
    UnlockedKeys keys{.keyring = std::move(opened->keyring),
                      .identity = std::move(opened->identity),
                      .slot = stored->id};
    auto followed = follow_epochs(place.store, place.repository, keys.identity, keys.keyring);
    if (!followed && followed.error().code() == ErrorCode::kWrongKey) {
      refusals.add_revoked(std::move(followed).error());
      continue;
    }
    TRY_DOING("opening the key slots", std::move(followed));
    keys.unusable = unusable_among(slots, place, keys);
    return keys;
  }
  return std::unexpected(std::move(refusals).verdict());
}

Result<std::vector<KeySlotEntry>> list_key_slots(const KeyPlace& place, const UnlockedKeys& keys) {
  const Confirmation confirmation = TRY(Confirmation::read(place, keys.keyring));
  return entries_of(TRY(read_slots(place)), keys, confirmation);
}

// Whoever changes the keys meanwhile does not know of a new slot: it is taken back and made anew,
// with the keys of then.
Result<ObjectId> add_key_slot(const KeyPlace& place, UnlockedKeys& keys, const SlotInfo& info,
                              const Credential& credential, Rng& rng) {
  constexpr int kTries = 4;
  TRY(require_full(keys.keyring));
  for (int attempt = 0; attempt < kTries; ++attempt) {
    TRY(follow_epochs(place.store, place.repository, keys.identity, keys.keyring));
    const Bytes slot = TRY(seal_slot(keys.keyring, info, credential, place.repository, rng));
    // A slot that does not open again would be a promise that cannot be kept.
    TRY_DOING("verifying the new key slot", open_slot(slot, credential));
    const ObjectId id = id_of(slot);
    TRY(place.store.put(object_name(ObjectKind::kKeySlot, id), slot));
    TRY(place.store.barrier());
    if (TRY(last_epoch(place.store)) <= keys.keyring.current_epoch) return id;
    TRY(remove_slot(place, id));
  }
  return fail(ErrorCode::kUnavailable, "the keys are changed again and again at the same time");
}

Result<void> require_no_other_key_lease(const KeyPlace& place, const LeaseId& own) {
  for (const ListedLease& lease : TRY(list_leases(place.store, place.repository))) {
    if (!lease.alive || lease.record.id == own || lease.record.operation != kKeyOperation) continue;
    return std::unexpected(
        Error(ErrorCode::kConflict, fmt::format("process {} on {} changes keys at the same time",
                                                lease.record.process, lease.record.host))
            .with_hint("Run the command again when it has ended; after a crash its lease counts "
                       "for two minutes more ('backstay lease list')."));
  }
  return {};
}

// Everything is looked at again when the slot is gone: of two removals, or a removal and a
// rotation, that did not see each other's leases, the later one sees what the other did.
Result<void> remove_key_slot(const KeyPlace& place, UnlockedKeys& keys, const ObjectId& id,
                             const Lease& lease) {
  TRY(require_full(keys.keyring));
  TRY(require_prompt_lists(place, "removing a key"));
  TRY(follow_epochs(place.store, place.repository, keys.identity, keys.keyring));
  TRY(require_another(TRY(list_key_slots(place, keys)), id));
  auto kept = get_object(place.store, object_name(ObjectKind::kKeySlot, id), kPlainObjectMax);
  if (!kept && !is_damage(kept.error().code())) return std::unexpected(std::move(kept).error());
  TRY(lease.ask());
  TRY(remove_slot(place, id));
  auto opens = require_still_opens(place, keys);
  if (opens || !kept) return opens;
  TRY_DOING("putting key slot " + id.short_hex() + " back, because " + opens.error().describe(),
            put_back(place, id, *kept));
  return std::unexpected(std::move(opens).error().with_context(
      "removing key slot " + id.short_hex() + ", which was put back"));
}

// From one listing: what is carried, and whether it is enough.
Result<RotationReport> rotate_keys(const KeyPlace& place, UnlockedKeys& keys,
                                   const RotationWish& wish, const Lease& lease, Rng& rng) {
  TRY(require_full(keys.keyring));
  TRY(require_prompt_lists(place, "changing the keys"));
  TRY(follow_epochs(place.store, place.repository, keys.identity, keys.keyring));
  TRY_DOING("looking after the last change of keys",
            keep_epoch_copy(place.store, place.repository, keys.keyring));
  const Confirmation confirmation = TRY(Confirmation::read(place, keys.keyring));
  const std::vector<StoredSlot> stored = TRY(read_slots(place));
  if (wish.revoked) TRY(require_another(entries_of(stored, keys, confirmation), *wish.revoked));
  Rotation rotation{.slots = TRY(slots_to_carry(stored, confirmation, wish.revoked)),
                    .time = wish.now};
  TRY(lease.ask());
  KeyEpoch epoch = TRY(begin_epoch(place.store, place.repository, keys.keyring, rotation, rng));
  // The new epoch stands. Whatever fails from here on does not take it back.
  keys.keyring.current_epoch = epoch.number;
  keys.keyring.epochs.push_back(std::move(epoch));

  RotationReport report{.epoch = keys.keyring.current_epoch, .carried = {}, .left_behind = {}};
  // Before anything is removed, so that it is known whatever becomes of that.
  auto listed = list_key_slots(place, keys);
  if (!listed) {
    report.not_listed = std::move(listed).error().with_context(
        "listing the key slots, after the keys were changed");
  } else {
    for (KeySlotEntry& slot : *listed) {
      if (slot.id == wish.revoked) continue;
      (slot.confirmed ? report.carried : report.left_behind).push_back(std::move(slot));
    }
  }
  if (!wish.revoked) return report;
  if (auto removed = remove_slot(place, *wish.revoked); !removed)
    report.not_removed = std::move(removed).error().with_context("removing the key slot");
  return report;
}

}  // namespace backstay::repo
