// Where a URL with a host and a path leads: what those of WebDAV and FTP have in common.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "base/error.h"
#include "http/url.h"

namespace backstay::backend::remote {

struct Place {
  std::string user;        // empty where the URL has none
  std::string host;        // a name or an address
  std::uint16_t port = 0;  // 0 where the URL has none
  std::string path;        // decoded; empty or begins with '/', and does not end with one
  std::string url;         // for messages: without what follows a '?'
  http::Parameters options;
};

// "SCHEME://[USER@]HOST[:PORT][/PATH][?NAME=VALUE&...]". invalid_argument, with `form` as what the
// hint says of how to write it, and also for a URL with a password, which is not repeated.
Result<Place> parse_place(std::string_view url, std::string_view form);

// The value of an option that may be "1" or "true" ("0", "false"); false where it is not given.
Result<bool> parse_switch(const Place& place, std::string_view name);

// Whether nothing that goes to this host, a name or an address, leaves the machine.
bool is_this_machine(std::string_view host);

// permission_denied unless what goes there unencrypted stays in this machine or `allowed` says so.
Result<void> check_cleartext(const Place& place, bool allowed, std::string_view encrypted_scheme);

}  // namespace backstay::backend::remote
