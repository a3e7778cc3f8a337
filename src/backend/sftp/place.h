// Where an sftp:// URL leads.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "base/error.h"

namespace backstay::backend::sftp {

struct Place {
  std::string user;        // empty: what ~/.ssh/config says, else the name of this user
  std::string host;        // a name, an address, or an alias of ~/.ssh/config
  std::uint16_t port = 0;  // 0: what ~/.ssh/config says, else 22
  std::string path;        // as the server takes it: "/srv/backup", or "backup" below the login's
  std::string url;         // for messages
};

// "sftp://[USER@]HOST[:PORT]/PATH". A path that begins with "/~/" is one below the folder of the
// login. invalid_argument, also for a URL with a password, which is not repeated.
Result<Place> parse_place(std::string_view url);

}  // namespace backstay::backend::sftp
