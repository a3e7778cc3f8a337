#include "backend/served/protocol.h"

#include <gtest/gtest.h>

#include "backend/served/address.h"

namespace backstay::backend::served {
namespace {

TEST(StoreProtocol, ReadsWhatItWrites) {
  for (const Timestamp time :
       {Timestamp{0, 0}, Timestamp{1763800000, 5}, Timestamp{-7, 999'999'999}}) {
    EXPECT_EQ(read_time(write_time(time)).value(), time);
  }
  const ObjectInfo info{.name = "data/3f/x", .size_bytes = 12, .modified = {17, 18}};
  std::string line = write_listed(info);
  line.pop_back();
  const ObjectInfo read = read_listed(line).value();
  EXPECT_EQ(read.name, info.name);
  EXPECT_EQ(read.size_bytes, info.size_bytes);
  EXPECT_EQ(read.modified, info.modified);
  const StoreState state{
      .can = {.conditional_create = true, .lists_at_once = true, .append_only = true},
      .quota_bytes = 5,
      .used_bytes = 3};
  const StoreState again = read_state(write_state(state)).value();
  EXPECT_TRUE(again.can.conditional_create && again.can.lists_at_once && again.can.append_only &&
              !again.can.object_lock);
  EXPECT_EQ(again.quota_bytes, 5U);
  EXPECT_EQ(again.used_bytes, 3U);
}

TEST(StoreProtocol, BringsFailuresOver) {
  const Error error = Error(ErrorCode::kNoSpace, "the quota is full").with_hint("Prune.");
  const Error read = read_error(507, "", write_error(error));
  EXPECT_EQ(read.code(), ErrorCode::kNoSpace);
  EXPECT_EQ(read.message(), "the quota is full");
  EXPECT_EQ(read.hint(), "Prune.");
  EXPECT_EQ(read_error(404, "not_found", "").code(), ErrorCode::kNotFound);
  EXPECT_EQ(read_error(404, "no_repository", "").code(), ErrorCode::kNoRepository);
  EXPECT_EQ(read_error(404, "", "").code(), ErrorCode::kUnavailable) << "nobody knows of whom";
  EXPECT_EQ(read_error(412, "", "<html>").code(), ErrorCode::kUnavailable);
  EXPECT_EQ(read_error(401, "", "<html>").code(), ErrorCode::kPermissionDenied);
  EXPECT_EQ(read_error(502, "", "{").code(), ErrorCode::kUnavailable);
  EXPECT_EQ(read_error(500, "", "").code(), ErrorCode::kUnavailable);
  EXPECT_EQ(read_error(302, "", "").code(), ErrorCode::kInvalidArgument);
}

TEST(StoreProtocol, RefusesWhatItDoesNotUnderstand) {
  for (const char* const text : {"", "1", "1.5", "1.0000000001", "x.000000000", "1.00000000x"}) {
    EXPECT_FALSE(read_time(text).has_value()) << text;
  }
  for (const char* const line :
       {"", "a", "a 1", "a 1 2", "../a 1 2.000000000", "a x 2.000000000"}) {
    EXPECT_FALSE(read_listed(line).has_value()) << line;
  }
  for (const char* const text : {"", "[]", "{\"append_only\":1}"}) {
    EXPECT_FALSE(read_state(text).has_value()) << text;
  }
}

TEST(StoreProtocol, KnowsWhichNamesAreDigests) {
  const std::string hex(64, '7');
  for (const std::string& name :
       {"data/77/" + hex, "meta/77/" + hex, "index/" + hex, "keys/" + hex, "snapshots/" + hex,
        "parity/77/" + hex, "holds/" + hex + "-0000000001-" + hex, "epochs/0000000002-" + hex}) {
    EXPECT_EQ(digest_in(name), hex) << name;
  }
  for (const std::string& name :
       {std::string("config"), "damaged/" + hex, "leases/" + hex, "data/77/" + hex + "0",
        std::string("epochs/0000000002"), std::string("parity/wish-0000000001"), "other/" + hex,
        "data/" + hex.substr(1) + "g"}) {
    EXPECT_EQ(digest_in(name), std::nullopt) << name;
  }
}

TEST(StoreProtocol, TakesOnlyNamesThatStayBelowTheFolder) {
  for (const char* const name : {"home", "a/b/c", "Web-1.example_com"}) {
    EXPECT_TRUE(validate_repository(name).has_value()) << name;
  }
  for (const char* const name : {"", "/", "/a", "a/", "a//b", ".", "..", "../a", "a/../b", ".a",
                                 "a/.b", "a b", "a\\b", "\xc3\xa4", "1/2/3/4/5/6/7/8/9"}) {
    EXPECT_FALSE(validate_repository(name).has_value()) << name;
  }
}

TEST(StoreAddress, IsReadFromItsUrl) {
  const Address address = parse_address("backstays://Store.Example/team/home/").value();
  EXPECT_EQ(address.base, "https://store.example:8480");
  EXPECT_EQ(address.host, "store.example");
  EXPECT_EQ(address.repository, "team/home");
  EXPECT_EQ(address.url, "backstays://store.example:8480/team/home");
  EXPECT_EQ(parse_address("backstay://[::1]:9/x")->base, "http://[::1]:9");
  EXPECT_EQ(parse_address("backstay://[::1]:9/x")->host, "::1");
  for (const char* const url : {"backstay://host", "backstay:///home", "backstay://u@host/home",
                                "backstay://host/home?token=x", "backstay://host/../x"}) {
    EXPECT_EQ(parse_address(url).error().code(), ErrorCode::kInvalidArgument) << url;
  }
}

}  // namespace
}  // namespace backstay::backend::served
