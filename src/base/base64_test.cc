#include "base/base64.h"

#include <gtest/gtest.h>

namespace backstay {
namespace {

TEST(Base64, MatchesTheVectorsOfItsStandard) {
  EXPECT_EQ(to_base64({}), "");
  EXPECT_EQ(to_base64(as_bytes("f")), "Zg==");
  EXPECT_EQ(to_base64(as_bytes("fo")), "Zm8=");
  EXPECT_EQ(to_base64(as_bytes("foobar")), "Zm9vYmFy");
  EXPECT_EQ(to_base64(Bytes{0xfb, 0xff, 0xfe}), "+//+");
}

}  // namespace
}  // namespace backstay
