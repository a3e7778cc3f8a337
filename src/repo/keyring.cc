#include "repo/keyring.h"

#include <fmt/format.h>

#include <algorithm>
#include <limits>

#include "base/assert.h"
#include "base/record.h"
#include "base/try.h"
#include "repo/config.h"
#include "snapshot/field_scan.h"

namespace backstay::repo {

namespace {

using snapshot::FieldScan;
using snapshot::FieldSet;
using snapshot::RecordShape;
constexpr RecordShape kKeyringShape{
    .name = "keyring", .last = 5, .bytes = FieldSet(1, 2, 3, 4), .repeated = FieldSet(4)};
constexpr FieldSet kKeyringRequired(1, 2, 3, 4, 5);
constexpr RecordShape kEpochShape{
    .name = "key epoch", .last = 6, .bytes = FieldSet(2, 3, 4, 5, 6), .repeated = {}};
constexpr FieldSet kFullEpoch(1, 2);
constexpr FieldSet kWriteOnlyEpoch(1, 3, 5, 6);
constexpr std::uint64_t kEpochMax = std::numeric_limits<std::uint32_t>::max();

Result<std::uint32_t> epoch_number(std::uint64_t number) {
  if (number == 0 || number > kEpochMax) {
    return fail(ErrorCode::kCorruption, "a key epoch has an absurd number");
  }
  return static_cast<std::uint32_t>(number);
}

crypto::Secret bound_to(const crypto::Secret& base, ByteView prefix) {
  return crypto::Secret::from_bytes(crypto::blake3_keyed(base, prefix).view()).value();
}

crypto::Secret derived_key(const crypto::Secret& secret, ByteView prefix) {
  return bound_to(crypto::derive_key("backstay v1 object key", secret.view()), prefix);
}

crypto::Secret sealed_key(ByteView opened, ByteView prefix) {
  return bound_to(crypto::derive_key("backstay v1 sealed object key", opened), prefix);
}

std::unexpected<Error> needs_full_key() {
  return std::unexpected(
      Error(ErrorCode::kWrongKey, "the key is write-only: it cannot read what is stored")
          .with_hint("Use a full key; 'backstay key list' shows which key slots are write-only."));
}

Result<crypto::Secret> key_in_epoch(const KeyEpoch& epoch, const Header& header, ByteView prefix) {
  if (header.key_mode == KeyMode::kNone) return fail(ErrorCode::kCorruption, "it is not sealed");
  if (header.key_mode == KeyMode::kIndex) return derived_key(epoch.index_secret, prefix);
  if (epoch.is_write_only()) return needs_full_key();
  if (header.key_mode == KeyMode::kDerived) return derived_key(*epoch.secret, prefix);
  const crypto::Secret private_key =
      crypto::derive_key("backstay v1 epoch box", epoch.secret->view());
  Bytes opened = TRY_DOING("opening the object's key",
                           crypto::open_box(private_key, prefix.subspan(kHeaderSize)));
  crypto::Secret key = sealed_key(opened, prefix);
  crypto::wipe(opened);
  return key;
}

}  // namespace

KeyEpoch KeyEpoch::from_secret(std::uint32_t number, const crypto::Secret& secret) {
  const ByteView material = secret.view();
  return {.number = number,
          .secret = secret,
          .index_secret = crypto::derive_key("backstay v1 index secret", material),
          .box = crypto::public_key_of(crypto::derive_key("backstay v1 epoch box", material)),
          .signer = crypto::verifying_key_of(
              crypto::derive_key("backstay v1 epoch signature", material))};
}

KeyEpoch KeyEpoch::write_only() const {
  KeyEpoch less = *this;
  less.secret.reset();
  return less;
}

crypto::Signature KeyEpoch::sign(ByteView message) const {
  ASSERT(secret.has_value());
  return crypto::sign(crypto::derive_key("backstay v1 epoch signature", secret->view()), message);
}

void encode_key_epoch(const KeyEpoch& epoch, Bytes& out) {
  RecordWriter writer(out);
  writer.number(1, epoch.number);
  if (epoch.secret) {
    writer.bytes(2, epoch.secret->view());
    return;
  }
  writer.bytes(3, epoch.box.view());
  writer.bytes(5, epoch.index_secret.view());
  writer.bytes(6, epoch.signer.view());
}

static Result<KeyEpoch> decode_epoch_fields(ByteView record) {
  KeyEpoch epoch;
  FieldScan scan(record, kEpochShape);
  while (TRY(scan.next())) {
    const Field& field = scan.field();
    switch (field.number) {
      case 1:
        epoch.number = TRY(epoch_number(field.value_number));
        break;
      case 2:
        epoch.secret = TRY(crypto::Secret::from_bytes(field.value_bytes));
        break;
      case 3:
        epoch.box = TRY(crypto::PublicKey::from_bytes(field.value_bytes));
        break;
      case 5:
        epoch.index_secret = TRY(crypto::Secret::from_bytes(field.value_bytes));
        break;
      case 6:
        epoch.signer = TRY(crypto::VerifyingKey::from_bytes(field.value_bytes));
        break;
      default:
        break;
    }
  }
  // Without this a missing secret would be one of zeros.
  if (scan.seen().has_all(kFullEpoch)) return KeyEpoch::from_secret(epoch.number, *epoch.secret);
  if (scan.seen().has_all(kWriteOnlyEpoch)) return epoch;
  return fail(ErrorCode::kCorruption, "a key epoch is incomplete");
}

Result<KeyEpoch> decode_key_epoch(ByteView record) {
  auto epoch = decode_epoch_fields(record);
  // Whatever the reason: a length that is no key's is corruption here.
  if (!epoch) return fail(ErrorCode::kCorruption, epoch.error().describe());
  return epoch;
}

Keyring Keyring::random(Rng& rng) {
  Keyring keyring;
  keyring.chunk_id_key = crypto::Secret::random(rng);
  keyring.chunker_key = crypto::Secret::random(rng);
  keyring.epochs.push_back(KeyEpoch::from_secret(1, crypto::Secret::random(rng)));
  return keyring;
}

Keyring Keyring::write_only() const {
  Keyring less = *this;
  less.late.reset();
  for (KeyEpoch& epoch : less.epochs) epoch = epoch.write_only();
  return less;
}

const KeyEpoch& Keyring::current() const {
  const auto found = std::ranges::find(epochs, current_epoch, &KeyEpoch::number);
  ASSERT(found != epochs.end());
  return *found;
}

bool Keyring::is_write_only() const {
  return current().is_write_only();
}

Result<Keyring::NewObject> Keyring::new_object(ObjectKind kind, const Config& config,
                                               Rng& rng) const {
  std::optional<KeyEpoch> newer;
  if (late != nullptr) newer = late->newest();
  const KeyEpoch& epoch = newer && newer->number > current_epoch ? *newer : current();
  NewObject object;
  object.header = {.kind = kind,
                   .suite = config.suite,
                   .key_mode = KeyMode::kDerived,
                   .epoch = epoch.number,
                   .repository = config.id,
                   .salt = {}};
  if (kind == ObjectKind::kIndexRun) {
    object.header.key_mode = KeyMode::kIndex;
  } else if (epoch.is_write_only()) {
    object.header.key_mode = KeyMode::kSealed;
  }
  rng.fill(object.header.salt.bytes);
  object.prefix.resize(kHeaderSize);
  encode_header(object.header, object.prefix);
  if (object.header.key_mode != KeyMode::kSealed) {
    object.key = TRY(key_in_epoch(epoch, object.header, object.prefix));
    return object;
  }
  const crypto::Secret fresh = crypto::Secret::random(rng);
  append(object.prefix, TRY(crypto::seal_box(epoch.box, fresh.view(), rng)));
  ASSERT(object.prefix.size() == prefix_size(object.header));
  object.key = sealed_key(fresh.view(), object.prefix);
  return object;
}

Result<std::optional<KeyEpoch>> Keyring::epoch(std::uint64_t number) const {
  const auto known = std::ranges::find(epochs, number, &KeyEpoch::number);
  if (known != epochs.end()) return *known;
  if (late == nullptr || number > kEpochMax) return std::nullopt;
  return late->find(static_cast<std::uint32_t>(number));
}

Result<crypto::Secret> Keyring::object_key(ByteView stored) const {
  const Header header = TRY(decode_header(stored));
  const std::size_t size = prefix_size(header);
  if (stored.size() < size) return fail(ErrorCode::kCorruption, "the object is cut short");
  const ByteView prefix = stored.first(size);
  const std::optional<KeyEpoch> found = TRY(epoch(header.epoch));
  if (found) return key_in_epoch(*found, header, prefix);
  return fail(ErrorCode::kWrongKey,
              fmt::format("the keyring has no key for epoch {}", header.epoch));
}

void encode_keyring(const Keyring& keyring, Bytes& out) {
  RecordWriter writer(out);
  writer.bytes(1, keyring.config_digest.view());
  writer.bytes(2, keyring.chunk_id_key.view());
  writer.bytes(3, keyring.chunker_key.view());
  for (const KeyEpoch& epoch : keyring.epochs) {
    Bytes inner;
    encode_key_epoch(epoch, inner);
    writer.bytes(4, inner);
    crypto::wipe(inner);
  }
  writer.number(5, keyring.current_epoch);
}

static Result<Keyring> decode_keyring_fields(ByteView record) {
  Keyring keyring;
  FieldScan scan(record, kKeyringShape);
  while (TRY(scan.next())) {
    const Field& field = scan.field();
    switch (field.number) {
      case 1:
        keyring.config_digest = TRY(crypto::Digest::from_bytes(field.value_bytes));
        break;
      case 2:
        keyring.chunk_id_key = TRY(crypto::Secret::from_bytes(field.value_bytes));
        break;
      case 3:
        keyring.chunker_key = TRY(crypto::Secret::from_bytes(field.value_bytes));
        break;
      case 4:
        keyring.epochs.push_back(TRY(decode_key_epoch(field.value_bytes)));
        break;
      case 5:
        keyring.current_epoch = TRY(epoch_number(field.value_number));
        break;
      default:
        break;
    }
  }
  const bool has_current = std::ranges::any_of(
      keyring.epochs, [&](const KeyEpoch& epoch) { return epoch.number == keyring.current_epoch; });
  if (!scan.seen().has_all(kKeyringRequired) || !has_current) {
    return fail(ErrorCode::kCorruption, "the keyring is incomplete");
  }
  const bool ascending = std::ranges::adjacent_find(keyring.epochs, std::ranges::greater_equal{},
                                                    &KeyEpoch::number) == keyring.epochs.end();
  const bool alike = std::ranges::all_of(keyring.epochs, [&](const KeyEpoch& epoch) {
    return epoch.is_write_only() == keyring.is_write_only();
  });
  if (!ascending || !alike) {
    return fail(ErrorCode::kCorruption, "the epochs of the keyring do not fit together");
  }
  return keyring;
}

Result<Keyring> decode_keyring(ByteView record) {
  auto keyring = decode_keyring_fields(record);
  // Whatever the reason: a length that is no key's is corruption here.
  if (!keyring) return fail(ErrorCode::kCorruption, keyring.error().describe());
  return keyring;
}

}  // namespace backstay::repo
