// Authenticated encryption of runs of bytes (docs/format.md section 4.3).
#pragma once

#include <cstdint>
#include <memory>
#include <string_view>

#include "base/bytes.h"
#include "base/error.h"
#include "crypto/secret.h"

namespace backstay::crypto {

// These numbers are stored in repositories: do not change them.
enum class Suite : std::uint8_t {
  kPlain = 0,             // bytes in clear, followed by a 16-byte keyed BLAKE3 tag
  kAes256Gcm = 1,         // NIST SP 800-38D
  kChaCha20Poly1305 = 2,  // RFC 8439
};
[[nodiscard]] std::string_view to_string(Suite suite);  // "none", "aes-256-gcm", ...
Result<Suite> parse_suite(std::string_view name);       // without "auto"
Result<Suite> suite_from_number(std::uint64_t number);  // fails with unsupported

inline constexpr std::size_t kTagSize = 16;
inline constexpr std::size_t kNonceSize = 12;

// Seals and opens with contexts it keeps. Not thread-safe: one per thread.
class Aead {
 public:
  Aead();
  ~Aead();
  Aead(Aead&&) noexcept;
  Aead& operator=(Aead&&) noexcept;

  // Writes plain.size() + kTagSize bytes to `out`, which may begin at plain.data() (in place).
  // The caller never uses a (key, nonce) pair for two different plaintexts.
  Result<void> seal(Suite suite, const Secret& key, ByteView nonce, ByteView plain,
                    MutableByteView out);
  // Writes sealed.size() - kTagSize bytes to `out`, in place allowed. Fails with corruption when
  // the tag does not match; `out` then holds nothing of the plaintext.
  Result<void> open(Suite suite, const Secret& key, ByteView nonce, ByteView sealed,
                    MutableByteView out);

 private:
  struct State;
  std::unique_ptr<State> state_;
};

// The faster of the two ciphers on this processor, measured for a few milliseconds.
[[nodiscard]] Suite fastest_suite();

}  // namespace backstay::crypto
