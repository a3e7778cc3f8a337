#include "crypto/kdf.h"

#include <fmt/core.h>
#include <sodium/core.h>
#include <sodium/crypto_pwhash_argon2id.h>

#include "base/byte_size.h"
#include "base/try.h"

namespace backstay::crypto {

static_assert(kArgon2SaltSize == crypto_pwhash_argon2id_SALTBYTES);

namespace {

// The limits of docs/format.md section 9; below them libsodium refuses.
constexpr std::uint32_t kMemoryKibMin = 8;
constexpr std::uint32_t kMemoryKibMax = 4U << 20;
constexpr std::uint32_t kPassesMin = 1;
constexpr std::uint32_t kPassesMax = 64;

Result<void> check_argon2(ByteView salt, const Argon2Parameters& parameters) {
  if (salt.size() != kArgon2SaltSize) {
    return fail(ErrorCode::kCorruption,
                fmt::format("the passphrase salt has {} bytes instead of {}", salt.size(),
                            kArgon2SaltSize));
  }
  if (parameters.memory_kib < kMemoryKibMin || parameters.memory_kib > kMemoryKibMax) {
    return fail(ErrorCode::kCorruption,
                fmt::format("Argon2id memory of {} KiB is outside {} to {}", parameters.memory_kib,
                            kMemoryKibMin, kMemoryKibMax));
  }
  if (parameters.passes < kPassesMin || parameters.passes > kPassesMax) {
    return fail(ErrorCode::kCorruption, fmt::format("{} Argon2id passes are outside {} to {}",
                                                    parameters.passes, kPassesMin, kPassesMax));
  }
  return {};
}

}  // namespace

Result<Secret> argon2id(ByteView passphrase, ByteView salt, const Argon2Parameters& parameters) {
  TRY(check_argon2(salt, parameters));
  // Chooses the fast implementation for this processor; repeating it is harmless.
  if (sodium_init() < 0) return fail(ErrorCode::kInternal, "libsodium cannot be initialised");
  const std::uint64_t memory_bytes = parameters.memory_kib * kKiB;
  Secret key;
  const int status = crypto_pwhash_argon2id(
      key.mutable_view().data(), Secret::kSize, as_text(passphrase).data(), passphrase.size(),
      salt.data(), parameters.passes, memory_bytes, crypto_pwhash_argon2id_ALG_ARGON2ID13);
  if (status != 0) {
    return std::unexpected(
        Error(ErrorCode::kNoSpace, "turning the passphrase into a key needs " +
                                       format_byte_size(memory_bytes) + " of memory")
            .with_hint("Free that much memory, or open the repository on a larger machine."));
  }
  return key;
}

}  // namespace backstay::crypto
