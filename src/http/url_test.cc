#include "http/url.h"

#include <gtest/gtest.h>

namespace backstay::http {
namespace {

TEST(Url, HasItsPartsDecoded) {
  const Url url =
      parse_url("S3://Bucket.Example:9000/a%20b/c?endpoint=http%3A%2F%2Fh&empty&x=1%262").value();
  EXPECT_EQ(url.scheme, "s3");
  EXPECT_EQ(url.host, "bucket.example");
  EXPECT_EQ(url.port, 9000);
  EXPECT_EQ(url.path, "/a b/c");
  EXPECT_EQ(url.query, (Parameters{{"endpoint", "http://h"}, {"empty", ""}, {"x", "1&2"}}));
}

TEST(Url, MayBeAHostAlone) {
  const Url url = parse_url("http://h").value();
  EXPECT_EQ(url.host, "h");
  EXPECT_EQ(url.port, 0);
  EXPECT_TRUE(url.path.empty());
  EXPECT_EQ(parse_url("sftp://me@h:22/x").value().user, "me");
  EXPECT_EQ(parse_url("http://h?a=b").value().query.size(), 1U);
}

TEST(Url, HasIPv6AddressesInBrackets) {
  const Url url = parse_url("http://[::1]:8080/").value();
  EXPECT_EQ(url.host, "::1");
  EXPECT_EQ(url.port, 8080);
  EXPECT_EQ(authority(url.host, url.port), "[::1]:8080");
  EXPECT_EQ(authority("h", 0), "h");
}

TEST(Url, IsRefusedWhenItCannotBeRead) {
  for (const char* const text :
       {"", "x", "://h", "http:h", "http:/h", "http://h:0", "http://h:65536", "http://h:x",
        "http://h:", "http://[::1", "http://[::1]x", "http://h/%", "http://h/%2", "http://h/%zz",
        "http://h/%00", "http://h/a b", "http://h/#f", "1a://h"}) {
    EXPECT_EQ(parse_url(text).error().code(), ErrorCode::kInvalidArgument) << text;
  }
}

TEST(Url, HasNoPasswordAndShowsNone) {
  const auto url = parse_url("ftp://me:geheim@h/");
  ASSERT_FALSE(url.has_value());
  EXPECT_EQ(url.error().describe().find("geheim"), std::string::npos);
}

TEST(Url, EncodesWhatIsNotUnreserved) {
  EXPECT_EQ(percent_encoded("a/b c~\xC3\xA9+", Slashes::kStay), "a/b%20c~%C3%A9%2B");
  EXPECT_EQ(percent_encoded("a/b", Slashes::kEncoded), "a%2Fb");
  EXPECT_EQ(percent_decoded(percent_encoded("\x01 %/?#[]@!$&'()*+,;=", Slashes::kEncoded)).value(),
            "\x01 %/?#[]@!$&'()*+,;=");
}

}  // namespace
}  // namespace backstay::http
