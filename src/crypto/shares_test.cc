#include "crypto/shares.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <set>

#include "base/hex.h"
#include "crypto/words.h"

namespace backstay::crypto {
namespace {

Secret secret_in_text(std::string_view text) {
  return *Secret::from_bytes(as_bytes(text));
}

std::vector<Share> split_well(const Secret& secret, unsigned threshold, unsigned count,
                              std::uint64_t seed = 1) {
  SeededRng rng(seed);
  auto shares = split_secret(secret, threshold, count, rng);
  EXPECT_TRUE(shares.has_value());
  return shares ? *std::move(shares) : std::vector<Share>{};
}

bool is_same(const Secret& one, const Secret& other) {
  return std::ranges::equal(one.view(), other.view());
}

const Secret kSecret = secret_in_text("0123456789abcdef0123456789abcdef");

// Made by gfsplit(1) of libgfshare-bin 2.0.0 of that secret, three of five needed.
TEST(Shares, OfAnotherProgramGiveTheSecretBack) {
  const auto share = [](std::uint8_t number, std::string_view value) {
    return Share{.threshold = 3,
                 .number = number,
                 .set = {},
                 .value = *Secret::from_bytes(*from_hex(value))};
  };
  const std::vector<Share> shares{
      share(94, "3ab635a787212cbd6aa3e8322387d14af11cbe9a51c170563af3c22ed2745893"),
      share(106, "284d0e5fd0a6d993328529b3499db4605d5f04eb4d694823335787dfb7401ec8"),
      share(140, "b292f2f62e04ccf88e55acd85b258836aa69533ddf9ec6a26a5f1a52f8f2ff15"),
      share(183, "dbd2d58cc748880fe0cf7c2d49cf55cd6c490115c58928cac88c34dc8c5ae75b"),
      share(192, "8ff56945444973b9cbc6871f68cda7ef48efde0bb76c31db9898acd49993ac94")};
  for (std::size_t left_out = 0; left_out < 5; ++left_out) {
    for (std::size_t other = left_out + 1; other < 5; ++other) {
      std::vector<Share> some;
      for (std::size_t i = 0; i < 5; ++i) {
        if (i != left_out && i != other) some.push_back(shares[i]);
      }
      const auto combined = combine_shares(some);
      ASSERT_TRUE(combined.has_value());
      EXPECT_TRUE(is_same(*combined, kSecret)) << left_out << " and " << other << " left out";
    }
  }
}

TEST(Shares, GiveTheSecretBackWhicheverEnoughOfThemThereAre) {
  for (const auto& [threshold, count] : {std::pair{2U, 2U}, {2U, 3U}, {3U, 5U}, {5U, 7U}}) {
    const std::vector<Share> all = split_well(kSecret, threshold, count);
    ASSERT_EQ(all.size(), count);
    for (unsigned mask = 0; mask < 1U << count; ++mask) {
      std::vector<Share> some;
      for (unsigned i = 0; i < count; ++i) {
        if ((mask >> i & 1U) != 0) some.push_back(all[i]);
      }
      const auto combined = combine_shares(some);
      EXPECT_EQ(combined.has_value(), some.size() >= threshold);
      EXPECT_TRUE(!combined || is_same(*combined, kSecret)) << mask;
    }
  }
}

TEST(Shares, OfTheMostPartsWork) {
  const std::vector<Share> all = split_well(kSecret, 255, 255);
  EXPECT_TRUE(is_same(*combine_shares(all), kSecret));
  EXPECT_FALSE(combine_shares(std::span(all).first(254)).has_value());
}

// One share too few: whatever the byte of the secret is, every value of the others is as likely.
TEST(Shares, ThatAreTooFewSayNothing) {
  std::set<std::uint8_t> with_zero;
  std::set<std::uint8_t> with_one;
  for (std::uint64_t seed = 0; seed < 4000; ++seed) {
    with_zero.insert(split_well(Secret(), 2, 2, seed)[0].value.view()[0]);
    Secret ones;
    std::ranges::fill(ones.mutable_view(), 0xff);
    with_one.insert(split_well(ones, 2, 2, seed)[0].value.view()[0]);
  }
  EXPECT_EQ(with_zero.size(), 256U);
  EXPECT_EQ(with_one.size(), 256U);
}

TEST(Shares, GivenTwiceCountOnce) {
  const std::vector<Share> all = split_well(kSecret, 3, 5);
  EXPECT_FALSE(combine_shares(std::vector{all[0], all[1], all[1]}).has_value());
  EXPECT_TRUE(combine_shares(std::vector{all[0], all[1], all[1], all[4]}).has_value());
}

TEST(Shares, OfDifferentSplitsAreNotMixed) {
  const std::vector<Share> one = split_well(kSecret, 2, 3, 1);
  const std::vector<Share> other = split_well(kSecret, 2, 3, 2);
  const auto combined = combine_shares(std::vector{one[0], other[1]});
  ASSERT_FALSE(combined.has_value());
  EXPECT_EQ(combined.error().code(), ErrorCode::kInvalidArgument);
}

TEST(Shares, OfNumbersThatMakeNoSenseAreRefused) {
  SeededRng rng(1);
  for (const auto& [threshold, count] :
       {std::pair{0U, 3U}, {1U, 3U}, {4U, 3U}, {2U, 256U}, {2U, 1U}, {0U, 0U}}) {
    EXPECT_FALSE(split_secret(kSecret, threshold, count, rng).has_value());
  }
  EXPECT_FALSE(combine_shares({}).has_value());
}

TEST(Shares, AsWordsComeBack) {
  for (const Share& share : split_well(kSecret, 3, 5)) {
    const std::string words = to_words(share);
    EXPECT_EQ(std::ranges::count(words, '-'), 20);
    const auto back = share_from_words(words);
    ASSERT_TRUE(back.has_value());
    EXPECT_EQ(back->threshold, share.threshold);
    EXPECT_EQ(back->number, share.number);
    EXPECT_EQ(back->set, share.set);
    EXPECT_TRUE(is_same(back->value, share.value));
  }
}

TEST(Shares, WithASlipOfThePenAreFound) {
  const std::string words = to_words(split_well(kSecret, 3, 5)[2]);
  for (std::size_t at = 0; at < words.size(); at += 6) {
    std::string wrong = words;
    wrong[at] = wrong[at] == 'b' ? 'd' : 'b';
    EXPECT_FALSE(share_from_words(wrong).has_value()) << wrong;
  }
  EXPECT_FALSE(share_from_words(to_words(kSecret)).has_value()) << "a key is no share";
  EXPECT_FALSE(from_words(words).has_value()) << "a share is no key";
}

}  // namespace
}  // namespace backstay::crypto
