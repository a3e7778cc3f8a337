#include "json/reader.h"

#include <gtest/gtest.h>

#include <vector>

namespace backstay::json {
namespace {

TEST(JsonReader, ReadsObjectsArraysAndScalars) {
  Reader reader(
      R"( {"a" : 1, "b":[true ,null, "x\n\u00e9\ud83d\ude00"], "c":{}, "d":[], "e":-5} )");
  ASSERT_TRUE(reader.enter_object());
  EXPECT_EQ(*reader.next_key(), "a");
  EXPECT_EQ(*reader.number(), 1U);
  EXPECT_EQ(*reader.next_key(), "b");
  ASSERT_TRUE(reader.enter_array());
  EXPECT_TRUE(*reader.next_element());
  EXPECT_TRUE(*reader.boolean());
  EXPECT_TRUE(*reader.next_element());
  EXPECT_TRUE(reader.take_null());
  EXPECT_TRUE(*reader.next_element());
  EXPECT_EQ(*reader.string(), "x\n\xC3\xA9\xF0\x9F\x98\x80");
  EXPECT_FALSE(*reader.next_element());
  EXPECT_EQ(*reader.next_key(), "c");
  EXPECT_EQ(*reader.raw(), "{}");
  EXPECT_EQ(*reader.next_key(), "d");
  ASSERT_TRUE(reader.enter_array());
  EXPECT_FALSE(*reader.next_element());
  EXPECT_EQ(*reader.next_key(), "e");
  EXPECT_EQ(*reader.signed_number(), -5);
  EXPECT_FALSE(reader.next_key()->has_value());
  EXPECT_TRUE(reader.finish());
}

TEST(JsonReader, GivesTheReplacementForHalfAPair) {
  EXPECT_EQ(*Reader(R"("\ud800x")").string(), "\xEF\xBF\xBDx");
  EXPECT_EQ(*Reader(R"("\ud800\u0041")").string(),
            "\xEF\xBF\xBD"
            "A");
}

TEST(JsonReader, SkipsWhatNobodyWants) {
  Reader reader(R"([{"a":[1,2,{"b":"]}\""}]}, 1.5e7, "z"])");
  ASSERT_TRUE(reader.enter_array());
  ASSERT_TRUE(*reader.next_element());
  EXPECT_TRUE(reader.skip());
  ASSERT_TRUE(*reader.next_element());
  EXPECT_TRUE(reader.skip());
  ASSERT_TRUE(*reader.next_element());
  EXPECT_EQ(*reader.string(), "z");
  EXPECT_FALSE(*reader.next_element());
}

TEST(JsonReader, FindsEveryTextThatIsCutShort) {
  const std::string whole = R"({"a":[1,"b\u0041",{"c":null}]})";
  for (std::size_t length = 0; length < whole.size(); ++length) {
    Reader reader(std::string_view(whole).substr(0, length));
    const auto skipped = reader.skip();
    ASSERT_FALSE(skipped) << length;
    EXPECT_EQ(skipped.error().code(), ErrorCode::kCorruption);
  }
  EXPECT_TRUE(Reader(whole).skip());
}

TEST(JsonReader, RefusesWhatIsNoWholeNumber) {
  for (const char* text : {"1.5", "1e3", "-1", "x", "", "18446744073709551616", "1x"})
    EXPECT_FALSE(Reader(text).number()) << text;
  EXPECT_EQ(*Reader("18446744073709551615").number(), UINT64_MAX);
}

TEST(JsonReader, RefusesDepthsThatNobodyWrites) {
  EXPECT_FALSE(Reader(std::string(100000, '[')).skip());
}

TEST(ObjectSplitter, CutsPiecesOfAnySize) {
  const std::string text = R"(  {"a":"}]\"{"}, {"b":[1,{"c":2}]},{} ] tail)";
  for (std::size_t step = 1; step <= text.size(); ++step) {
    ObjectSplitter splitter(100);
    std::vector<std::string> found;
    std::string rest = text;
    while (!rest.empty() && !splitter.at_end()) {
      std::string_view piece = std::string_view(rest).substr(0, step);
      const std::size_t given = piece.size();
      const auto whole = splitter.feed(piece);
      ASSERT_TRUE(whole);
      if (*whole) found.emplace_back(splitter.object());
      rest.erase(0, given - piece.size());
    }
    EXPECT_EQ(found, (std::vector<std::string>{R"({"a":"}]\"{"})", R"({"b":[1,{"c":2}]})", "{}"}));
    EXPECT_EQ(rest, " tail");
  }
}

TEST(ObjectSplitter, RefusesObjectsThatAreTooLongAndWhatIsNone) {
  std::string_view text = R"({"a":1234567890})";
  EXPECT_FALSE(ObjectSplitter(10).feed(text));
  text = "1";
  EXPECT_FALSE(ObjectSplitter(10).feed(text));
}

}  // namespace
}  // namespace backstay::json
