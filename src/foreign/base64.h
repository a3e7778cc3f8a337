// Base64 (RFC 4648, section 4) as it stands in JSON.
#pragma once

#include <string_view>

#include "base/bytes.h"
#include "base/error.h"

namespace backstay::foreign {

// With its padding; corruption otherwise.
Result<Bytes> from_base64(std::string_view text);

}  // namespace backstay::foreign
