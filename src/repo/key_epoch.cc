// How rotation works, and why it holds, stands in docs/format.md section 4.6. In short: the new
// epoch's secret goes into one object, in a box for each key slot that goes on, signed by the epoch
// before. It is created once, so a rotation happened or did not; slots never change.
#include "repo/key_epoch.h"

#include <fmt/format.h>

#include <algorithm>
#include <limits>
#include <map>
#include <optional>

#include "base/mutex.h"
#include "base/record.h"
#include "base/try.h"
#include "snapshot/field_scan.h"

namespace backstay::repo {

namespace {

using snapshot::FieldScan;
using snapshot::FieldSet;
using snapshot::RecordShape;
constexpr RecordShape kStartShape{
    .name = "key epoch", .last = 2, .bytes = FieldSet(1, 2), .repeated = {}};
constexpr RecordShape kBodyShape{
    .name = "key epoch", .last = 4, .bytes = FieldSet(4), .repeated = FieldSet(4)};
constexpr RecordShape kEntryShape{
    .name = "key epoch", .last = 2, .bytes = FieldSet(1, 2), .repeated = {}};
constexpr FieldSet kEpochEntryRequired(1, 2);
constexpr std::uint32_t kEpochsMax = 65'535;
constexpr std::uint64_t kEpochNanosMax = 999'999'999;

std::unexpected<Error> damaged_epoch(std::string what) {
  return fail(ErrorCode::kCorruption, std::move(what));
}

Bytes epoch_message(ByteView prefix, ByteView body) {
  Bytes message = to_owned(as_bytes("backstay v1 key epoch"));
  append(message, prefix.first(kHeaderSize));
  append(message, body);
  return message;
}

Result<EpochEntry> decode_epoch_entry(ByteView record) {
  EpochEntry entry;
  FieldScan scan(record, kEntryShape);
  while (TRY(scan.next())) {
    if (scan.field().number == 1) {
      auto slot = SlotDigest::from_bytes(scan.field().value_bytes);
      if (!slot) return damaged_epoch("an entry of a key epoch names no slot");
      entry.slot = *slot;
    } else {
      entry.box = to_owned(scan.field().value_bytes);
    }
  }
  if (!scan.seen().has_all(kEpochEntryRequired))
    return damaged_epoch("an entry of a key epoch is incomplete");
  return entry;
}

// The names of what begins epochs, by number, the object before its copies.
using EpochNames = std::map<std::uint32_t, std::vector<std::string>>;

Result<EpochNames> list_epochs(backend::Backend& store) {
  EpochNames names;
  TRY_DOING("looking for key epochs",
            store.list(name_prefix(ObjectKind::kKeyEpoch),
                       [&](const backend::ObjectInfo& info) -> Result<void> {
                         if (auto name = parse_epoch_name(info.name))
                           names[name->number].push_back(info.name);
                         return {};
                       }));
  for (auto& [number, found] : names) std::ranges::sort(found, {}, &std::string::size);
  return names;
}

// From the first of its objects that the epoch before confirms. What cannot be read because the
// store does not answer is no reason to take another.
Result<EpochStart> read_start(backend::Backend& store, const RepositoryId& repository,
                              const std::vector<std::string>& names, const KeyEpoch& before) {
  std::optional<Error> trouble;
  for (const std::string& name : names) {
    const auto stored = get_object(store, name, kPlainObjectMax);
    if (!stored && !is_damage(stored.error().code()) &&
        stored.error().code() != ErrorCode::kNotFound) {
      return std::unexpected(stored.error().clone().with_context("reading " + name));
    }
    auto start = stored ? decode_epoch_start(*stored, before, repository)
                        : Result<EpochStart>(std::unexpected(stored.error().clone()));
    if (start) return start;
    if (!trouble) trouble = std::move(start).error().with_context("reading " + name);
  }
  if (trouble && trouble->code() == ErrorCode::kNotFound)
    return damaged_epoch("a key epoch was there and is gone");
  return std::unexpected(std::move(*trouble));
}

Result<KeyEpoch> own_epoch(const EpochStart& start, const SlotIdentity& slot) {
  const auto entry = std::ranges::find(start.entries, slot.digest, &EpochEntry::slot);
  if (entry == start.entries.end()) {
    return std::unexpected(
        Error(ErrorCode::kWrongKey,
              "this key was revoked: the keys were changed, and it did not get the new ones")
            .with_hint("Use another key, or ask somebody who has one to run 'backstay key add'."));
  }
  Bytes record = TRY_DOING("opening a key epoch", crypto::open_box(slot.box_key, entry->box));
  auto epoch = decode_key_epoch(record);
  crypto::wipe(record);
  if (epoch && epoch->number != start.number)
    return damaged_epoch("a key epoch has another's number");
  return epoch;
}

class FollowedEpochs final : public LateEpochs {
 public:
  FollowedEpochs(backend::Backend& store, const RepositoryId& repository, SlotIdentity slot,
                 const Keyring& keyring)
      : store_(store),
        repository_(repository),
        slot_(std::move(slot)),
        known_(keyring),
        first_(keyring.current_epoch) {
    known_.late.reset();
  }

