// Spans of time as people write them: "90s", "30m", "1h30m", "2d".
#pragma once

#include <chrono>
#include <string_view>

#include "base/error.h"

namespace backstay::cli {

// Whole numbers with the units s, m, h, d, w, one after another; a bare number is seconds. More
// than zero.
Result<std::chrono::seconds> parse_duration(std::string_view text);

// The same, or a whole number of milliseconds: "500ms".
Result<std::chrono::milliseconds> parse_short_duration(std::string_view text);

}  // namespace backstay::cli
