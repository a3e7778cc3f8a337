#include "backend/sftp/place.h"

#include <gtest/gtest.h>

namespace backstay::backend::sftp {
namespace {

TEST(SftpPlace, IsReadFromAUrl) {
  const Place full = parse_place("sftp://ann%40x@Backup.example:2222/srv/my%20backup//").value();
  EXPECT_EQ(full.user, "ann@x");
  EXPECT_EQ(full.host, "backup.example");
  EXPECT_EQ(full.port, 2222);
  EXPECT_EQ(full.path, "/srv/my backup");
  EXPECT_EQ(full.url, "sftp://ann%40x@backup.example:2222/srv/my%20backup");
  const Place bare = parse_place("sftp://[::1]/").value();
  EXPECT_EQ(bare.host, "::1");
  EXPECT_EQ(bare.path, "/");
  EXPECT_EQ(bare.url, "sftp://[::1]/");
  EXPECT_TRUE(bare.user.empty());
}

TEST(SftpPlace, IsBelowTheLoginAfterATilde) {
  EXPECT_EQ(parse_place("sftp://host/~/backup/a").value().path, "backup/a");
  EXPECT_EQ(parse_place("sftp://host/~").value().path, ".");
  EXPECT_EQ(parse_place("sftp://host/~x").value().path, "/~x");
}

TEST(SftpPlace, RefusesWhatIsNoPlace) {
  for (const char* const url : {"sftp://host", "sftp:///path", "sftp:host/path", "sftp://h:0/p",
                                "sftp://h:99999/p", "sftp://-oProxyCommand=x/p", "sftp://-x@h/p",
                                "sftp://h/p?x=1", "sftp://[::1/p", "sftp://h/%zz"}) {
    const auto place = parse_place(url);
    ASSERT_FALSE(place.has_value()) << url;
    EXPECT_EQ(place.error().code(), ErrorCode::kInvalidArgument) << url;
  }
}

TEST(SftpPlace, DoesNotRepeatAPassword) {
  const auto place = parse_place("sftp://ann:hush@host/p");
  ASSERT_FALSE(place.has_value());
  EXPECT_EQ((place.error().describe() + place.error().hint()).find("hush"), std::string::npos);
}

}  // namespace
}  // namespace backstay::backend::sftp
