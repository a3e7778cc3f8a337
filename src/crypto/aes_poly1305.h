// AES-256 in counter mode with Poly1305-AES over the ciphertext, as restic seals: 16 bytes nonce,
// the ciphertext, 16 bytes tag (Daniel J. Bernstein, "The Poly1305-AES message-authentication
// code", FSE 2005). For reading only: nothing of ours is sealed like that.
#pragma once

#include <array>
#include <cstdint>

#include "base/bytes.h"
#include "base/error.h"

namespace backstay::crypto {

class AesPoly1305 {
 public:
  static constexpr std::size_t kKeySize = 64;
  static constexpr std::size_t kNonceSize = 16;
  static constexpr std::size_t kOverhead = kNonceSize + 16;

  // 32 bytes key of the cipher, then k (16) and r (16) of Poly1305-AES. invalid_argument unless
  // `key` has 64 bytes.
  static Result<AesPoly1305> from_key(ByteView key);
  ~AesPoly1305();
  AesPoly1305(const AesPoly1305&) = default;
  AesPoly1305& operator=(const AesPoly1305&) = default;

  // Fills `out`, of sealed.size() - kOverhead bytes, which must not overlap `sealed`. corruption
  // when the tag does not match; `out` then holds nothing of the plaintext. Thread-safe.
  Result<void> open(ByteView sealed, MutableByteView out) const;
  // The other way, for tests and seeds: sealed.size() is plain.size() + kOverhead.
  Result<void> seal(ByteView nonce, ByteView plain, MutableByteView sealed) const;

 private:
  AesPoly1305() = default;
  Result<std::array<std::uint8_t, 16>> tag_of(ByteView nonce, ByteView ciphertext) const;

  std::array<std::uint8_t, kKeySize> key_{};
};

}  // namespace backstay::crypto