  // A store that is full of objects of epochs that never were is asked only so often.
  Result<std::optional<KeyEpoch>> find(std::uint32_t number) override EXCLUDES(mutex_) {
    Keyring fresh;
    {
      const MutexLock lock(mutex_);
      if (auto epoch = among_known(number)) return epoch;
      if (number < first_) return std::nullopt;
      fresh = known_;
    }
    // A rotation is seen however many of those objects there are. Without the object itself its
    // copy may be there: that takes a listing.
    const auto begun = store_.head(epoch_name({.number = fresh.current_epoch + 1}));
    if (!begun && begun.error().code() != ErrorCode::kNotFound)
      return std::unexpected(begun.error().clone().with_context("looking for key epochs"));
    if (!begun && !may_look()) return std::nullopt;
    TRY(follow_epochs(store_, repository_, slot_, fresh));
    const MutexLock lock(mutex_);
    if (fresh.current_epoch > known_.current_epoch) {
      known_ = std::move(fresh);
      looks_ = 0;
    }
    return among_known(number);
  }

  std::optional<KeyEpoch> newest() override EXCLUDES(mutex_) {
    const MutexLock lock(mutex_);
    if (known_.current_epoch == first_) return std::nullopt;
    return known_.current();
  }

 private:
  static constexpr int kLooksMax = 16;

  bool may_look() EXCLUDES(mutex_) {
    const MutexLock lock(mutex_);
    if (looks_ == kLooksMax) return false;
    ++looks_;
    return true;
  }
  std::optional<KeyEpoch> among_known(std::uint32_t number) REQUIRES(mutex_) {
    const auto found = std::ranges::find(known_.epochs, number, &KeyEpoch::number);
    return found == known_.epochs.end() ? std::nullopt : std::optional(*found);
  }

