// Key slots: the keyring, wrapped for one way of getting in (docs/format.md section 4).
#pragma once

#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "base/clock.h"
#include "base/rng.h"
#include "crypto/kdf.h"
#include "crypto/secret.h"
#include "repo/object.h"

namespace backstay::repo {

struct KeyEpoch {
  std::uint32_t number = 1;
  crypto::Secret secret;
};

struct Config;

struct Keyring {
  crypto::Digest config_digest;
  crypto::Secret chunk_id_key;
  crypto::Secret chunker_key;
  std::vector<KeyEpoch> epochs;
  std::uint32_t current_epoch = 1;

  static Keyring random(Rng& rng);
  // The prefix of a new sealed object: of the current epoch, with a salt of its own.
  [[nodiscard]] Header header_of_new(ObjectKind kind, const Config& config, Rng& rng) const;
  // The key of the object whose prefix is `header`; wrong_key when its epoch is not in the ring.
  [[nodiscard]] Result<crypto::Secret> object_key(ByteView header) const;
};

enum class SlotKind : std::uint8_t { kPassphrase = 1, kRecoveryKey = 2, kNone = 3 };
[[nodiscard]] std::string_view to_string(SlotKind kind);

struct SlotInfo {
  SlotKind kind = SlotKind::kPassphrase;
  Timestamp created;
  std::string label;
  std::string host;
  std::string user;
  crypto::Argon2Parameters argon2;  // passphrase slots
};

// What a person brings to open a slot: exactly one is set; neither for repositories without
// encryption.
struct Credential {
  std::optional<std::string> passphrase;
  std::optional<crypto::Secret> recovery_key;
};

// The whole object.
Result<Bytes> seal_slot(const Keyring& keyring, const SlotInfo& info, const Credential& credential,
                        const RepositoryId& repository, Rng& rng);
Result<SlotInfo> read_slot_info(ByteView stored);
// wrong_key when the credential does not open it (or is of the other kind), corruption when it is
// damaged.
Result<Keyring> open_slot(ByteView stored, const Credential& credential);

void encode_keyring(const Keyring& keyring, Bytes& out);
Result<Keyring> decode_keyring(ByteView record);

}  // namespace backstay::repo
