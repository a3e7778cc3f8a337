#include "backend/s3/signature.h"

#include <gtest/gtest.h>

#include "base/hex.h"
#include "crypto/sha256.h"

namespace backstay::backend::s3 {
namespace {

std::string signature_of(const std::string& authorization) {
  constexpr std::string_view kMark = "Signature=";
  return authorization.substr(authorization.find(kMark) + kMark.size());
}

// The published suite of vectors: 2015-08-30T12:36:00Z, us-east-1, a service called "service".
std::string suite_signature(const std::string& method, const std::string& path,
                            const http::Parameters& query = {},
                            const std::vector<http::Header>& more = {}) {
  UnsignedRequest request{
      .method = method,
      .path = path,
      .query = query,
      .headers = {{"Host", "example.amazonaws.com"}, {"X-Amz-Date", "20150830T123600Z"}},
      .payload_hash = std::string(kEmptyPayload)};
  request.headers.insert(request.headers.end(), more.begin(), more.end());
  return signature_of(authorization(request,
                                    {"AKIDEXAMPLE", "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY"},
                                    {"us-east-1", "service"}, {1440938160, 0}));
}

TEST(Signature, MatchesThePublishedSuite) {
  EXPECT_EQ(suite_signature("GET", "/"),
            "5fa00fa31553b73ebf1942676e86291e8372ff2a2260956d9b8aae1d763fbf31");
  EXPECT_EQ(suite_signature("GET", "/", {{"Param2", "value2"}, {"Param1", "value1"}}),
            "b97d918cfa904a5beff61c982a1b6f458b799221646efd99d3219ec94cdf2500");
  EXPECT_EQ(suite_signature("GET", "/", {{"Param1", "value1"}}),
            "a67d582fa61cc504c4bae71f336f98b97f1ea3c7a6bfe1b6e45aec72011b9aeb");
  EXPECT_EQ(suite_signature("GET", "/%E1%88%B4"),
            "8318018e0b0f223aa2bbf98705b62bb787dc9c0e678f255a891fd03141be5d85");
  EXPECT_EQ(
      suite_signature("GET", "/-._~0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"),
      "07ef7494c76fa4850883e2b006601f940f8a34d404d0cfa977f52a65bbf5f24f");
  EXPECT_EQ(suite_signature("POST", "/"),
            "5da7c1a2acd57cee7505fc6676e4e544621c30862966e37dddb68e92efbe5d6b");
  EXPECT_EQ(suite_signature("GET", "/", {},
                            {{"My-Header1", " value1"}, {"My-Header2", " \"a   b   c\""}}),
            "acc3ed3afb60bb290fc8d2dd0098b9911fcaa05412b367055dee359757a9c736");
}

// The examples of the page on S3: 2013-05-24T00:00:00Z, examplebucket in us-east-1.
std::string s3_signature(const std::string& method, const std::string& path,
                         const http::Parameters& query, const std::vector<http::Header>& more,
                         const std::string& payload_hash) {
  UnsignedRequest request{.method = method,
                          .path = path,
                          .query = query,
                          .headers = {{"Host", "examplebucket.s3.amazonaws.com"},
                                      {"x-amz-content-sha256", payload_hash},
                                      {"x-amz-date", "20130524T000000Z"}},
                          .payload_hash = payload_hash};
  request.headers.insert(request.headers.end(), more.begin(), more.end());
  return signature_of(
      authorization(request, {"AKIAIOSFODNN7EXAMPLE", "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY"},
                    {"us-east-1"}, {1369353600, 0}));
}

TEST(Signature, MatchesTheExamplesOfS3) {
  const std::string empty(kEmptyPayload);
  EXPECT_EQ(s3_signature("GET", "/test.txt", {}, {{"Range", "bytes=0-9"}}, empty),
            "f0e8bdb87c964420e857bd35b5d6ed310bd44f0170aba48dd91039c6036bdb41");
  EXPECT_EQ(s3_signature("PUT", "/test%24file.text", {},
                         {{"Date", "Fri, 24 May 2013 00:00:00 GMT"},
                          {"x-amz-storage-class", "REDUCED_REDUNDANCY"}},
                         to_hex(crypto::sha256(as_bytes("Welcome to Amazon S3.")))),
            "98ad721746da40c64f1a55b78f14c238d841ea1380cd77a1b5971af0ece108bd");
  EXPECT_EQ(s3_signature("GET", "/", {{"lifecycle", ""}}, {}, empty),
            "fea454ca298b7da1c68078a5d1bdbfbbe0d65c699e0f91ac7a200a0136783543");
  EXPECT_EQ(s3_signature("GET", "/", {{"max-keys", "2"}, {"prefix", "J"}}, {}, empty),
            "34b48302e7b5fa45bde8084f4b7868a86f0a534bc59db6670ed5711ef69dc6f7");
}

TEST(Signature, SortsAndEncodesQueries) {
  EXPECT_EQ(canonical_query({{"b", "1 2"}, {"a", ""}, {"a", "/"}}), "a=&a=%2F&b=1%202");
}

}  // namespace
}  // namespace backstay::backend::s3
