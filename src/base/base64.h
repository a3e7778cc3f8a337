// Base64 (RFC 4648, section 4), with padding.
#pragma once

#include <string>
#include <string_view>

#include "base/bytes.h"
#include "base/error.h"

namespace backstay {

[[nodiscard]] std::string to_base64(ByteView bytes);
// corruption where the text is no Base64, lacks its padding, or says more than its bytes.
[[nodiscard]] Result<Bytes> from_base64(std::string_view text);

}  // namespace backstay
