#include "json/json.h"

#include <gtest/gtest.h>

#include "base/base64.h"
#include "base/rng.h"
#include "json/utf8.h"

namespace backstay::json {
namespace {

TEST(Json, KeepsTheOrderOfFieldsOnOneLine) {
  Json object;
  object["type"] = "summary";
  object["b"] = 1;
  object["a"] = nullptr;
  EXPECT_EQ(to_line(object), R"({"type":"summary","b":1,"a":null})");
}

TEST(Json, EscapesLineEndsSoThatALineStaysALine) {
  Json object;
  put_text(object, "path", "/a\nb\x1b[31m");
  EXPECT_EQ(to_line(object), R"({"path":"/a\nb\u001b[31m"})");
}

TEST(Json, AddsExactBytesOnlyWhereTextIsNotUtf8) {
  Json object;
  put_text(object, "path", "/caf\xC3\xA9");
  put_text(object, "target", "/caf\xE9/x");
  EXPECT_EQ(to_line(object),
            "{\"path\":\"/caf\xC3\xA9\",\"target\":\"/caf\xEF\xBF\xBD/x\",\"target_bytes\":"
            "\"L2NhZukveA==\"}");
}

TEST(Json, GivesBytesOfAWholeListWhenOneTextIsNotUtf8) {
  Json object;
  put_texts(object, "paths", {"/a", "/\xFF"});
  EXPECT_EQ(to_line(object),
            "{\"paths\":[\"/a\",\"/\xEF\xBF\xBD\"],\"paths_bytes\":[\"L2E=\",\"L/8=\"]}");
  Json plain;
  put_texts(plain, "paths", {});
  EXPECT_EQ(to_line(plain), R"({"paths":[]})");
}

TEST(Utf8, RefusesOverlongFormsSurrogatesAndWhatIsBeyondUnicode) {
  for (const std::string_view text :
       {"\xC0\xAF", "\xE0\x80\xAF", "\xED\xA0\x80", "\xF4\x90\x80\x80", "\xF8\x88\x80\x80\x80",
        "\x80", "\xE2\x82", "a\xC3"}) {
    EXPECT_FALSE(is_utf8(text)) << to_base64(as_bytes(text));
  }
  for (const std::string_view text : {"", "a", "\xC2\x80", "\xED\x9F\xBF", "\xEE\x80\x80",
                                      "\xF0\x90\x80\x80", "\xF4\x8F\xBF\xBF"}) {
    EXPECT_TRUE(is_utf8(text)) << to_base64(as_bytes(text));
  }
}

TEST(Utf8, DecodesCodePoints) {
  EXPECT_EQ(first_character("\xE2\x82\xAC!").code, U'\u20AC');
  EXPECT_EQ(first_character("\xF0\x9F\x98\x80").code, U'\U0001F600');
}

TEST(Utf8, LossyTextOfAnyBytesIsUtf8AndWhatTheJsonWriterMakesOfThem) {
  SeededRng rng(7);
  for (int round = 0; round < 2000; ++round) {
    Bytes raw(rng.below(12));
    rng.fill(raw);
    for (std::uint8_t& byte : raw) {
      if (rng.below(2) == 0)
        byte = static_cast<std::uint8_t>("\xE2\x82\xAC\xF0\x9F\xED\xC3"[byte % 7]);
    }
    const std::string text(as_text(raw));
    const std::string lossy = lossy_utf8(text);
    EXPECT_TRUE(is_utf8(lossy));
    EXPECT_EQ(lossy == text, is_utf8(text));
    EXPECT_NO_THROW(static_cast<void>(Json(lossy).dump()));
  }
}

}  // namespace
}  // namespace backstay::json
