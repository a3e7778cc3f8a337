// How a request proves who sent it: SharedKey of Azure Blob Storage.
// https://learn.microsoft.com/rest/api/storageservices/authorize-with-shared-key
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "base/bytes.h"
#include "base/clock.h"
#include "http/client.h"
#include "http/url.h"

namespace backstay::backend::azure {

struct UnsignedRequest {
  std::string method;
  std::string path;                        // percent-encoded, as it is sent
  http::Parameters query = {};             // not encoded; names in lower case
  std::vector<http::Header> headers = {};  // names in any case; x-ms-date among them
  std::uint64_t body_bytes = 0;
};

// What is signed.
[[nodiscard]] std::string string_to_sign(const UnsignedRequest& request, std::string_view account);
// The value of the header Authorization. `key` is the account's, decoded.
[[nodiscard]] std::string authorization(const UnsignedRequest& request, std::string_view account,
                                        ByteView key);

// "Fri, 26 Jun 2015 23:39:12 GMT", the form of x-ms-date.
[[nodiscard]] std::string http_date(Timestamp time);

}  // namespace backstay::backend::azure
