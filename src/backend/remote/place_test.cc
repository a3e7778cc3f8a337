#include "backend/remote/place.h"

#include <gtest/gtest.h>

namespace backstay::backend::remote {
namespace {

Place good(std::string_view url) {
  auto place = parse_place(url, "Write it so.");
  EXPECT_TRUE(place.has_value()) << place.error().describe();
  return place ? *std::move(place) : Place{};
}

TEST(RemotePlace, TakesUserHostPortPathAndOptions) {
  const Place place = good("webdavs://me%40home@Nas.example:8443/a%20b/%C3%A4/?cleartext=1");
  EXPECT_EQ(place.user, "me@home");
  EXPECT_EQ(place.host, "nas.example");
  EXPECT_EQ(place.port, 8443);
  EXPECT_EQ(place.path, "/a b/\xc3\xa4");
  EXPECT_EQ(place.url, "webdavs://me%40home@nas.example:8443/a%20b/%C3%A4");
  EXPECT_TRUE(parse_switch(place, "cleartext").value());
  EXPECT_FALSE(parse_switch(place, "other").value());
  EXPECT_EQ(good("ftp://[::1]").path, "");
  EXPECT_EQ(good("ftp://host///").path, "");
}

TEST(RemotePlace, RefusesWhatIsNoPlace) {
  for (const char* const url :
       {"webdav:", "webdav://", "webdav:///path", "webdav://-o/path", "ftp://h/a%0D%0AQUIT",
        "ftp://a%0Ab@h/x", "ftp://h%01/x", "ftp://h%23x/y", "webdav://user:secret@host/path"}) {
    const auto place = parse_place(url, "Write it so.");
    ASSERT_FALSE(place.has_value()) << url;
    EXPECT_EQ(place.error().code(), ErrorCode::kInvalidArgument) << url;
    EXPECT_EQ(place.error().describe().find("secret"), std::string::npos);
  }
  EXPECT_FALSE(parse_switch(good("ftp://host/?x=maybe"), "x").has_value());
}

TEST(RemotePlace, SendsNoPasswordInTheClearUnlessToldSo) {
  for (const char* const near : {"ftp://localhost/x", "ftp://127.0.0.1/x", "ftp://[::1]/x"}) {
    EXPECT_TRUE(check_cleartext(good(near), false, "ftps").has_value()) << near;
  }
  for (const char* const far : {"ftp://127.0.0.1.evil.example/x", "ftp://127.evil.example/x"}) {
    EXPECT_FALSE(check_cleartext(good(far), false, "ftps").has_value()) << far;
  }
  const auto refused = check_cleartext(good("ftp://nas.example/x"), false, "ftps");
  ASSERT_FALSE(refused.has_value());
  EXPECT_EQ(refused.error().code(), ErrorCode::kPermissionDenied);
  EXPECT_NE(refused.error().hint().find("ftps://"), std::string::npos);
  EXPECT_TRUE(check_cleartext(good("ftp://nas.example/x"), true, "ftps").has_value());
}

}  // namespace
}  // namespace backstay::backend::remote
