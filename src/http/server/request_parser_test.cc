#include "http/server/request_parser.h"

#include <gtest/gtest.h>

#include <string>

namespace backstay::http {
namespace {

struct Parsed {
  RequestHead head;
  std::string body;
  std::size_t left_over = 0;
};

// As a connection does it, `step` bytes at a time.
Result<Parsed> parse(std::string_view text, std::size_t step, std::size_t head_max = 4096) {
  RequestParser parser(head_max);
  Bytes buffer;
  Parsed parsed;
  for (;;) {
    const bool in_body = parser.has_head();
    if (in_body && parser.is_done()) break;
    std::size_t taken = 0;
    if (!in_body) {
      auto fed = parser.feed_head(buffer);
      if (!fed) return std::unexpected(std::move(fed).error());
      taken = *fed;
    } else {
      Bytes out(7);
      const auto fed = parser.feed_body(buffer, out);
      if (!fed) return std::unexpected(fed.error().clone());
      taken = fed->taken;
      parsed.body += as_text(ByteView(out).first(fed->given));
      EXPECT_TRUE(taken > 0 || fed->given == 0);
    }
    buffer.erase(buffer.begin(), buffer.begin() + static_cast<std::ptrdiff_t>(taken));
    if (taken > 0 || (!in_body && parser.has_head())) continue;
    if (text.empty()) return fail(ErrorCode::kUnavailable, "it ends early");
    const std::string_view piece = text.substr(0, step);
    append(buffer, as_bytes(piece));
    text.remove_prefix(piece.size());
  }
  parsed.head = parser.head();
  parsed.left_over = buffer.size() + text.size();
  return parsed;
}

constexpr std::string_view kPut =
    "PUT /a%2Fb/c?x=1&y=%20 HTTP/1.1\r\nHost: h\r\nX-Thing:  two words \r\n"
    "Content-Length: 20\r\n\r\n01234567890123456789GET";
constexpr std::string_view kChunked =
    "POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n"
    "5\r\n01234\r\nf;note=1\r\n567890123456789\r\n0\r\nTrailer: x\r\n\r\n";

TEST(RequestParser, ReadsARequestHoweverItsBytesArrive) {
  for (const std::size_t step : {1U, 2U, 3U, 17U, 1000U}) {
    const Parsed put = parse(kPut, step).value();
    EXPECT_EQ(put.head.method, "PUT");
    EXPECT_EQ(put.head.path, "/a%2Fb/c");
    EXPECT_EQ(put.head.parameter("x"), "1");
    EXPECT_EQ(put.head.parameter("y"), " ");
    EXPECT_EQ(put.head.parameter("z"), std::nullopt);
    EXPECT_EQ(put.head.header("x-thing"), "two words");
    EXPECT_EQ(put.head.length, 20U);
    EXPECT_TRUE(put.head.keep_alive);
    EXPECT_EQ(put.body, "01234567890123456789");
    EXPECT_EQ(put.left_over, 3U) << "the next request's";
    const Parsed chunked = parse(kChunked, step).value();
    EXPECT_EQ(chunked.head.length, std::nullopt);
    EXPECT_EQ(chunked.body, "01234567890123456789");
  }
}

TEST(RequestParser, ReadsABodyOfNoChunksHoweverItsBytesArrive) {
  constexpr std::string_view kEmpty =
      "POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\nGET";
  for (const std::size_t step : {1U, 2U, 3U, 17U, 1000U}) {
    const Parsed parsed = parse(kEmpty, step).value();
    EXPECT_EQ(parsed.body, "");
    EXPECT_EQ(parsed.left_over, 3U) << "the next request's";
  }
}

TEST(RequestParser, KnowsWhatFollowsTheHead) {
  EXPECT_EQ(parse("GET / HTTP/1.1\r\nHost: h\r\n\r\n", 100)->head.length, 0U);
  EXPECT_FALSE(parse("GET / HTTP/1.0\r\n\r\n", 100)->head.keep_alive);
  EXPECT_FALSE(parse("GET / HTTP/1.0\r\n\r\n", 100)->head.knows_chunks);
  EXPECT_FALSE(parse("GET / HTTP/1.1\r\nConnection: close\r\n\r\n", 100)->head.keep_alive);
  EXPECT_TRUE(parse("PUT / HTTP/1.1\r\nExpect: 100-Continue\r\nContent-Length: 0\r\n\r\n", 9)
                  ->head.expects_continue);
}

TEST(RequestParser, RefusesWhatIsNoRequest) {
  for (const std::string_view text : {
           "\r\n\r\n\r\n",
           "GET\r\n\r\n",
           "GET / HTTP/2.0\r\n\r\n",
           "GET http://elsewhere/ HTTP/1.1\r\n\r\n",
           "GET / HTTP/1.1\r\nno colon\r\n\r\n",
           "GET /?a=%zz HTTP/1.1\r\n\r\n",
           "PUT / HTTP/1.1\r\nContent-Length: -1\r\n\r\n",
           "PUT / HTTP/1.1\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n0",
           "PUT / HTTP/1.1\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
           "PUT / HTTP/1.1\r\nTransfer-Encoding: chunked\r\nContent-Length: 1\r\n\r\n0\r\n\r\n",
           "PUT / HTTP/1.1\r\nTransfer-Encoding: gzip\r\n\r\n",
           "PUT / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\nxyz\r\n",
       }) {
    const auto parsed = parse(text, 3);
    ASSERT_FALSE(parsed.has_value()) << text;
    EXPECT_EQ(parsed.error().code(), ErrorCode::kInvalidArgument) << text;
  }
}

TEST(RequestParser, RefusesAHeadThatDoesNotEnd) {
  const std::string text = "GET / HTTP/1.1\r\nX: " + std::string(10'000, 'x');
  for (const std::size_t step : {1U, 1000U}) {
    EXPECT_EQ(parse(text, step).error().code(), ErrorCode::kInvalidArgument);
  }
  std::string lines = "GET / HTTP/1.1\r\n";
  for (int i = 0; i < 2000; ++i) lines += "X: y\r\n";
  EXPECT_EQ(parse(lines, 50).error().code(), ErrorCode::kInvalidArgument);
}

}  // namespace
}  // namespace backstay::http
