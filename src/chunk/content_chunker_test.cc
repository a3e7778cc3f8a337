#include "chunk/content_chunker.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <bit>
#include <numeric>
#include <string>

#include "base/rng.h"
#include "crypto/hash.h"

namespace backstay::chunk {
namespace {

using Lengths = std::vector<std::uint32_t>;
constexpr CutSizes kSmallSizes{64, 256, 1024};

GearTable counted_table() {
  crypto::Secret key;
  std::iota(key.mutable_view().begin(), key.mutable_view().end(), std::uint8_t{0});
  return GearTable::from_key(key);
}

Bytes random_bytes(std::size_t size, std::uint64_t seed) {
  Bytes bytes(size);
  SeededRng(seed).fill(bytes);
  return bytes;
}

// Words of a small vocabulary: many repeated windows, many candidates at equal distances.
Bytes text_like(std::size_t size, std::uint64_t seed) {
  SeededRng rng(seed);
  const char* const words[] = {"the ",   "backup ", "of ",   "all ",
                               "data\n", "keeps ",  "what ", "is "};
  Bytes bytes;
  while (bytes.size() < size) append(bytes, as_bytes(words[rng.below(std::size(words))]));
  bytes.resize(size);
  return bytes;
}

// h(p) word for word as docs/format.md section 5.2 has it; bytes before the run count as absent.
std::uint32_t literal_hash(const GearTable& table, ByteView data, std::size_t position) {
  std::uint32_t sum = 0;
  for (std::size_t k = 0; k < 32 && k < position; ++k) {
    sum += table.words[data[position - 1 - k]] << k;
  }
  return sum;
}

// The cut rule applied to one position after the other.
Lengths naive_cuts(const GearTable& table, const CutSizes& sizes, ByteView data) {
  const int b = std::countr_zero(sizes.normal_bytes);
  const std::uint64_t loose_below = 1ULL << (32 - (b - 2));
  const std::uint64_t strict_below = 1ULL << (32 - (b + 2));
  Lengths lengths;
  std::size_t start = 0;
  std::uint32_t hash = 0;
  for (std::size_t p = 1; p <= data.size(); ++p) {
    hash = (hash << 1) + table.words[data[p - 1]];
    const std::size_t length = p - start;
    if (length < sizes.min_bytes) continue;
    const bool candidate = hash < (length < sizes.normal_bytes ? strict_below : loose_below);
    if (!candidate && length != sizes.max_bytes && p != data.size()) continue;
    lengths.push_back(static_cast<std::uint32_t>(length));
    start = p;
  }
  if (start < data.size()) lengths.push_back(static_cast<std::uint32_t>(data.size() - start));
  return lengths;
}

Lengths cuts_of(const ContentChunker& chunker, ByteView data) {
  Lengths lengths;
  EXPECT_EQ(chunker.cut(data, true, lengths), data.size());
  return lengths;
}

// Cuts `data` as a stream does that gets it in pieces of random length.
Lengths cuts_in_pieces(const ContentChunker& chunker, ByteView data, SeededRng& rng,
                       std::size_t piece_max) {
  Lengths lengths;
  std::size_t start = 0;
  std::size_t there = 0;
  while (there < data.size()) {
    there = std::min(data.size(), there + rng.below(piece_max + 1));
    start += chunker.cut(data.subspan(start, there - start), false, lengths);
    EXPECT_LT(there - start, chunker.sizes().max_bytes) << "a cut that is certain was put off";
  }
  start += chunker.cut(data.subspan(start), true, lengths);
  EXPECT_EQ(start, data.size());
  return lengths;
}

TEST(GearTable, IsDerivedAsTheFormatSays) {
  const GearTable table = counted_table();
  EXPECT_EQ(table.words[0], 0x54228fbcU);
  EXPECT_EQ(table.words[1], 0x037f37aeU);
  EXPECT_EQ(table.words[2], 0xa0942ad6U);
  EXPECT_EQ(table.words[255], 0x2be56b36U);
}

// Computed by a program of its own in another language. A change of these values means that new
// backups no longer share chunks with older ones.
TEST(ContentChunker, CutsWhereItAlwaysDid) {
  const GearTable table = counted_table();
  EXPECT_EQ(
      cuts_of(ContentChunker(table, {}), random_bytes(24U << 20, 1)),
      Lengths({1066453, 1138597, 1176839, 1337902, 1052202, 1176687, 1155998, 1847854, 1434548,
               1136060, 1173749, 2246902, 1617789, 1379300, 1259922, 1303159, 1313886, 2347977}));
  EXPECT_EQ(
      cuts_of(ContentChunker(table, {2048, 8192, 65536}), random_bytes(200'000, 2)),
      Lengths({2291,  2927,  4462,  7130, 9378, 8309, 2177, 11740, 9460,  9995, 11814, 11377, 9819,
               12944, 10428, 10082, 9507, 9711, 9124, 6198, 8742,  10356, 2053, 8576,  1400}));
  EXPECT_EQ(cuts_of(ContentChunker(table, kSmallSizes), random_bytes(6000, 3)),
            Lengths({387, 311, 257, 319, 263, 279, 124, 119, 229, 375,
                     427, 435, 401, 382, 173, 290, 258, 269, 362, 340}));
}

// The naive way of this test rolls its hash; this ties it to the definition.
TEST(ContentChunker, RollingHashIsTheSumOfTheFormat) {
  const GearTable table = counted_table();
  const Bytes data = random_bytes(3000, 4);
  std::uint32_t hash = 0;
  for (std::size_t p = 1; p <= data.size(); ++p) {
    hash = (hash << 1) + table.words[data[p - 1]];
    ASSERT_EQ(hash, literal_hash(table, data, p)) << p;
  }
}

TEST(ContentChunker, CutsAsTheNaiveWayDoes) {
  const GearTable table = counted_table();
  const CutSizes all_sizes[] = {kSmallSizes,          {64, 64, 64},
                                {100, 128, 1000},     {2048, 8192, 65536},
                                {4096, 16384, 20000}, {16384, 16384, 16384},
                                {5000, 32768, 32768}, {100'000, 131'072, 700'001}};
  const Bytes inputs[] = {random_bytes(1'500'000, 5), text_like(1'500'000, 6), Bytes(1'500'000, 0),
                          Bytes(400'000, 0xff)};
  for (const CutSizes& sizes : all_sizes) {
    const ContentChunker chunker(table, sizes);
    for (const Bytes& input : inputs) {
      EXPECT_EQ(cuts_of(chunker, input), naive_cuts(table, sizes, input))
          << sizes.min_bytes << "/" << sizes.normal_bytes << "/" << sizes.max_bytes;
    }
  }
}

TEST(ContentChunker, CutsAsTheNaiveWayDoesAtDefaultSizes) {
  const GearTable table = counted_table();
  for (const Bytes& input : {random_bytes(20'000'000, 7), text_like(12'000'000, 8)}) {
    EXPECT_EQ(cuts_of(ContentChunker(table, {}), input), naive_cuts(table, {}, input));
  }
}

// With a table of zeros every position is a candidate, with one of ones hardly any.
TEST(ContentChunker, CutsTablesThatNobodyWouldDrawAsTheNaiveWayDoes) {
  const Bytes input = random_bytes(100'000, 9);
  for (const std::uint32_t word : {0U, 1U, 0xffffffffU, 0x80000000U}) {
    GearTable table;
    table.words.fill(word);
    for (const CutSizes& sizes : {kSmallSizes, CutSizes{2048, 8192, 65536}}) {
      EXPECT_EQ(cuts_of(ContentChunker(table, sizes), input), naive_cuts(table, sizes, input))
          << word;
    }
  }
}

TEST(ContentChunker, CutsEveryShortLengthAsTheNaiveWayDoes) {
  const GearTable table = counted_table();
  const ContentChunker chunker(table, kSmallSizes);
  const Bytes random = random_bytes(2100, 10);
  const Bytes text = text_like(2100, 11);
  for (std::size_t size = 0; size <= random.size(); ++size) {
    for (const Bytes& input : {random, text}) {
      const ByteView data = ByteView(input).first(size);
      ASSERT_EQ(cuts_of(chunker, data), naive_cuts(table, kSmallSizes, data)) << size;
    }
  }
}

TEST(ContentChunker, CutsLengthsAroundTheLimitsAsTheNaiveWayDoes) {
  const GearTable table = counted_table();
  const CutSizes sizes{16 * 1024, 64 * 1024, 256 * 1024};
  const ContentChunker chunker(table, sizes);
  const Bytes random = random_bytes(600'000, 12);
  const Bytes zeros(600'000, 0);
  for (const std::size_t limit :
       {sizes.min_bytes, sizes.normal_bytes, sizes.max_bytes, 2 * sizes.max_bytes}) {
    for (std::size_t size = limit - 3; size <= limit + 3; ++size) {
      for (const Bytes& input : {random, zeros}) {
        const ByteView data = ByteView(input).first(size);
        ASSERT_EQ(cuts_of(chunker, data), naive_cuts(table, sizes, data)) << size;
      }
    }
  }
}

TEST(ContentChunker, CutsTheSameHoweverTheBytesArrive) {
  const GearTable table = counted_table();
  SeededRng rng(13);
  for (const CutSizes& sizes : {kSmallSizes, CutSizes{1000, 4096, 20'000}}) {
    const ContentChunker chunker(table, sizes);
    for (const Bytes& input : {random_bytes(60'000, 14), text_like(60'000, 15), Bytes(60'000, 0)}) {
      const Lengths whole = cuts_of(chunker, input);
      for (const std::size_t piece_max : {100U, 1000U, 5000U, 30'000U, 59'999U}) {
        EXPECT_EQ(cuts_in_pieces(chunker, input, rng, piece_max), whole) << piece_max;
      }
    }
  }
}

TEST(ContentChunker, FindsTheSameEndsInStepsAsAtOnce) {
  SeededRng rng(7);
  for (const Bytes& data : {random_bytes(40'000, 1), text_like(40'000, 2), Bytes(10'000)}) {
    const ContentChunker chunker(counted_table(), kSmallSizes);
    Lengths expected;
    chunker.cut(data, true, expected);
    Lengths lengths;
    std::size_t begin = 0;
    std::size_t searched = 0;
    for (std::size_t end = 0; begin < data.size();) {
      end = std::min<std::size_t>(data.size(), end + 1 + rng.below(700));
      while (begin < end) {
        const ByteView chunk = ByteView(data).subspan(begin, end - begin);
        const std::size_t length = chunker.find_end(chunk, end == data.size(), searched);
        if (length == 0) break;
        lengths.push_back(static_cast<std::uint32_t>(length));
        begin += length;
        searched = 0;
      }
    }
    EXPECT_EQ(lengths, expected);
  }
}

TEST(ContentChunker, LeavesOverOnlyWhatMoreBytesCouldChange) {
  const ContentChunker chunker(counted_table(), kSmallSizes);
  const Bytes data = random_bytes(6000, 3);
  const Lengths whole = cuts_of(chunker, data);
  std::size_t decided = 0;  // bytes in chunks that end at or before `size`
  std::size_t count = 0;
  for (std::size_t size = 0; size < data.size(); ++size) {
    if (size == decided + whole[count]) decided += whole[count++];
    Lengths lengths;
    ASSERT_EQ(chunker.cut(ByteView(data).first(size), false, lengths), decided) << size;
    ASSERT_EQ(lengths, Lengths(whole.begin(), whole.begin() + static_cast<std::ptrdiff_t>(count)));
  }
}

TEST(ContentChunker, AppendsToWhatIsThere) {
  const ContentChunker chunker(counted_table(), kSmallSizes);
  Lengths lengths = {5};
  EXPECT_EQ(chunker.cut(Bytes(10, 1), true, lengths), 10U);
  EXPECT_EQ(lengths, Lengths({5, 10}));
  EXPECT_EQ(chunker.cut({}, true, lengths), 0U);
  EXPECT_EQ(chunker.cut({}, false, lengths), 0U);
  EXPECT_EQ(lengths, Lengths({5, 10}));
}

TEST(ContentChunker, FindsItsWayBackAfterAnInsertion) {
  const ContentChunker chunker(counted_table(), kSmallSizes);
  const Bytes before = random_bytes(200'000, 16);
  Bytes after = before;
  after.insert(after.begin() + 1000, {1, 2, 3});
  const Lengths old_cuts = cuts_of(chunker, before);
  const Lengths new_cuts = cuts_of(chunker, after);
  const auto same = std::mismatch(old_cuts.rbegin(), old_cuts.rend(), new_cuts.rbegin());
  EXPECT_GT(same.first - old_cuts.rbegin(), static_cast<std::ptrdiff_t>(old_cuts.size()) - 30);
}

TEST(ContentChunker, CutsElsewhereWithAnotherKey) {
  const Bytes data = random_bytes(50'000, 17);
  SeededRng rng(18);
  const GearTable other = GearTable::from_key(crypto::Secret::random(rng));
  EXPECT_NE(cuts_of(ContentChunker(counted_table(), kSmallSizes), data),
            cuts_of(ContentChunker(other, kSmallSizes), data));
}

TEST(CutSizes, MustAscendWithinLimitsAroundAPowerOfTwo) {
  constexpr std::uint32_t kMost = 16U << 20;
  for (const CutSizes& sizes :
       {CutSizes{}, kSmallSizes, CutSizes{64, 64, 64}, CutSizes{kMost, kMost, kMost}}) {
    EXPECT_TRUE(validate(sizes).has_value());
  }
  for (const CutSizes& sizes :
       {CutSizes{63, 64, 128}, CutSizes{0, 64, 128}, CutSizes{65, 64, 128}, CutSizes{64, 256, 255},
        CutSizes{64, 96, 128}, CutSizes{64, 128, kMost + 1}, CutSizes{64, 0, 64}}) {
    const Result<void> refused = validate(sizes);
    ASSERT_FALSE(refused.has_value()) << sizes.normal_bytes;
    EXPECT_EQ(refused.error().code(), ErrorCode::kInvalidArgument);
  }
}

TEST(CutFixed, CutsEqualPiecesAndARest) {
  const Bytes data(1000, 1);
  Lengths lengths = {9};
  EXPECT_EQ(cut_fixed(data, 300, true, lengths), 1000U);
  EXPECT_EQ(lengths, Lengths({9, 300, 300, 300, 100}));
  lengths.clear();
  EXPECT_EQ(cut_fixed(data, 300, false, lengths), 900U);
  EXPECT_EQ(lengths, Lengths({300, 300, 300}));
  lengths.clear();
  EXPECT_EQ(cut_fixed(data, 500, false, lengths), 1000U);
  EXPECT_EQ(lengths, Lengths({500, 500}));
  lengths.clear();
  EXPECT_EQ(cut_fixed(data, 1001, false, lengths), 0U);
  EXPECT_EQ(cut_fixed({}, 300, true, lengths), 0U);
  EXPECT_TRUE(lengths.empty());
}

}  // namespace
}  // namespace backstay::chunk
