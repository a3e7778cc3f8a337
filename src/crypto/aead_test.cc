#include "crypto/aead.h"

#include <gtest/gtest.h>
#include <sodium/crypto_aead_chacha20poly1305.h>

#include <algorithm>

#include "base/hex.h"
#include "base/rng.h"
#include "crypto/hash.h"

namespace backstay::crypto {
namespace {

struct AeadVector {
  Suite suite;
  const char* key;
  const char* nonce;
  const char* plain;
  const char* sealed;
};
constexpr const char* kZeroKey = "0000000000000000000000000000000000000000000000000000000000000000";
constexpr AeadVector kAeadVectors[] = {
    // McGrew and Viega, "The Galois/Counter Mode of Operation", test cases 13, 14 and 15.
    {Suite::kAes256Gcm, kZeroKey, "000000000000000000000000", "",
     "530f8afbc74536b9a963b4f1c4cb738b"},
    {Suite::kAes256Gcm, kZeroKey, "000000000000000000000000", "00000000000000000000000000000000",
     "cea7403d4d606b6e074ec5d3baf39d18d0d1c8a799996bf0265b98b5d48ab919"},
    {Suite::kAes256Gcm, "feffe9928665731c6d6a8f9467308308feffe9928665731c6d6a8f9467308308",
     "cafebabefacedbaddecaf888",
     "d9313225f88406e5a55909c5aff5269a86a7a9531534f7da2e4c303d8a318a72"
     "1c3c0c95956809532fcf0e2449a6b525b16aedf5aa0de657ba637b391aafd255",
     "522dc1f099567d07f47f37a32a84427d643a8cdcbfe5c0c97598a2bd2555d1aa"
     "8cb08e48590dbb3da7b08b1056828838c5f61e6393ba7a0abcc9f662898015ad"
     "b094dac5d93471bdec1a502270e3cc6c"},
    // Project Wycheproof, chacha20_poly1305_test.json, test 1.
    {Suite::kChaCha20Poly1305, "80ba3192c803ce965ea371d5ff073cf0f43b6a2ab576b208426e11409c09b9b0",
     "4da5bf8dfd5852c1ea12379d", "", "76acb342cf3166a5b63c0c0ea1383c8d"},
};

Secret secret_of(std::string_view hex) {
  return *Secret::from_bytes(*from_hex(hex));
}

Bytes sealed_with(Suite suite, const Secret& key, ByteView nonce, ByteView plain) {
  Bytes out(plain.size() + kTagSize);
  EXPECT_TRUE(Aead().seal(suite, key, nonce, plain, out).has_value());
  return out;
}

class AeadOfEverySuite : public testing::TestWithParam<Suite> {
 protected:
  Bytes random_bytes(std::size_t size) {
    Bytes bytes(size);
    rng_.fill(bytes);
    return bytes;
  }
  SeededRng rng_{11};
  Secret key_ = Secret::random(rng_);
  Bytes nonce_ = random_bytes(kNonceSize);
  Aead aead_;
};
INSTANTIATE_TEST_SUITE_P(Aead, AeadOfEverySuite,
                         testing::Values(Suite::kPlain, Suite::kAes256Gcm,
                                         Suite::kChaCha20Poly1305));

TEST(Aead, GivesThePublishedVectors) {
  for (const AeadVector& vector : kAeadVectors) {
    const Bytes sealed = sealed_with(vector.suite, secret_of(vector.key), *from_hex(vector.nonce),
                                     *from_hex(vector.plain));
    EXPECT_EQ(to_hex(sealed), vector.sealed);
  }
}

// RFC 8439 section 2.8.2 has associated data, which changes only the tag: its ciphertext fits.
TEST(Aead, GivesTheCiphertextOfRfc8439) {
  const std::string_view plain =
      "Ladies and Gentlemen of the class of '99: If I could offer you only one tip for the future, "
      "sunscreen would be it.";
  Bytes sealed =
      sealed_with(Suite::kChaCha20Poly1305,
                  secret_of("808182838485868788898a8b8c8d8e8f909192939495969798999a9b9c9d9e9f"),
                  *from_hex("070000004041424344454647"), as_bytes(plain));
  sealed.resize(plain.size());
  EXPECT_EQ(to_hex(sealed),
            "d31a8d34648e60db7b86afbc53ef7ec2a4aded51296e08fea9e2b5a736ee62d63dbea45e8ca9671282fafb"
            "69da92728b1a71de0a9e060b2905d6a5b67ecd3b3692ddbd7f2d778b8c9803aee328091b58fab324e4fad6"
            "75945585808b4831d7bc3ff4def08e4b7a9de576d26586cec64b6116");
}

TEST(Aead, AgreesWithLibsodiumOnChaCha20Poly1305) {
  SeededRng rng(4);
  for (const std::size_t size : {1U, 63U, 64U, 65U, 1000U, 70'000U}) {
    const Secret key = Secret::random(rng);
    Bytes nonce(kNonceSize);
    Bytes plain(size);
    rng.fill(nonce);
    rng.fill(plain);
    Bytes expected(size + kTagSize);
    crypto_aead_chacha20poly1305_ietf_encrypt(expected.data(), nullptr, plain.data(), plain.size(),
                                              nullptr, 0, nullptr, nonce.data(), key.view().data());
    EXPECT_EQ(sealed_with(Suite::kChaCha20Poly1305, key, nonce, plain), expected) << size;
  }
}

TEST(Aead, LeavesPlainSuiteReadableBeforeItsKeyedTag) {
  const Secret key = secret_of(kZeroKey);
  const Bytes nonce(kNonceSize, 9);
  const ByteView plain = as_bytes("in clear");
  Bytes expected = to_owned(plain);
  Bytes tagged = nonce;
  append(tagged, plain);
  append(expected, blake3_keyed(key, tagged).view().first(kTagSize));
  EXPECT_EQ(sealed_with(Suite::kPlain, key, nonce, plain), expected);
}

TEST_P(AeadOfEverySuite, OpensWhatItSealed) {
  for (const std::size_t size : {0U, 1U, 15U, 16U, 17U, 4096U, 1'000'003U}) {
    const Bytes plain = random_bytes(size);
    Bytes sealed(size + kTagSize);
    ASSERT_TRUE(aead_.seal(GetParam(), key_, nonce_, plain, sealed).has_value());
    Bytes opened(size);
    ASSERT_TRUE(aead_.open(GetParam(), key_, nonce_, sealed, opened).has_value());
    EXPECT_EQ(opened, plain) << size;
  }
}

TEST_P(AeadOfEverySuite, WorksInPlace) {
  const Bytes plain = random_bytes(5000);
  Bytes buffer = plain;
  buffer.resize(plain.size() + kTagSize);
  ASSERT_TRUE(
      aead_.seal(GetParam(), key_, nonce_, ByteView(buffer).first(5000), buffer).has_value());
  EXPECT_EQ(buffer, sealed_with(GetParam(), key_, nonce_, plain));
  ASSERT_TRUE(aead_.open(GetParam(), key_, nonce_, buffer, MutableByteView(buffer).first(5000))
                  .has_value());
  EXPECT_TRUE(std::equal(plain.begin(), plain.end(), buffer.begin()));
}

TEST_P(AeadOfEverySuite, FindsEveryFlippedBit) {
  const Bytes plain = random_bytes(40);
  const Bytes sealed = sealed_with(GetParam(), key_, nonce_, plain);
  for (std::size_t bit = 0; bit < sealed.size() * 8; ++bit) {
    Bytes damaged = sealed;
    damaged[bit / 8] = static_cast<std::uint8_t>(damaged[bit / 8] ^ 1U << bit % 8);
    Bytes opened(plain.size());
    const Result<void> result = aead_.open(GetParam(), key_, nonce_, damaged, opened);
    ASSERT_FALSE(result.has_value()) << bit;
    EXPECT_EQ(result.error().code(), ErrorCode::kCorruption);
    EXPECT_TRUE(all_zero(opened)) << "unauthenticated bytes came out";
  }
}

TEST_P(AeadOfEverySuite, FindsEveryTruncation) {
  const Bytes sealed = sealed_with(GetParam(), key_, nonce_, random_bytes(40));
  for (std::size_t size = 0; size < sealed.size(); ++size) {
    Bytes opened(size < kTagSize ? 0 : size - kTagSize);
    const Result<void> result =
        aead_.open(GetParam(), key_, nonce_, ByteView(sealed).first(size), opened);
    ASSERT_FALSE(result.has_value()) << size;
    EXPECT_EQ(result.error().code(), ErrorCode::kCorruption);
  }
}

TEST_P(AeadOfEverySuite, NeedsTheSameKeyAndNonce) {
  const Bytes sealed = sealed_with(GetParam(), key_, nonce_, random_bytes(40));
  Bytes opened(40);
  EXPECT_FALSE(aead_.open(GetParam(), Secret::random(rng_), nonce_, sealed, opened).has_value());
  EXPECT_FALSE(aead_.open(GetParam(), key_, random_bytes(kNonceSize), sealed, opened).has_value());
  EXPECT_TRUE(aead_.open(GetParam(), key_, nonce_, sealed, opened).has_value());
}

TEST(Suite, KeepsItsNamesAndNumbers) {
  const char* names[] = {"none", "aes-256-gcm", "chacha20-poly1305"};
  for (std::uint64_t number = 0; number < 3; ++number) {
    const Result<Suite> suite = suite_from_number(number);
    ASSERT_TRUE(suite.has_value());
    EXPECT_EQ(to_string(*suite), names[number]);
    EXPECT_EQ(*parse_suite(names[number]), *suite);
  }
  EXPECT_EQ(suite_from_number(3).error().code(), ErrorCode::kUnsupported);
  EXPECT_EQ(suite_from_number(~0ULL).error().code(), ErrorCode::kUnsupported);
  EXPECT_EQ(parse_suite("auto").error().code(), ErrorCode::kInvalidArgument);
}

TEST(Suite, FastestIsARealCipher) {
  EXPECT_NE(fastest_suite(), Suite::kPlain);
}

}  // namespace
}  // namespace backstay::crypto
