// Sealing to a public key (docs/format.md section 4.5): X25519, BLAKE3, ChaCha20-Poly1305. Whoever
// has the public key can seal, and only the private key opens.
#pragma once

#include "base/bytes.h"
#include "base/error.h"
#include "base/rng.h"
#include "base/strong_id.h"
#include "crypto/secret.h"

namespace backstay::crypto {

using PublicKey = StrongId<struct PublicKeyTag>;
inline constexpr std::size_t kBoxOverhead = 48;  // ephemeral public key and tag

// Any 32 bytes are a private key.
[[nodiscard]] PublicKey public_key_of(const Secret& private_key);

// invalid_argument when `to` is no key that anything can be sealed to.
Result<Bytes> seal_box(const PublicKey& to, ByteView plain, Rng& rng);
// corruption when it does not open: another key's, changed, or cut short.
Result<Bytes> open_box(const Secret& private_key, ByteView sealed);

}  // namespace backstay::crypto
