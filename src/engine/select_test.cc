#include "engine/select.h"

#include <gtest/gtest.h>

#include "repo/testing/fixture.h"

namespace backstay::engine {
namespace {

using repo::code_of;
using repo::problem;

// Three of one host and one of another, a minute apart, ids that begin with their number.
std::vector<repo::StoredSnapshot> samples() {
  std::vector<repo::StoredSnapshot> all(4);
  for (std::size_t i = 0; i < all.size(); ++i) {
    all[i].id.bytes.fill(static_cast<std::uint8_t>(0x10 * i + i));
    all[i].snapshot.started = {.seconds = 1'700'000'000 + static_cast<std::int64_t>(i) * 60,
                               .nanos = 0};
    all[i].snapshot.host = i == 2 ? "two" : "one";
    all[i].snapshot.paths = {"/etc", "/home"};
  }
  all[1].snapshot.tags = {"daily", "kept"};
  all[3].id = all[1].id;  // so that they begin alike
  all[3].id.bytes[31] ^= 1;
  return all;
}

Result<repo::StoredSnapshot> select(std::string_view which, const SnapshotFilter& filter = {}) {
  return select_snapshot(samples(), filter, which, {.seconds = 1'700'000'400, .nanos = 0});
}
std::int64_t minute_of(const Result<repo::StoredSnapshot>& found) {
  return found ? (found->snapshot.started.seconds - 1'700'000'000) / 60 : -1;
}

TEST(SelectSnapshot, TakesTheLatestAndThoseBefore) {
  EXPECT_EQ(minute_of(select("latest")), 3);
  EXPECT_EQ(minute_of(select("latest~0")), 3);
  EXPECT_EQ(minute_of(select("latest~1")), 2);
  EXPECT_EQ(minute_of(select("latest~3")), 0);
  EXPECT_EQ(code_of(select("latest~4")), "not_found");
  EXPECT_NE(select("latest~4").error().hint(), "");
  for (const char* text :
       {"latest~", "latest~x", "latest~-1", "latest1", "latest~99999999999999999999"}) {
    EXPECT_EQ(code_of(select(text)), "invalid_argument") << text;
  }
}

TEST(SelectSnapshot, TakesTheNewestAtOrBeforeATime) {
  EXPECT_EQ(minute_of(select("@2023-11-14T22:14:20Z")), 1);
  EXPECT_EQ(minute_of(select("@2023-11-14T22:14:19Z")), 0);
  EXPECT_EQ(minute_of(select("@now")), 3);
  EXPECT_EQ(code_of(select("@2001-01-01")), "not_found");
  EXPECT_EQ(code_of(select("@nonsense")), "invalid_argument");
}

TEST(SelectSnapshot, TakesACopyByTheIdOfItsOriginal) {
  std::vector<repo::StoredSnapshot> all = samples();
  all[2].snapshot.origin = "backstay:" + std::string(32, 'a') + "/" + std::string(64, 'b');
  const auto take = [&](std::string_view which) {
    return minute_of(select_snapshot(all, {}, which, {.seconds = 1'700'000'400, .nanos = 0}));
  };
  EXPECT_EQ(take("bbbbbbbb"), 2);
  EXPECT_EQ(take("aaaaaaaa"), -1);
  all[0].snapshot.origin = all[2].snapshot.origin;
  EXPECT_EQ(take("bbbbbbbb"), 2);
  all[0].snapshot.origin.back() = 'c';
  EXPECT_EQ(take("bbbbbbbb"), -1);
}

TEST(SelectSnapshot, TakesAnIdByItsStart) {
  EXPECT_EQ(minute_of(select("00000000")), 0);
  EXPECT_EQ(minute_of(select(samples()[2].id.hex())), 2);
  EXPECT_EQ(minute_of(select(samples()[3].id.hex())), 3);
  EXPECT_EQ(code_of(select("0000000")), "invalid_argument");   // short
  EXPECT_EQ(code_of(select("11111111")), "invalid_argument");  // two of them
  EXPECT_EQ(code_of(select("abcdefab")), "not_found");
  EXPECT_EQ(code_of(select("ABCDEFAB")), "invalid_argument");
  EXPECT_EQ(code_of(select("")), "invalid_argument");
  EXPECT_EQ(code_of(select(samples()[2].id.hex() + "0")), "invalid_argument");
}

TEST(SelectSnapshot, LooksOnlyAtWhatFitsTheFilter) {
  EXPECT_EQ(minute_of(select("latest", {.host = "two", .tags = {}, .paths = {}})), 2);
  EXPECT_EQ(minute_of(select("latest", {.host = {}, .tags = {"kept"}, .paths = {}})), 1);
  EXPECT_EQ(minute_of(select("latest", {.host = {}, .tags = {}, .paths = {"/home"}})), 3);
  EXPECT_EQ(code_of(select("latest", {.host = {}, .tags = {"kept", "x"}, .paths = {}})),
            "not_found");
  EXPECT_EQ(code_of(select("latest", {.host = {}, .tags = {}, .paths = {"/hom"}})), "not_found");
  EXPECT_EQ(minute_of(select("11111111", {.host = {}, .tags = {"kept"}, .paths = {}})), 1);
}

TEST(SnapshotArgument, EndsWhereAPathBegins) {
  const auto check = [](std::string_view text, const std::string& which, const std::string& path) {
    const SnapshotArgument argument = parse_snapshot_argument(text);
    EXPECT_EQ(argument.which, which) << text;
    EXPECT_EQ(argument.subpath, path) << text;
  };
  check("latest", "latest", "");
  check("latest:/etc", "latest", "/etc");
  check("latest:/etc//x/../y/", "latest", "/etc/y");
  check("latest:/", "latest", "/");
  check("@2026-11-21 10:30:/etc", "@2026-11-21 10:30", "/etc");
  check("@2026-11-21 10:30", "@2026-11-21 10:30", "");
  check("latest:/a:/b", "latest", "/a:/b");
}

}  // namespace
}  // namespace backstay::engine
