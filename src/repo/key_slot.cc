#include "repo/key_slot.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <limits>

#include "base/record.h"
#include "base/try.h"
#include "crypto/aead.h"
#include "repo/config.h"
#include "snapshot/field_scan.h"

namespace backstay::repo {

namespace {

constexpr std::array<std::uint8_t, crypto::kNonceSize> kZeroNonce{};
using SlotSalt = StrongId<struct SlotSaltTag, crypto::kArgon2SaltSize>;

using snapshot::FieldScan;
using snapshot::FieldSet;
using snapshot::RecordShape;
constexpr RecordShape kPublicShape{
    .name = "key slot", .last = 9, .bytes = FieldSet(4, 5, 6, 7), .repeated = {}};
constexpr FieldSet kPublicRequired(1, 7);
constexpr FieldSet kArgon2Fields(8, 9);
constexpr RecordShape kSlotShape{
    .name = "key slot", .last = 2, .bytes = FieldSet(1, 2), .repeated = {}};
constexpr RecordShape kKeyringShape{
    .name = "keyring", .last = 5, .bytes = FieldSet(1, 2, 3, 4), .repeated = FieldSet(4)};
constexpr FieldSet kKeyringRequired(1, 2, 3, 4, 5);
constexpr RecordShape kEpochShape{
    .name = "key epoch", .last = 4, .bytes = FieldSet(2, 3, 4), .repeated = {}};
constexpr FieldSet kEpochRequired(1, 2);

struct PublicPart {
  SlotInfo info;
  SlotSalt salt;
};

void encode_public_part(const PublicPart& part, Bytes& out) {
  RecordWriter writer(out);
  writer.number(1, static_cast<std::uint64_t>(part.info.kind));
  writer.signed_number(2, part.info.created.seconds);
  writer.number(3, part.info.created.nanos);
  writer.text(4, part.info.label);
  writer.text(5, part.info.host);
  writer.text(6, part.info.user);
  writer.bytes(7, part.salt.view());
  if (part.info.kind == SlotKind::kPassphrase) {
    writer.number(8, part.info.argon2.memory_kib);
    writer.number(9, part.info.argon2.passes);
  }
}

Result<SlotKind> slot_kind(std::uint64_t number) {
  if (number >= 1 && number <= 3) return static_cast<SlotKind>(number);
  if (number == 0) return fail(ErrorCode::kCorruption, "the key slot has no kind");
  return fail(ErrorCode::kUnsupported, fmt::format("the key slot has the unknown kind {}", number));
}

constexpr std::uint64_t kU32Max = std::numeric_limits<std::uint32_t>::max();
constexpr std::uint64_t kSlotNanosMax = 999'999'999;

Result<std::uint32_t> number_up_to(std::uint64_t number, std::uint64_t limit) {
  if (number > limit) {
    return fail(ErrorCode::kCorruption, "a number of the key slot is absurd");
  }
  return static_cast<std::uint32_t>(number);
}

Result<PublicPart> decode_public_part(ByteView record) {
  PublicPart part;
  FieldScan scan(record, kPublicShape);
  while (TRY(scan.next())) {
    const Field& field = scan.field();
    switch (field.number) {
      case 1:
        part.info.kind = TRY(slot_kind(field.value_number));
        break;
      case 2:
        part.info.created.seconds = unzigzag(field.value_number);
        break;
      case 3:
        part.info.created.nanos = TRY(number_up_to(field.value_number, kSlotNanosMax));
        break;
      case 4:
        part.info.label = as_text(field.value_bytes);
        break;
      case 5:
        part.info.host = as_text(field.value_bytes);
        break;
      case 6:
        part.info.user = as_text(field.value_bytes);
        break;
      case 7: {
        auto salt = SlotSalt::from_bytes(field.value_bytes);
        if (!salt)
          return fail(ErrorCode::kCorruption, "the salt of the key slot has a wrong length");
        part.salt = *salt;
        break;
      }
      case 8:
        part.info.argon2.memory_kib = TRY(number_up_to(field.value_number, kU32Max));
        break;
      case 9:
        part.info.argon2.passes = TRY(number_up_to(field.value_number, kU32Max));
        break;
      default:
        break;
    }
  }
  const bool complete =
      scan.seen().has_all(kPublicRequired) &&
      (part.info.kind != SlotKind::kPassphrase || scan.seen().has_all(kArgon2Fields));
  if (!complete) return fail(ErrorCode::kCorruption, "the key slot is incomplete");
  return part;
}

crypto::Secret derive_from(std::string_view context, ByteView secret, const SlotSalt& salt) {
  Bytes material = to_owned(secret);
  append(material, salt.view());
  const crypto::Secret key = crypto::derive_key(context, material);
  crypto::wipe(material);
  return key;
}

// The key that wraps the keyring; wrong_key when the credential is not of the slot's kind.
Result<crypto::Secret> key_encryption_key(const PublicPart& part, const Credential& credential) {
  switch (part.info.kind) {
    case SlotKind::kPassphrase:
      if (!credential.passphrase) break;
      return crypto::argon2id(as_bytes(*credential.passphrase), part.salt.view(), part.info.argon2);
    case SlotKind::kRecoveryKey:
      if (!credential.recovery_key) break;
      return derive_from("backstay v1 recovery key", credential.recovery_key->view(), part.salt);
    case SlotKind::kNone:
      // Anybody can make such a slot. Who brings a key is not to be led to a repository that
      // somebody without keys has put in the place of an encrypted one.
      if (credential.passphrase || credential.recovery_key) break;
      return derive_from("backstay v1 no key", {}, part.salt);
  }
  return fail(ErrorCode::kWrongKey,
              fmt::format("the key slot asks for a {}", to_string(part.info.kind)));
}

crypto::Secret wrapping_key(const crypto::Secret& kek, ByteView header, ByteView public_part) {
  Bytes bound = to_owned(header.first(kHeaderSize));
  append(bound, public_part);
  return crypto::Secret::from_bytes(crypto::blake3_keyed(kek, bound).view()).value();
}

// The two fields of a slot's record, borrowed from `record`.
struct SlotParts {
  ByteView public_part;
  ByteView wrapped;
};

Result<SlotParts> split_slot(ByteView record) {
  SlotParts parts;
  FieldScan scan(record, kSlotShape);
  while (TRY(scan.next())) {
    (scan.field().number == 1 ? parts.public_part : parts.wrapped) = scan.field().value_bytes;
  }
  if (parts.public_part.empty() || parts.wrapped.size() <= crypto::kTagSize) {
    return fail(ErrorCode::kCorruption, "the key slot is incomplete");
  }
  return parts;
}

Result<KeyEpoch> decode_epoch(ByteView record) {
  KeyEpoch epoch;
  FieldScan scan(record, kEpochShape);
  while (TRY(scan.next())) {
    const Field& field = scan.field();
    if (field.number == 1) epoch.number = TRY(number_up_to(field.value_number, kU32Max));
    if (field.number == 2) epoch.secret = TRY(crypto::Secret::from_bytes(field.value_bytes));
  }
  // Without this a missing secret would be one of zeros.
  if (!scan.seen().has_all(kEpochRequired)) {
    return fail(ErrorCode::kCorruption, "a key epoch is incomplete");
  }
  return epoch;
}

}  // namespace

std::string_view to_string(SlotKind kind) {
  switch (kind) {
    case SlotKind::kPassphrase:
      return "passphrase";
    case SlotKind::kRecoveryKey:
      return "recovery key";
    case SlotKind::kNone:
      return "none";
  }
  return "none";
}

Keyring Keyring::random(Rng& rng) {
  Keyring keyring;
  keyring.chunk_id_key = crypto::Secret::random(rng);
  keyring.chunker_key = crypto::Secret::random(rng);
  keyring.epochs.push_back({.number = 1, .secret = crypto::Secret::random(rng)});
  return keyring;
}

Header Keyring::header_of_new(ObjectKind kind, const Config& config, Rng& rng) const {
  Header header{.kind = kind,
                .suite = config.suite,
                .key_mode = KeyMode::kDerived,
                .epoch = current_epoch,
                .repository = config.id,
                .salt = {}};
  rng.fill(header.salt.bytes);
  return header;
}

Result<crypto::Secret> Keyring::object_key(ByteView header) const {
  const std::uint32_t number = load_le<std::uint32_t>(&header[8]);
  for (const KeyEpoch& epoch : epochs) {
    if (epoch.number != number) continue;
    const crypto::Secret base = crypto::derive_key("backstay v1 object key", epoch.secret.view());
    return crypto::Secret::from_bytes(crypto::blake3_keyed(base, header.first(kHeaderSize)).view());
  }
  return fail(ErrorCode::kWrongKey, fmt::format("the keyring has no key for epoch {}", number));
}

void encode_keyring(const Keyring& keyring, Bytes& out) {
  RecordWriter writer(out);
  writer.bytes(1, keyring.config_digest.view());
  writer.bytes(2, keyring.chunk_id_key.view());
  writer.bytes(3, keyring.chunker_key.view());
  for (const KeyEpoch& epoch : keyring.epochs) {
    Bytes inner;
    RecordWriter inner_writer(inner);
    inner_writer.number(1, epoch.number);
    inner_writer.bytes(2, epoch.secret.view());
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
        keyring.epochs.push_back(TRY(decode_epoch(field.value_bytes)));
        break;
      case 5:
        keyring.current_epoch = TRY(number_up_to(field.value_number, kU32Max));
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
  return keyring;
}

Result<Keyring> decode_keyring(ByteView record) {
  auto keyring = decode_keyring_fields(record);
  // Whatever the reason: a length that is no key's is corruption here.
  if (!keyring) return fail(ErrorCode::kCorruption, keyring.error().describe());
  return keyring;
}

Result<Bytes> seal_slot(const Keyring& keyring, const SlotInfo& info, const Credential& credential,
                        const RepositoryId& repository, Rng& rng) {
  PublicPart part{.info = info, .salt = {}};
  rng.fill(part.salt.bytes);
  Bytes public_part;
  encode_public_part(part, public_part);
  Bytes header(kHeaderSize);
  encode_header({.kind = ObjectKind::kKeySlot, .repository = repository, .salt = {}}, header);

  const crypto::Secret kek = TRY(key_encryption_key(part, credential));
  Bytes ring;
  encode_keyring(keyring, ring);
  Bytes wrapped(ring.size() + crypto::kTagSize);
  TRY(crypto::Aead().seal(crypto::Suite::kChaCha20Poly1305, wrapping_key(kek, header, public_part),
                          kZeroNonce, ring, wrapped));
  crypto::wipe(ring);

  Bytes record;
  RecordWriter writer(record);
  writer.bytes(1, public_part);
  writer.bytes(2, wrapped);
  return encode_plain_object(ObjectKind::kKeySlot, repository, record);
}

Result<SlotInfo> read_slot_info(ByteView stored) {
  const PlainObject object = TRY(decode_plain_object(ObjectKind::kKeySlot, stored));
  const SlotParts parts = TRY(split_slot(object.record));
  return TRY(decode_public_part(parts.public_part)).info;
}

Result<Keyring> open_slot(ByteView stored, const Credential& credential) {
  const PlainObject object = TRY(decode_plain_object(ObjectKind::kKeySlot, stored));
  const SlotParts parts = TRY(split_slot(object.record));
  const PublicPart part = TRY(decode_public_part(parts.public_part));
  const crypto::Secret kek = TRY(key_encryption_key(part, credential));
  Bytes ring(parts.wrapped.size() - crypto::kTagSize);
  const auto opened = crypto::Aead().open(crypto::Suite::kChaCha20Poly1305,
                                          wrapping_key(kek, stored, parts.public_part), kZeroNonce,
                                          parts.wrapped, ring);
  if (!opened) return fail(ErrorCode::kWrongKey, "the key slot does not open with this key");
  auto keyring = decode_keyring(ring);
  crypto::wipe(ring);
  return keyring;
}

}  // namespace backstay::repo
