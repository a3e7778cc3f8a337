#include "erasure/erasure_code.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <numeric>
#include <vector>

#include "base/rng.h"

namespace backstay::erasure {
namespace {

// Multiplication in GF(2^8) modulo x^8 + x^4 + x^3 + x^2 + 1, from its definition.
std::uint8_t times(std::uint8_t a, std::uint8_t b) {
  unsigned product = 0;
  for (unsigned bit = 0; bit < 8; ++bit) {
    if ((b >> bit & 1U) != 0) product ^= static_cast<unsigned>(a) << bit;
  }
  for (unsigned bit = 15; bit >= 8; --bit) {
    if ((product >> bit & 1U) != 0) product ^= 0x11DU << (bit - 8);
  }
  return static_cast<std::uint8_t>(product);
}
std::uint8_t inverse_of(std::uint8_t a) {
  for (unsigned b = 1; b < 256; ++b) {
    if (times(a, static_cast<std::uint8_t>(b)) == 1) return static_cast<std::uint8_t>(b);
  }
  return 0;
}

using Blocks = std::vector<Bytes>;

struct Code {
  std::size_t length = 0;
  Blocks data;
  Blocks shards;
};

std::vector<Block> numbered(const Blocks& blocks) {
  std::vector<Block> out;
  for (unsigned i = 0; i < blocks.size(); ++i)
    out.push_back({.number = i, .bytes = blocks[i].data()});
  return out;
}
std::vector<MutableBlock> numbered(Blocks& blocks) {
  std::vector<MutableBlock> out;
  for (unsigned i = 0; i < blocks.size(); ++i)
    out.push_back({.number = i, .bytes = blocks[i].data()});
  return out;
}

Code random_code(Rng& rng, unsigned slots, unsigned shards, std::size_t length) {
  Code code{.length = length,
            .data = Blocks(slots, Bytes(length)),
            .shards = Blocks(shards, Bytes(length, 0xAA))};
  for (Bytes& block : code.data) rng.fill(block);
  encode(length, numbered(std::as_const(code.data)), numbered(code.shards));
  return code;
}

std::vector<unsigned> shuffled(Rng& rng, unsigned count) {
  std::vector<unsigned> numbers(count);
  std::iota(numbers.begin(), numbers.end(), 0U);
  for (std::size_t i = numbers.size(); i > 1; --i) std::swap(numbers[i - 1], numbers[rng.below(i)]);
  return numbers;
}

TEST(ErasureCode, IsTheSumThatTheFormatPageSays) {
  SeededRng rng(1);
  for (const std::size_t length : {1U, 15U, 31U, 32U, 33U, 63U, 64U, 100U, 1000U}) {
    const Code code = random_code(rng, 7, 3, length);
    for (unsigned r = 0; r < 3; ++r) {
      for (std::size_t at = 0; at < length; ++at) {
        std::uint8_t sum = 0;
        for (unsigned j = 0; j < 7; ++j)
          sum ^= times(inverse_of(static_cast<std::uint8_t>((255 - r) ^ j)), code.data[j][at]);
        ASSERT_EQ(code.shards[r][at], sum) << length << " " << r << " " << at;
      }
    }
  }
}

TEST(ErasureCode, BringsBackAnyLossUpToTheNumberOfShards) {
  SeededRng rng(2);
  for (int round = 0; round < 200; ++round) {
    const auto slots = static_cast<unsigned>(1 + rng.below(60));
    const auto shards = static_cast<unsigned>(1 + rng.below(6));
    const Code code = random_code(rng, slots, shards, 1 + rng.below(700));
    const std::vector<unsigned> order = shuffled(rng, slots + shards);
    const std::size_t losses = rng.below(shards + 1);
    std::vector<Block> data;
    std::vector<Block> kept;
    Blocks found;
    std::vector<unsigned> lost;
    for (std::size_t i = 0; i < order.size(); ++i) {
      const unsigned at = order[i];
      if (i < losses && at < slots) lost.push_back(at);
      if (i < losses) continue;
      if (at < slots)
        data.push_back({.number = at, .bytes = code.data[at].data()});
      else
        kept.push_back({.number = at - slots, .bytes = code.shards[at - slots].data()});
    }
    found.assign(lost.size(), Bytes(code.length));
    std::vector<MutableBlock> targets;
    for (std::size_t i = 0; i < lost.size(); ++i)
      targets.push_back({.number = lost[i], .bytes = found[i].data()});
    ASSERT_TRUE(reconstruct(code.length, data, kept, targets));
    for (std::size_t i = 0; i < lost.size(); ++i) ASSERT_EQ(found[i], code.data[lost[i]]);
  }
}

TEST(ErasureCode, WorksAtTheEdgeOfTheField) {
  SeededRng rng(3);
  const Code code = random_code(rng, 240, 16, 64);
  std::vector<Block> data = numbered(std::as_const(code.data));
  data.erase(data.end() - 16, data.end());
  Blocks found(16, Bytes(64));
  std::vector<MutableBlock> targets;
  for (unsigned i = 0; i < 16; ++i)
    targets.push_back({.number = 224 + i, .bytes = found[i].data()});
  ASSERT_TRUE(reconstruct(64, data, numbered(code.shards), targets));
  for (unsigned i = 0; i < 16; ++i) EXPECT_EQ(found[i], code.data[224 + i]);
}

TEST(ErasureCode, SaysSoWhenMoreIsLostThanThereAreShards) {
  SeededRng rng(4);
  const Code code = random_code(rng, 5, 2, 64);
  Blocks found(3, Bytes(64, 0x55));
  std::vector<Block> data = numbered(code.data);
  data.resize(2);
  std::vector<MutableBlock> targets;
  for (unsigned i = 0; i < 3; ++i) targets.push_back({.number = 2 + i, .bytes = found[i].data()});
  const auto done = reconstruct(64, data, numbered(code.shards), targets);
  ASSERT_FALSE(done);
  EXPECT_EQ(done.error().code(), ErrorCode::kCorruption);
  EXPECT_EQ(found[0], Bytes(64, 0x55));
}

TEST(ErasureCode, UpdatesGiveWhatEncodingGives) {
  SeededRng rng(5);
  for (int round = 0; round < 50; ++round) {
    const auto slots = static_cast<unsigned>(1 + rng.below(30));
    Code code = random_code(rng, slots, 3, 1 + rng.below(300));
    Blocks sum(3, Bytes(code.length));
    const auto targets = numbered(sum);
    for (const unsigned at : shuffled(rng, slots))
      update(code.length, {.number = at, .bytes = code.data[at].data()}, targets);
    ASSERT_EQ(sum, code.shards);
  }
}

TEST(ErasureCode, WhatIsTakenAwayIsAsIfItHadNeverBeenThere) {
  SeededRng rng(6);
  Code code = random_code(rng, 9, 2, 500);
  const auto targets = numbered(code.shards);
  update(500, {.number = 4, .bytes = code.data[4].data()}, targets);
  std::vector<Block> rest = numbered(std::as_const(code.data));
  rest.erase(rest.begin() + 4);
  Blocks expected(2, Bytes(500));
  encode(500, rest, numbered(expected));
  EXPECT_EQ(code.shards, expected);
}

TEST(ErasureCode, KnowsWhichNumbersThereAre) {
  EXPECT_TRUE(is_geometry(1, 1));
  EXPECT_TRUE(is_geometry(240, 16));
  EXPECT_FALSE(is_geometry(241, 16));
  EXPECT_FALSE(is_geometry(0, 1));
  EXPECT_FALSE(is_geometry(1, 0));
  EXPECT_FALSE(is_geometry(~0U, 2));
}

}  // namespace
}  // namespace backstay::erasure
