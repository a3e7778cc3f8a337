// The keyring: what a holder of a key knows, and the keys of objects that follow from it
// (docs/format.md sections 4.1 and 4.2).
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <vector>

#include "base/rng.h"
#include "crypto/sealed_box.h"
#include "crypto/secret.h"
#include "crypto/signature.h"
#include "repo/object.h"

namespace backstay::repo {

struct Config;

struct KeyEpoch {
  std::uint32_t number = 1;
  std::optional<crypto::Secret> secret = {};  // nothing in write-only keyrings
  crypto::Secret index_secret = {};
  crypto::PublicKey box = {};        // what is sealed to it opens with the secret
  crypto::VerifyingKey signer = {};  // what the epoch signed is confirmed by it

  // All else follows from the secret.
  static KeyEpoch from_secret(std::uint32_t number, const crypto::Secret& secret);
  [[nodiscard]] KeyEpoch write_only() const;
  [[nodiscard]] bool is_write_only() const { return !secret.has_value(); }
  // Of full epochs.
  [[nodiscard]] crypto::Signature sign(ByteView message) const;
};
// A record, as field 4 of a keyring has it.
void encode_key_epoch(const KeyEpoch& epoch, Bytes& out);
Result<KeyEpoch> decode_key_epoch(ByteView record);

// Epochs that began after the keyring was read. Thread-safe.
class LateEpochs {
 public:
  virtual ~LateEpochs() = default;
  // Nothing when there is no such epoch; wrong_key when there is and this key slot was revoked.
  virtual Result<std::optional<KeyEpoch>> find(std::uint32_t number) = 0;
  // The last that was found so far.
  virtual std::optional<KeyEpoch> newest() = 0;
};

struct Keyring {
  crypto::Digest config_digest;
  crypto::Secret chunk_id_key;
  crypto::Secret chunker_key;
  std::vector<KeyEpoch> epochs;  // ascending
  std::uint32_t current_epoch = 1;
  std::shared_ptr<LateEpochs> late = {};

  static Keyring random(Rng& rng);
  // The same for a client that may write and not read.
  [[nodiscard]] Keyring write_only() const;
  [[nodiscard]] bool is_write_only() const;
  [[nodiscard]] const KeyEpoch& current() const;

  // Also one that began after the ring was read; nothing when there is none.
  [[nodiscard]] Result<std::optional<KeyEpoch>> epoch(std::uint64_t number) const;

  struct NewObject {
    Header header;
    Bytes prefix;
    crypto::Secret key;
  };
  // The prefix of a new sealed object of the newest epoch that is known, and its key.
  [[nodiscard]] Result<NewObject> new_object(ObjectKind kind, const Config& config, Rng& rng) const;
  // The key of the object that begins so, at least with its whole prefix; wrong_key when its epoch
  // is not in the ring, or the ring is write-only and the object is not for it.
  [[nodiscard]] Result<crypto::Secret> object_key(ByteView stored) const;
};

void encode_keyring(const Keyring& keyring, Bytes& out);
Result<Keyring> decode_keyring(ByteView record);

}  // namespace backstay::repo