  backend::Backend& store_;
  const RepositoryId repository_;
  const SlotIdentity slot_;
  Mutex mutex_;
  Keyring known_ GUARDED_BY(mutex_);
  const std::uint32_t first_;
  int looks_ GUARDED_BY(mutex_) = 0;
};

const KeyEpoch* epoch_before_current(const Keyring& keyring) {
  const auto found =
      std::ranges::find(keyring.epochs, keyring.current_epoch - 1, &KeyEpoch::number);
  return found == keyring.epochs.end() ? nullptr : &*found;
}

Result<void> put_epoch(backend::Backend& store, const EpochName& name, ByteView object) {
  TRY(store.put(epoch_name(name), object));
  return store.barrier();
}

}  // namespace

void encode_epoch_body(const EpochStart& start, Bytes& out) {
  RecordWriter writer(out);
  writer.number(1, start.number);
  writer.signed_number(2, start.time.seconds);
  writer.number(3, start.time.nanos);
  for (const EpochEntry& entry : start.entries) {
    Bytes inner;
    RecordWriter inner_writer(inner);
    inner_writer.bytes(1, entry.slot.view());
    inner_writer.bytes(2, entry.box);
    writer.bytes(4, inner);
  }
}

Result<EpochStart> decode_epoch_body(ByteView body) {
  EpochStart start;
  FieldScan scan(body, kBodyShape);
  while (TRY(scan.next())) {
    const Field& field = scan.field();
    switch (field.number) {
      case 1:
        if (field.value_number > kEpochsMax)
          return damaged_epoch("the number of a key epoch is absurd");
        start.number = static_cast<std::uint32_t>(field.value_number);
        break;
      case 2:
        start.time.seconds = unzigzag(field.value_number);
        break;
      case 3:
        if (field.value_number > kEpochNanosMax)
          return damaged_epoch("the time of a key epoch is absurd");
        start.time.nanos = static_cast<std::uint32_t>(field.value_number);
        break;
      default:
        start.entries.push_back(TRY(decode_epoch_entry(field.value_bytes)));
    }
  }
  if (start.number == 0) return damaged_epoch("a key epoch has no number");
  return start;
}

Bytes encode_epoch_start(const EpochStart& start, const KeyEpoch& before,
                         const RepositoryId& repository) {
  Bytes body;
  encode_epoch_body(start, body);
  Bytes prefix(kHeaderSize);
  encode_header({.kind = ObjectKind::kKeyEpoch, .repository = repository, .salt = {}}, prefix);
  Bytes record;
  RecordWriter writer(record);
  writer.bytes(1, body);
  writer.bytes(2, before.sign(epoch_message(prefix, body)));
  return encode_plain_object(ObjectKind::kKeyEpoch, repository, record);
}

Result<EpochStart> decode_epoch_start(ByteView stored, const KeyEpoch& before,
                                      const RepositoryId& repository) {
  const PlainObject object = TRY(decode_plain_object(ObjectKind::kKeyEpoch, stored));
  if (object.header.repository != repository)
    return damaged_epoch("the key epoch belongs to another repository");
  ByteView body;
  ByteView signature;
  FieldScan scan(object.record, kStartShape);
  while (TRY(scan.next())) (scan.field().number == 1 ? body : signature) = scan.field().value_bytes;
  // Nothing of it is looked at before it is known who wrote it.
  if (!crypto::is_signed_by(before.signer, epoch_message(stored, body), signature)) {
    return std::unexpected(
        Error(ErrorCode::kCorruption, "a key epoch is not signed by the one before it")
            .with_hint("It is damaged, or somebody without a key put it there: take it from a copy "
                       "of the repository, or remove it if there was no rotation."));
  }
  EpochStart start = TRY(decode_epoch_body(body));
  if (start.number != before.number + 1) return damaged_epoch("a key epoch has another's number");
  return start;
}

Result<void> follow_epochs(backend::Backend& store, const RepositoryId& repository,
                           const SlotIdentity& slot, Keyring& keyring) {
  const EpochNames names = TRY(list_epochs(store));
  for (auto next = names.find(keyring.current_epoch + 1); next != names.end();
       next = names.find(keyring.current_epoch + 1)) {
    const EpochStart start = TRY(read_start(store, repository, next->second, keyring.current()));
    KeyEpoch epoch = TRY(own_epoch(start, slot));
    if (epoch.is_write_only() != keyring.is_write_only())
      return damaged_epoch("a key epoch does not fit the keyring");
    keyring.current_epoch = epoch.number;
    keyring.epochs.push_back(std::move(epoch));
  }
  return {};
}

std::shared_ptr<LateEpochs> late_epochs(backend::Backend& store, const RepositoryId& repository,
                                        SlotIdentity slot, const Keyring& keyring) {
  return std::make_shared<FollowedEpochs>(store, repository, std::move(slot), keyring);
}

Result<std::uint32_t> last_epoch(backend::Backend& store) {
  const EpochNames names = TRY(list_epochs(store));
  return names.empty() ? 0U : names.rbegin()->first;
}

Result<std::vector<EpochEntry>> entries_of_current(backend::Backend& store,
                                                   const RepositoryId& repository,
                                                   const Keyring& keyring) {
  const KeyEpoch* const before = epoch_before_current(keyring);
  if (before == nullptr) return std::vector<EpochEntry>{};
  const EpochNames names = TRY(list_epochs(store));
  const auto found = names.find(keyring.current_epoch);
  if (found == names.end()) return std::vector<EpochEntry>{};
  return TRY(read_start(store, repository, found->second, *before)).entries;
}

Result<std::vector<ForkedEpoch>> forked_epochs(backend::Backend& store,
                                               const RepositoryId& repository,
                                               const Keyring& keyring) {
  std::vector<ForkedEpoch> forks;
  for (const auto& [number, names] : TRY(list_epochs(store))) {
    const auto before = std::ranges::find(keyring.epochs, number - 1, &KeyEpoch::number);
    if (names.size() < 2 || before == keyring.epochs.end()) continue;
    std::map<ObjectId, std::string> beginnings;
    for (const std::string& name : names) {
      const auto stored = get_object(store, name, kPlainObjectMax);
      if (!stored && !is_damage(stored.error().code()) &&
          stored.error().code() != ErrorCode::kNotFound)
        return std::unexpected(stored.error().clone().with_context("reading " + name));
      if (stored && decode_epoch_start(*stored, *before, repository))
        beginnings.emplace(id_of(*stored), name);
    }
    if (beginnings.size() < 2) continue;
    ForkedEpoch& fork = forks.emplace_back(ForkedEpoch{.number = number, .objects = {}});
    for (auto& [id, name] : beginnings) fork.objects.push_back(std::move(name));
  }
  return forks;
}

Result<KeyEpoch> begin_epoch(backend::Backend& store, const RepositoryId& repository,
                             const Keyring& keyring, const Rotation& rotation, Rng& rng) {
  if (keyring.current_epoch >= kEpochsMax)
    return fail(ErrorCode::kUnsupported, "the keys were changed as often as the format allows");
  KeyEpoch epoch = KeyEpoch::from_secret(keyring.current_epoch + 1, crypto::Secret::random(rng));
  EpochStart start{.number = epoch.number, .time = rotation.time, .entries = {}};
  for (const PublicSlot& slot : rotation.slots) {
    Bytes record;
    encode_key_epoch(slot.info.write_only ? epoch.write_only() : epoch, record);
    auto box = crypto::seal_box(slot.box, record, rng);
    crypto::wipe(record);
    start.entries.push_back({.slot = slot.digest, .box = TRY(std::move(box))});
  }
  const Bytes object = encode_epoch_start(start, keyring.current(), repository);
  if (object.size() > kPlainObjectMax)
    return fail(ErrorCode::kUnsupported, "there are more key slots than a rotation can carry");
  auto begun = put_epoch(store, {.number = epoch.number}, object);
  if (!begun && begun.error().code() == ErrorCode::kAlreadyExists) {
    // An answer may have been lost: the object may be ours.
    const auto there = get_object(store, epoch_name({.number = epoch.number}), kPlainObjectMax);
    if (there && *there == object)
      begun = store.barrier();
    else
      return std::unexpected(
          Error(ErrorCode::kAlreadyExists, "somebody else is changing the keys at the same time")
              .with_hint("Look at 'backstay key list', and run it again if it is still needed."));
  }
  TRY_DOING("beginning a new key epoch", std::move(begun));
  // It has begun. Without its copy it is only less safe against damage, and the next change of
  // keys makes up for it.
  static_cast<void>(
      put_epoch(store, {.number = epoch.number, .bytes = id_of(object)}, object).has_value());
  return epoch;
}

Result<void> keep_epoch_copy(backend::Backend& store, const RepositoryId& repository,
                             const Keyring& keyring) {
  const KeyEpoch* const before = epoch_before_current(keyring);
  if (before == nullptr) return {};
  const std::string main = epoch_name({.number = keyring.current_epoch});
  const auto object = get_object(store, main, kPlainObjectMax);
  if (!object || !decode_epoch_start(*object, *before, repository)) return {};
  const EpochName copy{.number = keyring.current_epoch, .bytes = id_of(*object)};
  if (store.head(epoch_name(copy)).has_value()) return {};
  return put_epoch(store, copy, *object);
}

}  // namespace backstay::repo
