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
    .name = "key slot", .last = 13, .bytes = FieldSet(4, 5, 6, 7, 11, 13), .repeated = {}};
constexpr FieldSet kPublicRequired(1, 7);
constexpr FieldSet kArgon2Fields(8, 9);
constexpr RecordShape kSlotShape{
    .name = "key slot", .last = 3, .bytes = FieldSet(1, 2, 3), .repeated = {}};
struct PublicPart {
  SlotInfo info;
  SlotSalt salt;
  crypto::PublicKey box;
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
  if (part.info.write_only) writer.number(10, 1);
  if (part.info.epoch != 0) {
    writer.bytes(11, part.box.view());
    writer.number(12, part.info.epoch);
  }
  if (part.info.kind == SlotKind::kCommand) writer.bytes(13, part.info.ciphertext);
}

Result<SlotKind> slot_kind(std::uint64_t number) {
  if (number >= 1 && number <= 5) return static_cast<SlotKind>(number);
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
      case 10:
        if (field.value_number > 1) return fail(ErrorCode::kCorruption, "the key slot is absurd");
        part.info.write_only = field.value_number == 1;
        break;
      case 11: {
        auto box = crypto::PublicKey::from_bytes(field.value_bytes);
        if (!box)
          return fail(ErrorCode::kCorruption, "the public key of the key slot has a wrong length");
        part.box = *box;
        break;
      }
      case 12:
        part.info.epoch = TRY(number_up_to(field.value_number, kU32Max));
        break;
      case 13:
        if (field.value_bytes.size() > kSlotCiphertextMax)
          return fail(ErrorCode::kCorruption, "the ciphertext of the key slot is too long");
        part.info.ciphertext = to_owned(field.value_bytes);
        break;
      default:
        break;
    }
  }
  const bool has_box = scan.seen().has(11);
  if (has_box != scan.seen().has(12) || has_box != (part.info.epoch != 0)) {
    return fail(ErrorCode::kCorruption, "the key slot is incomplete");
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
    case SlotKind::kKeyFile:
      if (!credential.key_file) break;
      return derive_from("backstay v1 recovery key", credential.key_file->view(), part.salt);
    case SlotKind::kCommand: {
      if (!credential.key_command) break;
      const crypto::Secret secret = TRY(credential.key_command(part.info.ciphertext));
      return derive_from("backstay v1 recovery key", secret.view(), part.salt);
    }
    case SlotKind::kNone:
      // Anybody can make such a slot. Who brings a key is not to be led to a repository that
      // somebody without keys has put in the place of an encrypted one.
      if (credential.kind() != SlotKind::kNone) break;
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

crypto::Secret box_key_of(const crypto::Secret& kek) {
  return crypto::derive_key("backstay v1 key slot box", kek.view());
}

SlotDigest digest_of(ByteView header, ByteView public_part) {
  Bytes all = to_owned(header.first(kHeaderSize));
  append(all, public_part);
  return SlotDigest{crypto::blake3(all).bytes};
}

Bytes bytes_to_sign(ByteView header, ByteView public_part) {
  Bytes all = to_owned(as_bytes("backstay v1 key slot"));
  append(all, header.first(kHeaderSize));
  append(all, public_part);
  return all;
}

// The fields of a slot's record, borrowed from `record`.
struct SlotParts {
  ByteView public_part;
  ByteView wrapped;
  ByteView signature;
};

Result<SlotParts> split_slot(ByteView record) {
  SlotParts parts;
  FieldScan scan(record, kSlotShape);
  while (TRY(scan.next())) {
    switch (scan.field().number) {
      case 1:
        parts.public_part = scan.field().value_bytes;
        break;
      case 2:
        parts.wrapped = scan.field().value_bytes;
        break;
      default:
        parts.signature = scan.field().value_bytes;
    }
  }
  if (parts.public_part.empty() || parts.wrapped.size() <= crypto::kTagSize) {
    return fail(ErrorCode::kCorruption, "the key slot is incomplete");
  }
  return parts;
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
    case SlotKind::kKeyFile:
      return "key file";
    case SlotKind::kCommand:
      return "command";
  }
  return "none";
}

SlotKind Credential::kind() const {
  if (passphrase) return SlotKind::kPassphrase;
  if (recovery_key) return SlotKind::kRecoveryKey;
  if (key_file) return SlotKind::kKeyFile;
  return key_command ? SlotKind::kCommand : SlotKind::kNone;
}

static Bytes header_of_slot(const RepositoryId& repository) {
  Bytes header(kHeaderSize);
  encode_header({.kind = ObjectKind::kKeySlot, .repository = repository, .salt = {}}, header);
  return header;
}

// Only a full keyring can sign. What protects nothing follows no rotation.
static bool is_signed(const Keyring& keyring, SlotKind kind) {
  return !keyring.is_write_only() && kind != SlotKind::kNone;
}

Result<Bytes> seal_slot(const Keyring& keyring, const SlotInfo& info, const Credential& credential,
                        const RepositoryId& repository, Rng& rng) {
  PublicPart part{.info = info, .salt = {}, .box = {}};
  part.info.epoch = 0;
  rng.fill(part.salt.bytes);
  const crypto::Secret kek = TRY(key_encryption_key(part, credential));
  if (is_signed(keyring, info.kind)) {
    part.info.epoch = keyring.current_epoch;
    part.box = crypto::public_key_of(box_key_of(kek));
  }
  Bytes public_part;
  encode_public_part(part, public_part);
  const Bytes header = header_of_slot(repository);

  Bytes ring;
  encode_keyring(info.write_only ? keyring.write_only() : keyring, ring);
  Bytes wrapped(ring.size() + crypto::kTagSize);
  TRY(crypto::Aead().seal(crypto::Suite::kChaCha20Poly1305, wrapping_key(kek, header, public_part),
                          kZeroNonce, ring, wrapped));
  crypto::wipe(ring);

  Bytes record;
  RecordWriter writer(record);
  writer.bytes(1, public_part);
  writer.bytes(2, wrapped);
  if (part.info.epoch != 0)
    writer.bytes(3, keyring.current().sign(bytes_to_sign(header, public_part)));
  return encode_plain_object(ObjectKind::kKeySlot, repository, record);
}

Result<SlotInfo> read_slot_info(ByteView stored) {
  return TRY(read_public_slot(stored)).info;
}

Result<PublicSlot> read_public_slot(ByteView stored) {
  const PlainObject object = TRY(decode_plain_object(ObjectKind::kKeySlot, stored));
  const SlotParts parts = TRY(split_slot(object.record));
  const PublicPart part = TRY(decode_public_part(parts.public_part));
  return PublicSlot{.info = part.info,
                    .digest = digest_of(stored, parts.public_part),
                    .box = part.box,
                    .signed_bytes = bytes_to_sign(stored, parts.public_part),
                    .signature = to_owned(parts.signature)};
}

Result<OpenedSlot> unlock_slot(ByteView stored, const Credential& credential) {
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
  OpenedSlot slot{
      .keyring = TRY(std::move(keyring)),
      .identity = {.digest = digest_of(stored, parts.public_part), .box_key = box_key_of(kek)}};
  if (slot.keyring.is_write_only() != part.info.write_only) {
    return fail(ErrorCode::kCorruption, "the keyring is not what its key slot says");
  }
  return slot;
}

Result<Keyring> open_slot(ByteView stored, const Credential& credential) {
  return TRY(unlock_slot(stored, credential)).keyring;
}

}  // namespace backstay::repo
