#include "crypto/kdf.h"

#include <gtest/gtest.h>
#include <sys/resource.h>

#include <cstdio>
#include <cstdlib>

#include "base/hex.h"

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define BACKSTAY_TEST_SANITIZED 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer)
#define BACKSTAY_TEST_SANITIZED 1
#endif
#endif

namespace backstay::crypto {
namespace {

constexpr std::string_view kSalt = "somesaltsomesalt";

std::string argon2_hex(std::string_view passphrase, std::uint32_t memory_kib,
                       std::uint32_t passes) {
  const Result<Secret> key =
      argon2id(as_bytes(passphrase), as_bytes(kSalt), {.memory_kib = memory_kib, .passes = passes});
  return key ? to_hex(key->view()) : key.error().describe();
}

// Computed with the reference implementation (libargon2 20171227, argon2id_hash_raw, one lane).
TEST(Argon2id, AgreesWithTheReferenceImplementation) {
  EXPECT_EQ(argon2_hex("password", 64, 2),
            "1a98fba8e6394425c9bdc333a9c750aaf811df070f5fb4a5788e1cf4db5793a1");
  EXPECT_EQ(argon2_hex("", 8, 1),
            "39af95f616f16373dccc34c41b3d252f29024b24d3d6010c7a88be5ba3217e48");
  EXPECT_EQ(argon2_hex(std::string_view("p\0q\xff", 4), 1024, 3),
            "9d2c4a8447df7e33cec593d9067cb60432d31c34a728a050d226cf7be613c692");
}

TEST(Argon2id, RefusesParametersOutsideTheFormatsLimits) {
  const Argon2Parameters refused[] = {{7, 1}, {0, 1}, {(4U << 20) + 1, 1}, {8, 0}, {8, 65}};
  for (const Argon2Parameters& parameters : refused) {
    const Result<Secret> key = argon2id(as_bytes("x"), as_bytes(kSalt), parameters);
    ASSERT_FALSE(key.has_value()) << parameters.memory_kib << " KiB, " << parameters.passes;
    EXPECT_EQ(key.error().code(), ErrorCode::kCorruption);
  }
  EXPECT_TRUE(argon2id(as_bytes("x"), as_bytes(kSalt), {8, 64}).has_value());
}

TEST(Argon2id, RefusesASaltOfAnotherLength) {
  for (const std::string_view salt : {"", "fifteen bytes..", "seventeen bytes.."}) {
    const Result<Secret> key = argon2id(as_bytes("x"), as_bytes(salt), {8, 1});
    ASSERT_FALSE(key.has_value()) << salt;
    EXPECT_EQ(key.error().code(), ErrorCode::kCorruption);
  }
}

#ifndef BACKSTAY_TEST_SANITIZED
TEST(Argon2id, SaysThatTheMemoryCannotBeHad) {
  const auto starve = [] {
    const rlimit limit{1U << 30, 1U << 30};
    setrlimit(RLIMIT_AS, &limit);
    const Result<Secret> key = argon2id(as_bytes("x"), as_bytes(kSalt), {2U << 20, 1});
    std::exit(!key && key.error().code() == ErrorCode::kNoSpace && !key.error().hint().empty() ? 0
                                                                                               : 1);
  };
  EXPECT_EXIT(starve(), testing::ExitedWithCode(0), "");
}
#endif

}  // namespace
}  // namespace backstay::crypto
