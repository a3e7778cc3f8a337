// The date of HTTP (RFC 9110, section 5.6.7).
#pragma once

#include <string>
#include <string_view>

#include "base/clock.h"
#include "base/error.h"

namespace backstay::http {

// "Sun, 06 Nov 1994 08:49:37 GMT", the form that servers send; corruption for others.
Result<Timestamp> parse_http_date(std::string_view text);

// The same, written. For years from 1 to 9999.
[[nodiscard]] std::string format_http_date(Timestamp time);

}  // namespace backstay::http
