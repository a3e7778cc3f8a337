#include "crypto/words.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cctype>
#include <string>

#include "base/rng.h"

namespace backstay::crypto {
namespace {

using testing::HasSubstr;
using testing::StartsWith;

Secret counted_secret() {
  Secret secret;
  // The examples of the proquint paper (127.0.0.1, 63.84.220.193), then zeros.
  const std::uint8_t head[] = {127, 0, 0, 1, 63, 84, 220, 193};
  std::copy(std::begin(head), std::end(head), secret.mutable_view().begin());
  return secret;
}

std::string error_of(std::string_view words) {
  const Result<Secret> refused = from_words(words);
  if (refused) return "accepted";
  EXPECT_EQ(refused.error().code(), ErrorCode::kInvalidArgument);
  EXPECT_FALSE(refused.error().hint().empty());
  return refused.error().message();
}

TEST(Words, SpellThePublishedExamples) {
  EXPECT_THAT(to_words(counted_secret()), StartsWith("lusab-babad-gutih-tugad-babab-babab-"));
}

TEST(Words, AreEighteenOfFiveLetters) {
  SeededRng rng(1);
  const std::string words = to_words(Secret::random(rng));
  EXPECT_EQ(words.size(), 18U * 5 + 17);
  EXPECT_EQ(std::count(words.begin(), words.end(), '-'), 17);
}

TEST(Words, GiveTheSecretBack) {
  SeededRng rng(2);
  for (int trial = 0; trial < 200; ++trial) {
    const Secret secret = Secret::random(rng);
    const Result<Secret> back = from_words(to_words(secret));
    ASSERT_TRUE(back.has_value()) << back.error().describe();
    EXPECT_EQ(to_owned(back->view()), to_owned(secret.view()));
  }
}

TEST(Words, MayBeSeparatedAndCapitalisedAnyhow) {
  const Secret secret = counted_secret();
  std::string words = to_words(secret);
  std::transform(words.begin(), words.end(), words.begin(),
                 [](unsigned char c) { return static_cast<char>(std::toupper(c)); });
  std::string spread = " \r\n\t-";
  for (const char c : words) spread += c == '-' ? std::string(" -\r\n") : std::string(1, c);
  spread += "\n\n";
  const Result<Secret> back = from_words(spread);
  ASSERT_TRUE(back.has_value()) << back.error().describe();
  EXPECT_EQ(to_owned(back->view()), to_owned(secret.view()));
}

TEST(Words, NameTheWordThatIsNotOne) {
  std::string words = to_words(counted_secret());
  words.replace(6, 5, "babed");
  EXPECT_THAT(error_of(words), HasSubstr("word 2, \"babed\""));
  words.replace(6, 5, "baba");
  EXPECT_THAT(error_of(words), HasSubstr("word 2, \"baba\""));
  words.replace(6, 4, "bababb");
  EXPECT_THAT(error_of(words), HasSubstr("word 2, \"bababb\""));
}

TEST(Words, ShowHostileWordsShortAndPrintable) {
  const std::string message = error_of("\x1b[31m" + std::string(10'000, 'x'));
  EXPECT_EQ(message.find('\x1b'), std::string::npos);
  EXPECT_LT(message.size(), 100U);
}

TEST(Words, CountTheWords) {
  const std::string words = to_words(counted_secret());
  EXPECT_THAT(error_of(""), HasSubstr("not 0"));
  EXPECT_THAT(error_of(words.substr(0, words.size() - 6)), HasSubstr("not 17"));
  EXPECT_THAT(error_of(words + " babab"), HasSubstr("not 19"));
}

// A wrong word is still accepted with a chance of 2^-32: none of these is.
TEST(Words, NoticeEveryWordReplacedOrSwapped) {
  SeededRng rng(3);
  const std::string words = to_words(Secret::random(rng));
  for (std::size_t at = 0; at < words.size(); at += 6) {
    std::string wrong = words;
    wrong.replace(at, 5, words.substr(at, 5) == "tugad" ? "gutih" : "tugad");
    EXPECT_THAT(error_of(wrong), HasSubstr("do not fit")) << wrong;
    if (at == 0) continue;
    std::string swapped = words;
    swapped.replace(at - 6, 5, words.substr(at, 5)).replace(at, 5, words.substr(at - 6, 5));
    EXPECT_THAT(error_of(swapped), HasSubstr("do not fit")) << swapped;
  }
}

}  // namespace
}  // namespace backstay::crypto
