// SHA-256 (FIPS 180-4), for what other programs name or sign by it.
#pragma once

#include <array>
#include <cstdint>
#include <memory>

#include "base/bytes.h"

namespace backstay::crypto {

using Sha256 = std::array<std::uint8_t, 32>;
[[nodiscard]] Sha256 sha256(ByteView input);

// HMAC (RFC 2104) with SHA-256.
[[nodiscard]] Sha256 hmac_sha256(ByteView key, ByteView message);

// For input that arrives in pieces. Not thread-safe.
class Sha256Stream {
 public:
  Sha256Stream();
  ~Sha256Stream();
  Sha256Stream(const Sha256Stream&) = delete;
  Sha256Stream& operator=(const Sha256Stream&) = delete;
  void update(ByteView input);
  [[nodiscard]] Sha256 finish();  // once

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace backstay::crypto
