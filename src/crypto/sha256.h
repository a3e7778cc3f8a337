// SHA-256 (FIPS 180-4), for what other programs name by it.
#pragma once

#include <array>
#include <cstdint>

#include "base/bytes.h"

namespace backstay::crypto {

using Sha256 = std::array<std::uint8_t, 32>;
[[nodiscard]] Sha256 sha256(ByteView input);

}  // namespace backstay::crypto
