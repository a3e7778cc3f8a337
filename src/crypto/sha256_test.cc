#include "crypto/sha256.h"

#include <gtest/gtest.h>

#include "base/hex.h"
#include "crypto/md5.h"

namespace backstay::crypto {
namespace {

TEST(Sha256, MatchesTheVectorsOfItsStandard) {
  EXPECT_EQ(to_hex(sha256({})), "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
  EXPECT_EQ(to_hex(sha256(as_bytes("abc"))),
            "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
}

TEST(Sha256, GivesTheSameForInputInPieces) {
  Sha256Stream stream;
  for (const char* const piece : {"a", "", "bc"}) stream.update(as_bytes(piece));
  EXPECT_EQ(stream.finish(), sha256(as_bytes("abc")));
}

// RFC 4231, test cases 2 and 6.
TEST(Hmac, MatchesPublishedVectors) {
  EXPECT_EQ(to_hex(hmac_sha256(as_bytes("Jefe"), as_bytes("what do ya want for nothing?"))),
            "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843");
  const Bytes key(131, 0xaa);
  EXPECT_EQ(to_hex(hmac_sha256(
                key, as_bytes("Test Using Larger Than Block-Size Key - Hash Key First"))),
            "60e431591ee0b67f0d8a26aacbf5b77f8e0bc6213728c5140546040f0ee37f54");
}

TEST(Md5, MatchesTheVectorsOfItsStandard) {
  EXPECT_EQ(to_hex(md5({})), "d41d8cd98f00b204e9800998ecf8427e");
  EXPECT_EQ(to_hex(md5(as_bytes("message digest"))), "f96b697d7cb7938d525a2f31aaf161d0");
}

}  // namespace
}  // namespace backstay::crypto
