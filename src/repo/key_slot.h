// Key slots: the keyring, wrapped for one way of getting in (docs/format.md section 4.4).
#pragma once

#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "base/clock.h"
#include "base/rng.h"
#include "crypto/kdf.h"
#include "crypto/secret.h"
#include "repo/keyring.h"
#include "repo/object.h"

namespace backstay::repo {

enum class SlotKind : std::uint8_t {
  kPassphrase = 1,
  kRecoveryKey = 2,
  kNone = 3,
  kKeyFile = 4,
  kCommand = 5
};
[[nodiscard]] std::string_view to_string(SlotKind kind);

inline constexpr std::size_t kSlotCiphertextMax = 64 * 1024;

struct SlotInfo {
  SlotKind kind = SlotKind::kPassphrase;
  Timestamp created;
  std::string label;
  std::string host;
  std::string user;
  crypto::Argon2Parameters argon2;  // passphrase slots
  bool write_only = false;
  std::uint32_t epoch = 0;  // that it was made in; 0 when it cannot follow a rotation
  Bytes ciphertext = {};    // for the command, on its standard input
};

// Gives the secret of a slot, of its ciphertext.
using KeyCommand = std::function<Result<crypto::Secret>(ByteView ciphertext)>;

// What a person brings to open a slot: exactly one is set; none for repositories without
// encryption.
struct Credential {
  std::optional<std::string> passphrase;
  std::optional<crypto::Secret> recovery_key;
  std::optional<crypto::Secret> key_file = {};
  KeyCommand key_command = {};

  // Of the slots that it opens.
  [[nodiscard]] SlotKind kind() const;
};

// A slot as rotations see it (docs/format.md section 4.6).
using SlotDigest = StrongId<struct SlotDigestTag>;
struct SlotIdentity {
  SlotDigest digest;
  crypto::Secret box_key;  // the private key of its box
};

struct OpenedSlot {
  Keyring keyring;
  SlotIdentity identity;
};

// What anybody can see of a slot and a holder of the right epoch can confirm.
struct PublicSlot {
  SlotInfo info;
  SlotDigest digest;
  crypto::PublicKey box;
  Bytes signed_bytes;
  Bytes signature;  // empty when it cannot follow a rotation
};

// The whole object. A slot that is to be write-only gets a keyring that is.
Result<Bytes> seal_slot(const Keyring& keyring, const SlotInfo& info, const Credential& credential,
                        const RepositoryId& repository, Rng& rng);
Result<SlotInfo> read_slot_info(ByteView stored);
Result<PublicSlot> read_public_slot(ByteView stored);
// wrong_key when the credential does not open it (or is of the other kind), corruption when it is
// damaged. What comes from a command that failed is that failure.
Result<OpenedSlot> unlock_slot(ByteView stored, const Credential& credential);
Result<Keyring> open_slot(ByteView stored, const Credential& credential);

}  // namespace backstay::repo
