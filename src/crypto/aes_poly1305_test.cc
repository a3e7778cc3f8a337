#include "crypto/aes_poly1305.h"

#include <gtest/gtest.h>

#include "base/hex.h"
#include "crypto/scrypt.h"
#include "crypto/sha256.h"

namespace backstay::crypto {
namespace {

Bytes hex(std::string_view text) {
  return *from_hex(text);
}

// Of Bernstein's paper, appendix B: r, k, the nonce and the tags of messages. The key of the cipher
// plays no part in a tag, so that an empty plaintext shows it.
TEST(AesPoly1305, GivesTheTagOfThePaper) {
  Bytes key(32);
  append(key, hex("75deaa25c09f208e1dc4ce6b5cad3fbf"));  // k
  append(key, hex("a0f3080000f46400d0c7e9076c834403"));  // r
  const auto seal = AesPoly1305::from_key(key);
  ASSERT_TRUE(seal);
  Bytes sealed(AesPoly1305::kOverhead);
  ASSERT_TRUE(seal->seal(hex("61ee09218d29b0aaed7e154a2c5509cc"), {}, sealed));
  EXPECT_EQ(to_hex(ByteView(sealed).last(16)), "dd3fab2251f11ac759f0887129cc2ee7");
}

TEST(AesPoly1305, OpensWhatItSealedAndNothingThatWasChanged) {
  const auto seal = AesPoly1305::from_key(Bytes(AesPoly1305::kKeySize, 7));
  const Bytes plain = to_owned(as_bytes("some plaintext that is longer than a block"));
  Bytes sealed(plain.size() + AesPoly1305::kOverhead);
  ASSERT_TRUE(seal->seal(Bytes(16, 3), plain, sealed));
  Bytes out(plain.size());
  ASSERT_TRUE(seal->open(sealed, out));
  EXPECT_EQ(out, plain);
  for (std::size_t i = 0; i < sealed.size(); ++i) {
    Bytes changed = sealed;
    changed[i] ^= 1;
    const auto opened = seal->open(changed, out);
    ASSERT_FALSE(opened) << i;
    EXPECT_EQ(opened.error().code(), ErrorCode::kCorruption);
  }
  for (std::size_t length = 0; length < AesPoly1305::kOverhead; ++length)
    EXPECT_FALSE(seal->open(ByteView(sealed).first(length), {})) << length;
}

// RFC 7914, section 12.
TEST(Scrypt, GivesTheKeyOfTheRfc) {
  Bytes out(64);
  ASSERT_TRUE(scrypt(as_bytes("password"), as_bytes("NaCl"), {.n = 1024, .r = 8, .p = 16}, out));
  EXPECT_EQ(
      to_hex(out),
      "fdbabe1c9d3472007856e7190d01e9fe7c6ad7cbc8237830e77376634b3731622eaf30d92e22a3886ff109279d"
      "9830dac727afb94a83ee6d8360cbdfa2cc0640");
}

TEST(Scrypt, RefusesParametersOutOfBounds) {
  Bytes out(64);
  const ScryptParameters bad[] = {{0, 8, 1},          {3, 8, 1},       {1, 8, 1},
                                  {1024, 0, 1},       {1024, 8, 0},    {1024, 8, 65},
                                  {1ULL << 40, 8, 1}, {1 << 21, 8, 1}, {2, UINT32_MAX, 1}};
  for (const ScryptParameters& one : bad) {
    const auto made = scrypt(as_bytes("p"), as_bytes("s"), one, out);
    ASSERT_FALSE(made);
    EXPECT_EQ(made.error().code(), ErrorCode::kCorruption);
  }
}

TEST(Sha256, GivesTheDigestOfTheStandard) {
  EXPECT_EQ(to_hex(sha256(as_bytes("abc"))),
            "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
}

}  // namespace
}  // namespace backstay::crypto
