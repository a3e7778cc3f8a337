#include "http/date.h"

#include <gtest/gtest.h>

namespace backstay::http {
namespace {

TEST(HttpDate, IsReadAsTheStandardWritesIt) {
  EXPECT_EQ(parse_http_date("Sun, 06 Nov 1994 08:49:37 GMT").value(), (Timestamp{784111777, 0}));
  EXPECT_EQ(parse_http_date("Thu, 29 Feb 2024 00:00:00 GMT").value(), (Timestamp{1709164800, 0}));
}

TEST(HttpDate, IsRefusedInOtherForms) {
  for (const char* const text :
       {"", "Sunday, 06-Nov-94 08:49:37 GMT", "Sun, 06 Nov 1994 08:49:37 UTC",
        "Thu, 30 Feb 2024 00:00:00 GMT", "Sun, 06 Nix 1994 08:49:37 GMT",
        "Sun, 06 Nov 1994 24:49:37 GMT", "Sun, 06 Nov 1994 08:49:37 GMT ",
        "Sun, -6 Nov 1994 08:49:37 GMT"}) {
    EXPECT_EQ(parse_http_date(text).error().code(), ErrorCode::kCorruption) << text;
  }
}

TEST(HttpDate, IsWrittenAsItIsRead) {
  EXPECT_EQ(format_http_date({784111777, 5}), "Sun, 06 Nov 1994 08:49:37 GMT");
  for (const std::int64_t seconds : {0LL, 951782400LL, 1709164799LL, 4102444800LL}) {
    EXPECT_EQ(parse_http_date(format_http_date({seconds, 0})).value(), (Timestamp{seconds, 0}));
  }
}

}  // namespace
}  // namespace backstay::http
