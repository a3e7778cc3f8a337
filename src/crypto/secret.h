// 32 secret bytes that are wiped when they go.
#pragma once

#include <array>

#include "base/bytes.h"
#include "base/error.h"
#include "base/rng.h"

namespace backstay::crypto {

class Secret {
 public:
  static constexpr std::size_t kSize = 32;
  Secret() = default;
  ~Secret();
  Secret(const Secret&) = default;
  Secret& operator=(const Secret&) = default;

  static Secret random(Rng& rng);
  // Fails with invalid_argument unless `view` has 32 bytes.
  static Result<Secret> from_bytes(ByteView view);

  [[nodiscard]] ByteView view() const { return bytes_; }
  [[nodiscard]] MutableByteView mutable_view() { return bytes_; }

 private:
  std::array<std::uint8_t, kSize> bytes_{};
};

// Overwrites in a way that the compiler does not remove.
void wipe(MutableByteView bytes);

}  // namespace backstay::crypto
