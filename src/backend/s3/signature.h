// AWS Signature Version 4, in the header: how a request proves who sent it.
// https://docs.aws.amazon.com/AmazonS3/latest/API/sig-v4-header-based-auth.html
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/clock.h"
#include "http/client.h"
#include "http/url.h"

namespace backstay::backend::s3 {

struct Credentials {
  std::string access_key;
  std::string secret_key;
  std::string session_token = {};  // of those that end
  std::optional<Timestamp> expires = {};
};

struct SigningScope {
  std::string region;
  std::string service = "s3";
};

// What is signed. The path and the query are encoded exactly as they are sent.
struct UnsignedRequest {
  std::string method;
  std::string path;                   // percent-encoded, begins with '/'
  http::Parameters query;             // not encoded
  std::vector<http::Header> headers;  // "Host" among them; all of them are signed
  std::string payload_hash;           // SHA-256 of the body in hexadecimal
};

// SHA-256 of nothing, in hexadecimal.
inline constexpr std::string_view kEmptyPayload =
    "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";

// "a=1&b=": sorted and encoded, as it is signed and sent.
[[nodiscard]] std::string canonical_query(const http::Parameters& query);

// The value of the header Authorization; `headers` has x-amz-date of the same `time` already.
[[nodiscard]] std::string authorization(const UnsignedRequest& request,
                                        const Credentials& credentials, const SigningScope& scope,
                                        Timestamp time);

// "20130524T000000Z", the form of x-amz-date.
[[nodiscard]] std::string amz_date(Timestamp time);

}  // namespace backstay::backend::s3
