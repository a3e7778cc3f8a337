// Lower-case hexadecimal, both ways.
#pragma once

#include <string>
#include <string_view>

#include "base/bytes.h"
#include "base/error.h"

namespace backstay {

[[nodiscard]] std::string to_hex(ByteView bytes);
// Fails with invalid_argument on an odd length or a character outside 0-9a-f.
Result<Bytes> from_hex(std::string_view text);

}  // namespace backstay
