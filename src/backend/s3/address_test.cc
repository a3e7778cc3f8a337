#include "backend/s3/address.h"

#include <gtest/gtest.h>

#include "backend/s3/vendor.h"

namespace backstay::backend::s3 {
namespace {

TEST(S3Address, IsOfAmazonWithoutAnEndpoint) {
  const Address address = parse_address("s3://my-bucket/a/b/?region=eu-west-1").value();
  EXPECT_EQ(address.prefix, "a/b/");
  EXPECT_EQ(address.region, "eu-west-1");
  EXPECT_EQ(address.authority_in("eu-west-1"), "my-bucket.s3.eu-west-1.amazonaws.com");
  EXPECT_EQ(address.path_to_bucket(), "/");
  EXPECT_EQ(parse_address("s3://my-bucket").value().authority_in("cn-north-1"),
            "my-bucket.s3.cn-north-1.amazonaws.com.cn");
}

TEST(S3Address, TakesBucketsWithDotsByPath) {
  const Address address = parse_address("s3://my.bucket/").value();
  EXPECT_EQ(address.authority_in("us-east-1"), "s3.us-east-1.amazonaws.com");
  EXPECT_EQ(address.path_to_bucket(), "/my.bucket/");
}

TEST(S3Address, HasAnEndpointOfItsOwn) {
  const Address address =
      parse_address("s3://bucket/x?endpoint=http://127.0.0.1:9000/base/").value();
  EXPECT_EQ(address.scheme, "http");
  EXPECT_EQ(address.authority_in("any"), "127.0.0.1:9000");
  EXPECT_EQ(address.path_to_bucket(), "/base/bucket/");
  const Address other =
      parse_address("s3://bucket?endpoint=store.example:443&path_style=0").value();
  EXPECT_EQ(other.scheme, "https");
  EXPECT_EQ(other.authority_in("any"), "bucket.store.example");
  EXPECT_EQ(other.path_to_bucket(), "/");
  EXPECT_EQ(other.describe(), "s3://bucket at store.example");
}

TEST(S3Address, IsRefusedWithAHintWhenItCannotBe) {
  for (const char* const url :
       {"s3://", "s3:///x", "s3://ab", "s3://bucket:80/", "s3://me@bucket/", "s3://bucket?x=1",
        "s3://bucket?path_style=2", "s3://bucket?endpoint=ftp://h", "s3://bucket?lock_mode=no",
        "s3://bucket?lists=soon", "s3://bucket?endpoint=http://u@h"}) {
    const auto address = parse_address(url);
    ASSERT_FALSE(address.has_value()) << url;
    EXPECT_EQ(address.error().code(), ErrorCode::kInvalidArgument) << url;
  }
  const auto secret = parse_address("s3://bucket?secret_key=geheim");
  EXPECT_EQ(secret.error().describe().find("geheim"), std::string::npos);
}

TEST(S3Vendor, IsKnownByItsHostOrByItsAnswers) {
  EXPECT_EQ(vendor_by_host("").name, "AWS");
  EXPECT_EQ(vendor_by_host("x.r2.cloudflarestorage.com").name, "Cloudflare R2");
  EXPECT_EQ(vendor_by_host("storage.googleapis.com").name, "Google Cloud Storage");
  EXPECT_EQ(vendor_by_host("127.0.0.1").name, "unknown");
  const auto by = [](const std::string& name, const std::string& value) {
    return vendor_by_answer({.status = 200, .headers = {{name, value}}, .body = {}}).name;
  };
  EXPECT_EQ(by("server", "MinIO"), "MinIO");
  EXPECT_EQ(by("server", "Garage"), "Garage");
  EXPECT_EQ(by("x-amz-request-id", "tx00000000000000000002-00637c9d2a-1037-default"), "Ceph RGW");
  EXPECT_EQ(by("x-openstack-request-id", "tx7f1ae64f4e8b4a54a6ba0-00637c9d2a"), "OpenStack Swift");
  // Anybody can say that: it is no reason to trust conditions.
  EXPECT_EQ(by("server", "AmazonS3"), "unknown");
  EXPECT_EQ(by("server", "cloudflare"), "unknown");
}

}  // namespace
}  // namespace backstay::backend::s3
