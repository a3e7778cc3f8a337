#include "backend/azure/signature.h"

#include <gtest/gtest.h>

#include "base/base64.h"

namespace backstay::backend::azure {
namespace {

// The examples of the page on SharedKey.
TEST(AzureSignature, SignsWhatTheDocumentationSays) {
  const UnsignedRequest metadata{
      .method = "GET",
      .path = "/mycontainer",
      .query = {{"restype", "container"}, {"comp", "metadata"}, {"timeout", "20"}},
      .headers = {{"x-ms-version", "2015-02-21"}, {"x-ms-date", "Fri, 26 Jun 2015 23:39:12 GMT"}}};
  EXPECT_EQ(string_to_sign(metadata, "myaccount"),
            "GET\n\n\n\n\n\n\n\n\n\n\n\n"
            "x-ms-date:Fri, 26 Jun 2015 23:39:12 GMT\nx-ms-version:2015-02-21\n"
            "/myaccount/mycontainer\ncomp:metadata\nrestype:container\ntimeout:20");
}

TEST(AzureSignature, SignsLengthsSumsAndConditions) {
  const UnsignedRequest put{.method = "PUT",
                            .path = "/base/c/a%20b",
                            .headers = {{"If-None-Match", "*"},
                                        {"Content-MD5", "sum"},
                                        {"X-Ms-Blob-Type", "BlockBlob"},
                                        {"x-ms-date", "D"}},
                            .body_bytes = 65};
  EXPECT_EQ(string_to_sign(put, "acc"),
            "PUT\n\n\n65\nsum\n\n\n\n\n*\n\n\n"
            "x-ms-blob-type:BlockBlob\nx-ms-date:D\n/acc/base/c/a%20b");
  const Bytes key = from_base64("a2V5").value();
  EXPECT_EQ(authorization(put, "acc", key).substr(0, 14), "SharedKey acc:");
}

TEST(AzureSignature, WritesDatesAsHttpDoes) {
  EXPECT_EQ(http_date({784111777, 5}), "Sun, 06 Nov 1994 08:49:37 GMT");
  EXPECT_EQ(http_date({1435361952, 0}), "Fri, 26 Jun 2015 23:39:12 GMT");
  EXPECT_EQ(http_date({0, 0}), "Thu, 01 Jan 1970 00:00:00 GMT");
}

}  // namespace
}  // namespace backstay::backend::azure
