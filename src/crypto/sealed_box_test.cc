#include "crypto/sealed_box.h"

#include <gtest/gtest.h>

#include <numeric>

#include "base/hex.h"

namespace backstay::crypto {
namespace {

Secret counting_up_from(std::uint8_t first) {
  Secret secret;
  std::iota(secret.mutable_view().begin(), secret.mutable_view().end(), first);
  return secret;
}

// Gives the same 32 bytes as the ephemeral key of the vector below.
class FixedRng final : public Rng {
 public:
  void fill(MutableByteView out) override { std::iota(out.begin(), out.end(), std::uint8_t{64}); }
};

TEST(SealedBox, IsWhatAnotherImplementationMakes) {
  // Made with Python's cryptography and tools/reader/blake3.py.
  const Secret recipient = counting_up_from(0);
  EXPECT_EQ(public_key_of(recipient).hex(),
            "8f40c5adb68f25624ae5b214ea767a6ec94d829d3d7b5e1ad1ba6f3e2138285f");
  FixedRng rng;
  const auto box = seal_box(public_key_of(recipient), as_bytes("a secret"), rng);
  ASSERT_TRUE(box);
  EXPECT_EQ(to_hex(*box),
            "79a631eede1bf9c98f12032cdeadd0e7a079398fc786b88cc846ec89af85a51aa7f6ec200834db879619bf"
            "1c8f940656b71af0220b4c2972");
}

TEST(SealedBox, OpensWithThePrivateKeyAlone) {
  SeededRng rng(1);
  const Secret one = Secret::random(rng);
  const Secret other = Secret::random(rng);
  for (const std::size_t size : {0U, 1U, 32U, 5000U}) {
    const Bytes plain(size, 'x');
    const auto box = seal_box(public_key_of(one), plain, rng);
    ASSERT_TRUE(box);
    EXPECT_EQ(box->size(), size + kBoxOverhead);
    const auto opened = open_box(one, *box);
    ASSERT_TRUE(opened);
    EXPECT_EQ(*opened, plain);
    const auto refused = open_box(other, *box);
    ASSERT_FALSE(refused);
    EXPECT_EQ(refused.error().code(), ErrorCode::kCorruption);
  }
}

TEST(SealedBox, OfTheSameBytesIsNeverTheSame) {
  SeededRng rng(1);
  const PublicKey to = public_key_of(Secret::random(rng));
  EXPECT_NE(*seal_box(to, as_bytes("x"), rng), *seal_box(to, as_bytes("x"), rng));
}

TEST(SealedBox, ChangedOrCutShortAnywhereIsCorruption) {
  SeededRng rng(1);
  const Secret key = Secret::random(rng);
  const auto box = seal_box(public_key_of(key), as_bytes("some bytes"), rng);
  ASSERT_TRUE(box);
  for (std::size_t at = 0; at < box->size(); ++at) {
    Bytes changed = *box;
    changed[at] ^= 4;
    const auto opened = open_box(key, changed);
    ASSERT_FALSE(opened) << "byte " << at;
    EXPECT_EQ(opened.error().code(), ErrorCode::kCorruption);
    const auto cut = open_box(key, ByteView(*box).first(at));
    ASSERT_FALSE(cut) << at << " bytes";
    EXPECT_EQ(cut.error().code(), ErrorCode::kCorruption);
  }
}

TEST(SealedBox, IsNotMadeForAPointWhoseSecretEverybodyKnows) {
  SeededRng rng(1);
  const auto box = seal_box(PublicKey{}, as_bytes("x"), rng);
  ASSERT_FALSE(box);
  EXPECT_EQ(box.error().code(), ErrorCode::kInvalidArgument);
  const auto opened = open_box(Secret::random(rng), Bytes(60));
  ASSERT_FALSE(opened);
  EXPECT_EQ(opened.error().code(), ErrorCode::kCorruption);
}

}  // namespace
}  // namespace backstay::crypto
