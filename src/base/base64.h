// Base64 (RFC 4648, section 4), with padding.
#pragma once

#include <string>

#include "base/bytes.h"

namespace backstay {

[[nodiscard]] std::string to_base64(ByteView bytes);

}  // namespace backstay
