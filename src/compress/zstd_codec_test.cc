#include "compress/zstd_codec.h"

#include <gtest/gtest.h>
#include <zstd.h>

#include <algorithm>
#include <string>

#include "base/rng.h"

namespace backstay::compress {
namespace {

Bytes random_bytes(std::size_t size, std::uint64_t seed) {
  Bytes bytes(size);
  SeededRng(seed).fill(bytes);
  return bytes;
}

// Words of a small vocabulary: matches for every level, not so many that nothing is left.
Bytes text_like(std::size_t size, std::uint64_t seed) {
  SeededRng rng(seed);
  const char* const words[] = {"backup ", "repository ", "chunk ", "and ", "pack\n", "snapshot "};
  Bytes bytes;
  while (bytes.size() < size) append(bytes, as_bytes(words[rng.below(std::size(words))]));
  bytes.resize(size);
  return bytes;
}

Bytes packed_of(ByteView raw, int level = 1) {
  Bytes packed;
  const Result<std::size_t> size = ZstdCodec().compress(raw, level, packed);
  EXPECT_TRUE(size.has_value() && *size == packed.size() && *size > 0);
  return packed;
}

// A frame as libzstd makes it with other settings than ours.
Bytes foreign_frame(ByteView raw, ZSTD_cParameter parameter, int value) {
  Bytes packed(ZSTD_compressBound(raw.size()));
  ZSTD_CCtx* context = ZSTD_createCCtx();
  ZSTD_CCtx_setParameter(context, parameter, value);
  packed.resize(ZSTD_compress2(context, packed.data(), packed.size(), raw.data(), raw.size()));
  ZSTD_freeCCtx(context);
  return packed;
}

void expect_corruption(ByteView packed, std::size_t size, const std::string& what) {
  Bytes out(size);
  const Result<void> result = ZstdCodec().decompress(packed, out);
  ASSERT_FALSE(result.has_value()) << what;
  EXPECT_EQ(result.error().code(), ErrorCode::kCorruption) << what;
}

TEST(ZstdCodec, GivesBackWhatItPackedAtEveryLevel) {
  ZstdCodec codec;
  const Bytes raw = text_like(50'000, 1);
  for (int level = kLevelMin; level <= kLevelMax; ++level) {
    Bytes packed;
    ASSERT_GT(codec.compress(raw, level, packed).value(), 0U) << level;
    Bytes back(raw.size());
    ASSERT_TRUE(codec.decompress(packed, back).has_value()) << level;
    EXPECT_EQ(back, raw) << level;
  }
}

TEST(ZstdCodec, PacksTheNextFrameAfterOneThatItGaveUp) {
  ZstdCodec codec;
  const Bytes raw = text_like(50'000, 1);
  for (const int level : {kLevelAutomatic, 3, kLevelAutomatic}) {
    EXPECT_TRUE(codec.compress(random_bytes(300'000, 3), level).value().empty());
    Bytes back(raw.size());
    ASSERT_TRUE(codec.decompress(codec.compress(raw, level).value(), back).has_value());
    EXPECT_EQ(back, raw);
  }
}

TEST(ZstdCodec, SeesTheWholeFrameWhenItChoosesTheLevel) {
  Bytes raw = random_bytes(700'000, 1);
  append(raw, random_bytes(700'000, 1));
  ZstdCodec codec;
  EXPECT_TRUE(codec.compress(raw, 1).value().empty());
  EXPECT_LT(codec.compress(raw, kLevelAutomatic).value().size(), 800'000U);
}

TEST(ZstdCodec, GivesBackEverySize) {
  ZstdCodec codec;
  for (const std::size_t size : {100U, 200U, 1000U, 65'536U, 131'073U, 1'000'003U, 16'777'216U}) {
    const Bytes raw = text_like(size, size);
    Bytes packed;
    ASSERT_GT(codec.compress(raw, 1, packed).value(), 0U) << size;
    Bytes back(size);
    ASSERT_TRUE(codec.decompress(packed, back).has_value()) << size;
    EXPECT_EQ(back, raw) << size;
  }
}

TEST(ZstdCodec, AppendsToWhatIsThere) {
  const Bytes raw = text_like(1000, 2);
  Bytes out = {1, 2, 3};
  const std::size_t size = ZstdCodec().compress(raw, 1, out).value();
  ASSERT_EQ(out.size(), size + 3);
  EXPECT_EQ(Bytes(out.begin(), out.begin() + 3), Bytes({1, 2, 3}));
  EXPECT_EQ(Bytes(out.begin() + 3, out.end()), packed_of(raw));
}

TEST(ZstdCodec, LeavesAloneWhatDoesNotShrink) {
  for (const int level : {-1, 1, 3, 4, 9}) {
    for (const std::size_t size : {0U, 1U, 10U, 1000U, 300'000U}) {
      Bytes out = {7};
      EXPECT_EQ(ZstdCodec().compress(random_bytes(size, 3), level, out).value(), 0U);
      EXPECT_EQ(out, Bytes({7})) << level << " " << size;
    }
  }
}

// One part in fifty compressible is too little, one in ten is enough.
TEST(ZstdCodec, WantsAboutThreePerCent) {
  Bytes raw = random_bytes(100'000, 4);
  std::fill_n(raw.begin(), 2000, std::uint8_t{0});
  Bytes out;
  EXPECT_EQ(ZstdCodec().compress(raw, 3, out).value(), 0U);
  std::fill_n(raw.begin(), 10'000, std::uint8_t{0});
  EXPECT_GT(ZstdCodec().compress(raw, 3, out).value(), 0U);
}

TEST(ZstdCodec, RefusesLevelsThatDoNotExist) {
  Bytes out;
  for (const int level : {kLevelMin - 1, kLevelMax + 1, 1000}) {
    EXPECT_EQ(ZstdCodec().compress(text_like(100, 1), level, out).error().code(),
              ErrorCode::kInvalidArgument);
  }
}

TEST(ZstdCodec, WritesFramesThatStateTheirSizeAndHaveNoSum) {
  const Bytes raw = text_like(1000, 5);
  const Bytes packed = packed_of(raw);
  EXPECT_EQ(ZSTD_getFrameContentSize(packed.data(), packed.size()), raw.size());
  constexpr unsigned kChecksumBit = 4;  // RFC 8878 section 3.1.1.1.1
  EXPECT_EQ(packed[4] & kChecksumBit, 0U);
}

TEST(ZstdCodec, FindsEveryTruncation) {
  const Bytes raw = text_like(700, 6);
  const Bytes packed = packed_of(raw);
  for (std::size_t size = 0; size < packed.size(); ++size) {
    expect_corruption(ByteView(packed).first(size), raw.size(), std::to_string(size));
  }
}

// Without a sum inside, a changed literal decodes: the seal finds that. But never to another size.
TEST(ZstdCodec, NeverWritesPastTheEndWhateverIsFlipped) {
  constexpr std::uint8_t kGuard = 0xa5;
  const Bytes raw = text_like(700, 7);
  const Bytes packed = packed_of(raw);
  ZstdCodec codec;
  for (std::size_t bit = 0; bit < packed.size() * 8; ++bit) {
    Bytes damaged = packed;
    damaged[bit / 8] = static_cast<std::uint8_t>(damaged[bit / 8] ^ 1U << bit % 8);
    Bytes out(raw.size() + 64, kGuard);
    const Result<void> result = codec.decompress(damaged, MutableByteView(out).first(raw.size()));
    if (!result) {
      EXPECT_EQ(result.error().code(), ErrorCode::kCorruption);
    }
    EXPECT_EQ(std::count(out.begin() + 700, out.end(), kGuard), 64) << bit;
  }
  Bytes out(raw.size());
  EXPECT_TRUE(codec.decompress(packed, out).has_value()) << "damage outlived the frame";
}

TEST(ZstdCodec, WantsTheVerySize) {
  const Bytes raw = text_like(700, 8);
  const Bytes packed = packed_of(raw);
  for (const std::size_t size : {0U, 1U, 699U, 701U, 1400U}) {
    expect_corruption(packed, size, std::to_string(size));
  }
}

TEST(ZstdCodec, WantsExactlyOneFrame) {
  const Bytes raw = text_like(700, 9);
  const Bytes frame = packed_of(raw);
  Bytes twice = frame;
  append(twice, frame);
  expect_corruption(twice, 1400, "two frames");
  expect_corruption(twice, 700, "a frame too many");
  const Bytes skippable = {0x50, 0x2a, 0x4d, 0x18, 1, 0, 0, 0, 42};
  Bytes before = skippable;
  append(before, frame);
  expect_corruption(before, 700, "skippable frame before");
  Bytes after = frame;
  append(after, skippable);
  expect_corruption(after, 700, "skippable frame after");
  Bytes trailing = frame;
  trailing.push_back(0);
  expect_corruption(trailing, 700, "a byte after");
  expect_corruption(skippable, 0, "skippable frame alone");
  expect_corruption({}, 0, "nothing");
}

TEST(ZstdCodec, RefusesFormatsBeforeTheRfc) {
  // Magic numbers of zstd 0.5, 0.6 and 0.7, which libzstd may still read.
  for (std::uint8_t version = 0x25; version <= 0x27; ++version) {
    const Bytes frame = {version, 0xb5, 0x2f, 0xfd, 0, 0, 0, 0, 0, 0, 0, 0};
    expect_corruption(frame, 0, std::to_string(version));
  }
}

TEST(ZstdCodec, RefusesAFrameThatNeedsADictionary) {
  Bytes frame = {0x28, 0xb5, 0x2f, 0xfd, 0x21, 0x77, 0x03, 0x19, 0x00, 0x00, 'a', 'b', 'c'};
  expect_corruption(frame, 3, "dictionary");
  // The same without the dictionary id is a frame of one raw block.
  frame.erase(frame.begin() + 5);
  frame[4] = 0x20;
  Bytes out(3);
  EXPECT_TRUE(ZstdCodec().decompress(frame, out).has_value());
  EXPECT_EQ(as_text(out), "abc");
}

// Window of 2 GiB, size not stated, one raw block of three bytes: nothing is allocated for it.
TEST(ZstdCodec, IsNotImpressedByALargeWindow) {
  const Bytes frame = {0x28, 0xb5, 0x2f, 0xfd, 0x00, 0xa8, 0x19, 0x00, 0x00, 'a', 'b', 'c'};
  Bytes out(3);
  EXPECT_TRUE(ZstdCodec().decompress(frame, out).has_value());
  expect_corruption(frame, 2, "room for two");
  expect_corruption(frame, 4, "room for four");
}

TEST(ZstdCodec, ReadsWhatOtherWritersMayWrite) {
  const Bytes raw = text_like(5000, 10);
  for (const auto& packed : {foreign_frame(raw, ZSTD_c_contentSizeFlag, 0),
                             foreign_frame(raw, ZSTD_c_checksumFlag, 1)}) {
    Bytes out(raw.size());
    EXPECT_TRUE(ZstdCodec().decompress(packed, out).has_value());
    EXPECT_EQ(out, raw);
    expect_corruption(packed, raw.size() - 1, "one byte less");
    expect_corruption(packed, raw.size() + 1, "one byte more");
  }
  const Bytes nothing = foreign_frame({}, ZSTD_c_checksumFlag, 0);
  EXPECT_TRUE(ZstdCodec().decompress(nothing, {}).has_value());
}

TEST(LooksIncompressible, TellsRandomFromText) {
  for (const std::size_t size : {1024U, 5000U, 8192U, 8193U, 1'000'000U}) {
    EXPECT_TRUE(looks_incompressible(random_bytes(size, size))) << size;
    EXPECT_FALSE(looks_incompressible(text_like(size, size))) << size;
  }
  EXPECT_FALSE(looks_incompressible(random_bytes(1023, 1)));
  EXPECT_FALSE(looks_incompressible({}));
}

TEST(LooksIncompressible, LooksAtTheWholeLength) {
  Bytes raw = random_bytes(800'000, 12);
  std::fill(raw.begin() + 400'000, raw.end(), std::uint8_t{' '});
  EXPECT_FALSE(looks_incompressible(raw));
}

TEST(ZstdCodec, DecompressesUpToALimitWhateverTheFrameClaims) {
  ZstdCodec codec;
  const Bytes raw(300'000, 'x');
  Bytes packed;
  ASSERT_TRUE(codec.compress(raw, 3, packed));
  const auto whole = codec.decompress_up_to(packed, raw.size());
  ASSERT_TRUE(whole);
  EXPECT_EQ(*whole, raw);
  EXPECT_EQ(codec.decompress_up_to(packed, raw.size() - 1).error().code(), ErrorCode::kCorruption);
  for (std::size_t length = 0; length < packed.size(); ++length) {
    const auto cut = codec.decompress_up_to(ByteView(packed).first(length), raw.size());
    ASSERT_FALSE(cut) << length;
    EXPECT_EQ(cut.error().code(), ErrorCode::kCorruption);
  }
  packed.push_back(0);
  EXPECT_FALSE(codec.decompress_up_to(packed, raw.size()));
}

}  // namespace
}  // namespace backstay::compress
