#include "crypto/hash.h"

#include <gtest/gtest.h>

#include <string>

#include "base/rng.h"

namespace backstay::crypto {
namespace {

// From BLAKE3's published test_vectors.json, cut to 32 bytes: input byte i is i mod 251.
struct Blake3Vector {
  std::size_t length;
  const char* plain;
  const char* keyed;
  const char* derived;
};
constexpr Blake3Vector kBlake3Vectors[] = {
    {0, "af1349b9f5f9a1a6a0404dea36dcc9499bcb25c9adc112b7cc9a93cae41f3262",
     "92b2b75604ed3c761f9d6f62392c8a9227ad0ea3f09573e783f1498a4ed60d26",
     "2cc39783c223154fea8dfb7c1b1660f2ac2dcbd1c1de8277b0b0dd39b7e50d7d"},
    {1, "2d3adedff11b61f14c886e35afa036736dcd87a74d27b5c1510225d0f592e213",
     "6d7878dfff2f485635d39013278ae14f1454b8c0a3a2d34bc1ab38228a80c95b",
     "b3e2e340a117a499c6cf2398a19ee0d29cca2bb7404c73063382693bf66cb06c"},
    {1024, "42214739f095a406f3fc83deb889744ac00df831c10daa55189b5d121c855af7",
     "75c46f6f3d9eb4f55ecaaee480db732e6c2105546f1e675003687c31719c7ba4",
     "7356cd7720d5b66b6d0697eb3177d9f8d73a4a5c5e968896eb6a689684302706"},
    {1025, "d00278ae47eb27b34faecf67b4fe263f82d5412916c1ffd97c8cb7fb814b8444",
     "357dc55de0c7e382c900fd6e320acc04146be01db6a8ce7210b7189bd664ea69",
     "effaa245f065fbf82ac186839a249707c3bddf6d3fdda22d1b95a3c970379bcb"},
    {8193, "bab6c09cb8ce8cf459261398d2e7aef35700bf488116ceb94a36d0f5f1b7bc3b",
     "954a2a75420c8d6547e3ba5b98d963e6fa6491addc8c023189cc519821b4a1f5",
     "af1e0346e389b17c23200270a64aa4e1ead98c61695d917de7d5b00491c9b0f1"},
    {102400, "bc3e3d41a1146b069abffad3c0d44860cf664390afce4d9661f7902e7943e085",
     "1c35d1a5811083fd7119f5d5d1ba027b4d01c0c6c49fb6ff2cf75393ea5db4a7",
     "4652cff7a3f385a6103b5c260fc1593e13c778dbe608efb092fe7ee69df6e9c6"},
};

Bytes vector_input(std::size_t length) {
  Bytes input(length);
  for (std::size_t i = 0; i < length; ++i) input[i] = static_cast<std::uint8_t>(i % 251);
  return input;
}

Secret vector_key() {
  return *Secret::from_bytes(as_bytes("whats the Elvish word for friend"));
}

TEST(Blake3, GivesThePublishedVectors) {
  for (const Blake3Vector& vector : kBlake3Vectors) {
    const Bytes input = vector_input(vector.length);
    EXPECT_EQ(blake3(input).hex(), vector.plain) << vector.length;
    EXPECT_EQ(blake3_keyed(vector_key(), input).hex(), vector.keyed) << vector.length;
    const Secret derived = derive_key("BLAKE3 2019-12-27 16:29:52 test vectors context", input);
    EXPECT_EQ(to_hex(derived.view()), vector.derived) << vector.length;
  }
}

TEST(Blake3, ExtendsKeyedOutputAsPublished) {
  Bytes out(100);
  blake3_keyed_xof(vector_key(), vector_input(1), out);
  EXPECT_EQ(to_hex(out),
            "6d7878dfff2f485635d39013278ae14f1454b8c0a3a2d34bc1ab38228a80c95b6568c0490609413006fbd4"
            "28eb3fd14e7756d90f73a4725fad147f7bf70fd61c4e0cf7074885e92b0e3f125978b4154986d4fb202a3f"
            "331a3fb6cf349a3a70e49990f98f");
}

TEST(Blake3Stream, WithAKeyEqualsTheKeyedHashOfTheWhole) {
  SeededRng rng(11);
  const Secret key = Secret::random(rng);
  Bytes input(5000);
  rng.fill(input);
  Blake3Stream stream(key);
  stream.update(ByteView(input).first(1777));
  stream.update(ByteView(input).subspan(1777));
  EXPECT_EQ(stream.finish(), blake3_keyed(key, input));
  stream.restart();
  stream.update(ByteView(input).first(10));
  EXPECT_EQ(stream.finish(), blake3_keyed(key, ByteView(input).first(10)));
}

TEST(Blake3Stream, EqualsTheHashOfTheWhole) {
  const Bytes input = vector_input(50'000);
  SeededRng rng(1);
  for (int trial = 0; trial < 20; ++trial) {
    Blake3Stream stream;
    for (ByteView rest = input; !rest.empty();) {
      const std::size_t piece = std::min<std::size_t>(rng.below(9000), rest.size());
      stream.update(rest.first(piece));
      rest = rest.subspan(piece);
    }
    EXPECT_EQ(stream.finish(), blake3(input));
    EXPECT_EQ(stream.finish(), blake3(input)) << "finishing twice gives another digest";
  }
}

}  // namespace
}  // namespace backstay::crypto
