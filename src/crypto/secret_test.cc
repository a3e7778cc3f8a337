#include "crypto/secret.h"

#include <gtest/gtest.h>

#include "crypto/random.h"

namespace backstay::crypto {
namespace {

TEST(Secret, TakesExactly32Bytes) {
  const Bytes bytes(33, 7);
  EXPECT_TRUE(Secret::from_bytes(ByteView(bytes).first(32)).has_value());
  for (const std::size_t size : {0U, 31U, 33U}) {
    const Result<Secret> refused = Secret::from_bytes(ByteView(bytes).first(size));
    ASSERT_FALSE(refused.has_value()) << size;
    EXPECT_EQ(refused.error().code(), ErrorCode::kInvalidArgument);
  }
}

TEST(Secret, IsFilledByTheGivenRandomness) {
  SeededRng rng(5);
  SeededRng same(5);
  Bytes expected(32);
  same.fill(expected);
  EXPECT_EQ(to_owned(Secret::random(rng).view()), expected);
}

TEST(Wipe, LeavesZeros) {
  Bytes bytes(100, 0xff);
  wipe(bytes);
  EXPECT_TRUE(all_zero(bytes));
  wipe({});
}

TEST(SystemRng, FillsAllBytesWithSomethingNew) {
  SystemRng rng;
  Bytes first(10'000);
  Bytes second(10'000);
  rng.fill(first);
  rng.fill(second);
  EXPECT_NE(first, second);
  // 64 zero bytes in a row by chance: less than one in 2^490.
  EXPECT_FALSE(all_zero(ByteView(first).last(64)));
  rng.fill({});
}

}  // namespace
}  // namespace backstay::crypto
