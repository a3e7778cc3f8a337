// Where an S3 repository is: s3://BUCKET/PREFIX?endpoint=URL&region=R&path_style=1
#pragma once

#include <functional>
#include <optional>
#include <string>
#include <string_view>

#include "base/error.h"

namespace backstay::backend::s3 {

// Variables of the process's environment; one that is empty counts as unset.
using Lookup = std::function<std::optional<std::string>(std::string_view)>;

enum class Style : std::uint8_t {
  kPath,  // http://endpoint/bucket/key
  kHost,  // http://bucket.endpoint/key
};

struct Address {
  std::string bucket;
  std::string prefix;  // of all keys: empty, or ends with '/'
  std::string scheme = "https";
  std::string host;  // of the endpoint, without the bucket; empty: that of AWS in the region
  std::uint16_t port = 0;
  std::string base_path;  // of the endpoint: empty, or begins with '/' and does not end with one
  std::string region;     // empty: found by asking
  Style style = Style::kHost;
  std::string profile;         // of the shared files; empty: as the environment says
  std::string storage_class;   // of new objects; empty: the bucket's
  std::string encryption;      // x-amz-server-side-encryption; empty: the bucket's
  std::string encryption_key;  // and its key in the key service
  std::string lock_mode = "COMPLIANCE";
  // Whether lists have what came and went before them; of most vendors it is known.
  enum class Lists : std::uint8_t { kAsVendor, kAtOnce, kLate } lists = Lists::kAsVendor;

  // The host of a request to the bucket, "host:port", and the path before a key, encoded.
  [[nodiscard]] std::string authority_in(std::string_view region) const;
  [[nodiscard]] std::string path_to_bucket() const;
  // "s3://bucket/prefix at endpoint", for messages.
  [[nodiscard]] std::string describe() const;
};

// invalid_argument with a hint for what cannot be; secrets in a URL are refused.
Result<Address> parse_address(std::string_view url);

}  // namespace backstay::backend::s3
