#include "base/base64.h"

#include <gtest/gtest.h>

#include <utility>

namespace backstay {
namespace {

TEST(Base64, MatchesTheVectorsOfItsStandard) {
  EXPECT_EQ(to_base64({}), "");
  EXPECT_EQ(to_base64(as_bytes("f")), "Zg==");
  EXPECT_EQ(to_base64(as_bytes("fo")), "Zm8=");
  EXPECT_EQ(to_base64(as_bytes("foobar")), "Zm9vYmFy");
  EXPECT_EQ(to_base64(Bytes{0xfb, 0xff, 0xfe}), "+//+");
}

// RFC 4648, section 10.
TEST(Base64, DecodesTheExamplesOfItsStandard) {
  const std::pair<const char*, const char*> examples[] = {{"", ""},
                                                          {"Zg==", "f"},
                                                          {"Zm8=", "fo"},
                                                          {"Zm9v", "foo"},
                                                          {"Zm9vYg==", "foob"},
                                                          {"Zm9vYmE=", "fooba"},
                                                          {"Zm9vYmFy", "foobar"},
                                                          {"//79", "\xff\xfe\xfd"}};
  for (const auto& [encoded, plain] : examples) {
    const auto decoded = from_base64(encoded);
    ASSERT_TRUE(decoded) << encoded;
    EXPECT_EQ(as_text(*decoded), plain);
  }
}

TEST(Base64, DecodesNothingElse) {
  for (const char* text : {"Zg", "Zg=", "Z", "Zg=a", "====", "Zm9v Zg==", "Zh==", "Zm9=", "Z-8="}) {
    const auto decoded = from_base64(text);
    ASSERT_FALSE(decoded) << text;
    EXPECT_EQ(decoded.error().code(), ErrorCode::kCorruption);
  }
}

}  // namespace
}  // namespace backstay
