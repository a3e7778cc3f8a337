// URLs (RFC 3986), as far as addresses of stores need them.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/error.h"

namespace backstay::http {

using Parameters = std::vector<std::pair<std::string, std::string>>;

// What a URL says, decoded: "s3://bucket:1/a%20b?x=1" has the path "/a b". A fragment is refused.
struct Url {
  std::string scheme;      // in lower case
  std::string user;        // without a password: one in a URL is refused
  std::string host;        // in lower case; an IPv6 address without its brackets
  std::uint16_t port = 0;  // 0 when none is given
  std::string path;        // empty, or begins with '/'
  Parameters query;        // in order
};

// invalid_argument; the message shows neither user nor query, which may hold secrets.
Result<Url> parse_url(std::string_view text);

// What follows the '?': "a=1&b=" is decoded, in order.
Result<Parameters> parse_query(std::string_view text);

// Bytes for %XX; a NUL byte is refused.
Result<std::string> percent_decoded(std::string_view text);

// What stays as it is besides letters, digits and "-._~".
enum class Slashes : std::uint8_t { kStay, kEncoded };
[[nodiscard]] std::string percent_encoded(std::string_view bytes, Slashes slashes);

// "host", "host:9000" or "[::1]:9000", as it stands in a URL and in the header Host.
[[nodiscard]] std::string authority(std::string_view host, std::uint16_t port);

}  // namespace backstay::http
