#include "crypto/sha256.h"

#include <openssl/sha.h>

namespace backstay::crypto {

Sha256 sha256(ByteView input) {
  Sha256 digest{};
  SHA256(input.data(), input.size(), digest.data());
  return digest;
}

}  // namespace backstay::crypto
