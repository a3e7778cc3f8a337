#include "crypto/words.h"

#include <fmt/core.h>

#include <algorithm>
#include <array>
#include <vector>

#include "base/try.h"
#include "crypto/hash.h"

namespace backstay::crypto {

namespace {

constexpr std::string_view kConsonants = "bdfghjklmnprstvz";
constexpr std::string_view kVowels = "aiou";
constexpr std::string_view kSeparators = " \t\r\n\v\f-";
constexpr std::size_t kWordLetters = 5;
constexpr std::size_t kCheckBytes = 4;
constexpr std::size_t kCodedBytes = Secret::kSize + kCheckBytes;
constexpr std::size_t kWordCount = kCodedBytes / 2;

// The secret and its check bytes; wiped when it goes.
struct Coded {
  std::array<std::uint8_t, kCodedBytes> bytes{};
  Coded() = default;
  Coded(const Coded&) = delete;
  Coded& operator=(const Coded&) = delete;
  ~Coded() { wipe(bytes); }
};

void append_word(std::string& out, unsigned bits) {
  out += kConsonants[bits >> 12 & 15];
  out += kVowels[bits >> 10 & 3];
  out += kConsonants[bits >> 6 & 15];
  out += kVowels[bits >> 4 & 3];
  out += kConsonants[bits & 15];
}

char lower_ascii(char letter) {
  return letter >= 'A' && letter <= 'Z' ? static_cast<char>(letter - 'A' + 'a') : letter;
}

// The 16 bits of a word, or nothing known: `valid` is then false.
struct WordBits {
  unsigned bits = 0;
  bool valid = true;
};

WordBits parse_word(std::string_view word) {
  WordBits parsed;
  parsed.valid = word.size() == kWordLetters;
  for (std::size_t i = 0; parsed.valid && i < kWordLetters; ++i) {
    const std::string_view alphabet = i % 2 == 0 ? kConsonants : kVowels;
    const std::size_t index = alphabet.find(lower_ascii(word[i]));
    parsed.valid = index != std::string_view::npos;
    parsed.bits = parsed.bits << (i % 2 == 0 ? 4 : 2) | static_cast<unsigned>(index & 15);
  }
  return parsed;
}

std::vector<std::string_view> split_words(std::string_view text) {
  std::vector<std::string_view> words;
  while (true) {
    text.remove_prefix(std::min(text.find_first_not_of(kSeparators), text.size()));
    if (text.empty()) return words;
    const std::size_t end = std::min(text.find_first_of(kSeparators), text.size());
    words.push_back(text.substr(0, end));
    text.remove_prefix(end);
  }
}

// A word as it may stand in a message: short, and without bytes that upset a terminal.
std::string shown(std::string_view word) {
  constexpr std::size_t kShownMax = 20;
  std::string out(word.substr(0, kShownMax));
  std::replace_if(
      out.begin(), out.end(), [](char c) { return c < 0x20 || c > 0x7e; }, '?');
  return word.size() > kShownMax ? out + "..." : out;
}

std::unexpected<Error> bad_words(std::string message, std::string hint) {
  return std::unexpected(
      Error(ErrorCode::kInvalidArgument, std::move(message)).with_hint(std::move(hint)));
}

}  // namespace

std::string to_words(const Secret& secret) {
  Coded coded;
  const Digest check = blake3(secret.view());
  std::copy_n(secret.view().begin(), Secret::kSize, coded.bytes.begin());
  std::copy_n(check.bytes.begin(), kCheckBytes, coded.bytes.begin() + Secret::kSize);
  std::string out;
  out.reserve(kWordCount * (kWordLetters + 1));
  for (std::size_t i = 0; i < kCodedBytes; i += 2) {
    if (i > 0) out += '-';
    append_word(out, static_cast<unsigned>(coded.bytes[i] << 8 | coded.bytes[i + 1]));
  }
  return out;
}

Result<Secret> from_words(std::string_view text) {
  const std::vector<std::string_view> words = split_words(text);
  Coded coded;
  for (std::size_t i = 0; i < words.size(); ++i) {
    const WordBits word = parse_word(words[i]);
    if (!word.valid) {
      return bad_words(fmt::format("word {}, \"{}\", is not a key word", i + 1, shown(words[i])),
                       "Every word has five letters: a consonant of bdfghjklmnprstvz, a vowel of "
                       "aiou, and so on in turn.");
    }
    if (i >= kWordCount) continue;
    coded.bytes[2 * i] = static_cast<std::uint8_t>(word.bits >> 8);
    coded.bytes[2 * i + 1] = static_cast<std::uint8_t>(word.bits & 0xff);
  }
  if (words.size() != kWordCount) {
    return bad_words(fmt::format("a key has {} words, not {}", kWordCount, words.size()),
                     "Compare the words with what was written down.");
  }
  Secret secret = TRY(Secret::from_bytes(ByteView(coded.bytes).first(Secret::kSize)));
  const Digest check = blake3(secret.view());
  if (!std::equal(check.bytes.begin(), check.bytes.begin() + kCheckBytes,
                  coded.bytes.begin() + Secret::kSize)) {
    return bad_words("the last two words do not fit the others",
                     "One of the words differs from the key: compare them with what was written "
                     "down.");
  }
  return secret;
}

}  // namespace backstay::crypto
