// MD5 (RFC 1321), where a protocol asks for it to find accidents. It protects nothing.
#pragma once

#include <array>
#include <cstdint>

#include "base/bytes.h"

namespace backstay::crypto {

[[nodiscard]] std::array<std::uint8_t, 16> md5(ByteView input);

}  // namespace backstay::crypto
