// From a passphrase to a key: Argon2id version 1.3 (RFC 9106), one lane.
#pragma once

#include <cstdint>

#include "base/bytes.h"
#include "base/error.h"
#include "crypto/secret.h"

namespace backstay::crypto {

struct Argon2Parameters {
  std::uint32_t memory_kib = 48 * 1024;
  std::uint32_t passes = 3;
};
inline constexpr std::size_t kArgon2SaltSize = 16;

// Limits for parameters read from a repository, so that a hostile one cannot exhaust the machine:
// memory 8 KiB to 4 GiB, passes 1 to 64. Fails with corruption outside them, no_space when the
// memory cannot be had.
Result<Secret> argon2id(ByteView passphrase, ByteView salt, const Argon2Parameters& parameters);

}  // namespace backstay::crypto
