#include "crypto/scrypt.h"

#include <sodium.h>

#include <bit>
#include <cerrno>

namespace backstay::crypto {

Result<void> scrypt(ByteView passphrase, ByteView salt, const ScryptParameters& parameters,
                    MutableByteView out) {
  constexpr std::uint64_t kMemoryMax = std::uint64_t{1} << 30;
  constexpr std::uint32_t kScryptPassesMax = 64;
  const auto& [n, r, p] = parameters;
  const bool sensible = n >= 2 && std::has_single_bit(n) && r >= 1 && p >= 1 &&
                        p <= kScryptPassesMax && r <= kMemoryMax / 128 && n <= kMemoryMax / 128 / r;
  if (!sensible) return fail(ErrorCode::kCorruption, "the parameters of scrypt are out of bounds");
  if (sodium_init() < 0) return fail(ErrorCode::kInternal, "libsodium cannot be used here");
  errno = 0;
  const int failed =
      crypto_pwhash_scryptsalsa208sha256_ll(passphrase.data(), passphrase.size(), salt.data(),
                                            salt.size(), n, r, p, out.data(), out.size());
  if (failed == 0) return {};
  return fail(ErrorCode::kNoSpace, "there is not enough memory for scrypt");
}

}  // namespace backstay::crypto
