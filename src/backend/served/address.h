// Where a repository on a store server is: backstays://HOST:PORT/REPOSITORY.
#pragma once

#include <string>
#include <string_view>

#include "base/error.h"

namespace backstay::backend::served {

struct Address {
  std::string base;        // "https://host:8480", for requests
  std::string host;        // of it: "host"
  std::string repository;  // "team/home"
  std::string url;         // for messages, without anything secret
};

// invalid_argument with a hint for what cannot be; user names and queries are refused.
Result<Address> parse_address(std::string_view url);

}  // namespace backstay::backend::served
