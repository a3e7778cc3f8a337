// Where a repository in Azure Blob Storage is: azure://CONTAINER/PREFIX?account=NAME&endpoint=URL
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "base/error.h"

namespace backstay::backend::azure {

struct Address {
  std::string account;  // empty: as the environment says
  std::string container;
  std::string prefix;  // of all names: empty, or ends with '/'
  std::string scheme = "https";
  std::string host;  // of the endpoint; empty: Azure's of the account
  std::uint16_t port = 0;
  std::string base_path;  // of the endpoint: empty, or begins with '/' and does not end with one

  // "host:port", and the encoded path of the container.
  [[nodiscard]] std::string authority() const;
  [[nodiscard]] std::string path_to_container() const;
  // "azure://container/prefix of account", for messages.
  [[nodiscard]] std::string describe() const;
};

// invalid_argument with a hint for what cannot be; secrets in a URL are refused.
Result<Address> parse_address(std::string_view url);

}  // namespace backstay::backend::azure
