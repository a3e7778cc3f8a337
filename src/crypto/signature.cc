#include "crypto/signature.h"

#include <sodium/core.h>
#include <sodium/crypto_sign_ed25519.h>

#include "base/assert.h"

namespace backstay::crypto {

static_assert(VerifyingKey::kSize == crypto_sign_ed25519_PUBLICKEYBYTES);
static_assert(Secret::kSize == crypto_sign_ed25519_SEEDBYTES);
static_assert(kSignatureSize == crypto_sign_ed25519_BYTES);

namespace {

// libsodium keeps seed and verifying key together.
struct KeyPair {
  std::array<std::uint8_t, crypto_sign_ed25519_SECRETKEYBYTES> secret{};
  VerifyingKey verifying;

  explicit KeyPair(const Secret& seed) {
    ASSERT(sodium_init() >= 0);
    ASSERT(crypto_sign_ed25519_seed_keypair(verifying.bytes.data(), secret.data(),
                                            seed.view().data()) == 0);
  }
  ~KeyPair() { wipe(secret); }
  KeyPair(const KeyPair&) = delete;
  KeyPair& operator=(const KeyPair&) = delete;
};

}  // namespace

VerifyingKey verifying_key_of(const Secret& seed) {
  return KeyPair(seed).verifying;
}

Signature sign(const Secret& seed, ByteView message) {
  const KeyPair pair(seed);
  Signature signature{};
  ASSERT(crypto_sign_ed25519_detached(signature.data(), nullptr, message.data(), message.size(),
                                      pair.secret.data()) == 0);
  return signature;
}

bool is_signed_by(const VerifyingKey& key, ByteView message, ByteView signature) {
  ASSERT(sodium_init() >= 0);
  return signature.size() == kSignatureSize &&
         crypto_sign_ed25519_verify_detached(signature.data(), message.data(), message.size(),
                                             key.bytes.data()) == 0;
}

}  // namespace backstay::crypto
