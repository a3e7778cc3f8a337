#include "crypto/signature.h"

#include <gtest/gtest.h>

#include "base/hex.h"
#include "base/rng.h"

namespace backstay::crypto {
namespace {

TEST(Signature, IsThatOfRfc8032) {
  const Secret seed =
      Secret::from_bytes(
          *from_hex("4ccd089b28ff96da9db6c346ec114e0f5b8a319f35aba624da8cf6ed4fb8a6fb"))
          .value();
  EXPECT_EQ(verifying_key_of(seed).hex(),
            "3d4017c3e843895a92b70aa74d1b7ebc9c982ccf2ec4968cc0cd55f12af4660c");
  const Bytes message{0x72};
  const Signature signature = sign(seed, message);
  EXPECT_EQ(to_hex(signature),
            "92a009a9f0d4cab8720e820b5f642540a2b27b5416503f8fb3762223ebdb69da085ac1e43e15996e458f36"
            "13d0f11d8c387b2eaeb4302aeeb00d291612bb0c00");
  EXPECT_TRUE(is_signed_by(verifying_key_of(seed), message, signature));
}

TEST(Signature, OfAnotherKeyOrMessageOrChangedDoesNotHold) {
  SeededRng rng(2);
  const Secret seed = Secret::random(rng);
  const VerifyingKey key = verifying_key_of(seed);
  const Bytes message(100, 'm');
  const Signature signature = sign(seed, message);
  EXPECT_FALSE(is_signed_by(verifying_key_of(Secret::random(rng)), message, signature));
  EXPECT_FALSE(is_signed_by(key, ByteView(message).first(99), signature));
  EXPECT_FALSE(is_signed_by(key, message, ByteView(signature).first(63)));
  EXPECT_FALSE(is_signed_by(key, message, {}));
  for (std::size_t at = 0; at < signature.size(); ++at) {
    Signature changed = signature;
    changed[at] ^= 1;
    EXPECT_FALSE(is_signed_by(key, message, changed)) << "byte " << at;
  }
}

}  // namespace
}  // namespace backstay::crypto
