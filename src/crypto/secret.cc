#include "crypto/secret.h"

#include <sodium/utils.h>

#include <algorithm>

namespace backstay::crypto {

Secret::~Secret() {
  wipe(bytes_);
}

Secret Secret::random(Rng& rng) {
  Secret secret;
  rng.fill(secret.bytes_);
  return secret;
}

Result<Secret> Secret::from_bytes(ByteView view) {
  if (view.size() != kSize) return fail(ErrorCode::kInvalidArgument, "a key must have 32 bytes");
  Secret secret;
  std::copy(view.begin(), view.end(), secret.bytes_.begin());
  return secret;
}

void wipe(MutableByteView bytes) {
  sodium_memzero(bytes.data(), bytes.size());
}

}  // namespace backstay::crypto
