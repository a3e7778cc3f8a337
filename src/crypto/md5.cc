#include "crypto/md5.h"

#include <openssl/evp.h>

#include "base/assert.h"

namespace backstay::crypto {

std::array<std::uint8_t, 16> md5(ByteView input) {
  std::array<std::uint8_t, 16> digest{};
  ASSERT(EVP_Digest(input.data(), input.size(), digest.data(), nullptr, EVP_md5(), nullptr) == 1);
  return digest;
}

}  // namespace backstay::crypto
