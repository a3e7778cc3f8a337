#include "crypto/words.h"

#include <fmt/core.h>

#include <algorithm>
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
// Of a share: threshold, number, set.
constexpr std::size_t kShareHeadBytes = 2 + Share::kSetBytes;

// Bytes that are wiped when they go.
struct Coded {
  Bytes bytes;
  explicit Coded(std::size_t size) : bytes(size) {}
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

// The bytes and the first of their BLAKE3.
std::string encode_checked(ByteView bytes) {
  const Digest check = blake3(bytes);
  Coded coded(bytes.size() + kCheckBytes);
  const auto behind = std::ranges::copy(bytes, coded.bytes.begin()).out;
  std::copy_n(check.bytes.begin(), kCheckBytes, behind);
  std::string out;
  out.reserve(coded.bytes.size() / 2 * (kWordLetters + 1));
  for (std::size_t i = 0; i < coded.bytes.size(); i += 2) {
    if (i > 0) out += '-';
    append_word(out, static_cast<unsigned>(coded.bytes[i] << 8 | coded.bytes[i + 1]));
  }
  return out;
}

// `out` without the check. `what` is "key" or "share".
Result<void> decode_checked(std::string_view text, std::string_view what, MutableByteView out) {
  const std::vector<std::string_view> words = split_words(text);
  Coded coded(out.size() + kCheckBytes);
  const std::size_t word_count = coded.bytes.size() / 2;
  for (std::size_t i = 0; i < words.size(); ++i) {
    const WordBits word = parse_word(words[i]);
    if (!word.valid) {
      return bad_words(
          fmt::format("word {}, \"{}\", is not a {} word", i + 1, shown(words[i]), what),
          "Every word has five letters: a consonant of bdfghjklmnprstvz, a vowel of "
          "aiou, and so on in turn.");
    }
    if (i >= word_count) continue;
    coded.bytes[2 * i] = static_cast<std::uint8_t>(word.bits >> 8);
    coded.bytes[2 * i + 1] = static_cast<std::uint8_t>(word.bits & 0xff);
  }
  if (words.size() != word_count) {
    return bad_words(fmt::format("a {} has {} words, not {}", what, word_count, words.size()),
                     "Compare the words with what was written down.");
  }
  std::copy_n(coded.bytes.begin(), out.size(), out.begin());
  const Digest check = blake3(out);
  if (!std::equal(check.bytes.begin(), check.bytes.begin() + kCheckBytes,
                  coded.bytes.end() - kCheckBytes)) {
    return bad_words("the last two words do not fit the others",
                     fmt::format("One of the words differs from the {}: compare them with what was "
                                 "written down.",
                                 what));
  }
  return {};
}

}  // namespace

std::string to_words(const Secret& secret) {
  return encode_checked(secret.view());
}

Result<Secret> from_words(std::string_view text) {
  Secret secret;
  TRY(decode_checked(text, "key", secret.mutable_view()));
  return secret;
}

std::string to_words(const Share& share) {
  Coded coded(kShareHeadBytes + Secret::kSize);
  coded.bytes[0] = share.threshold;
  coded.bytes[1] = share.number;
  std::ranges::copy(share.set, coded.bytes.begin() + 2);
  std::ranges::copy(share.value.view(), coded.bytes.begin() + kShareHeadBytes);
  return encode_checked(coded.bytes);
}

Result<Share> share_from_words(std::string_view text) {
  Coded coded(kShareHeadBytes + Secret::kSize);
  TRY(decode_checked(text, "share", coded.bytes));
  Share share{.threshold = coded.bytes[0], .number = coded.bytes[1], .set = {}, .value = {}};
  std::copy_n(coded.bytes.begin() + 2, share.set.size(), share.set.begin());
  std::ranges::copy(ByteView(coded.bytes).subspan(kShareHeadBytes),
                    share.value.mutable_view().begin());
  if (share.threshold < 2 || share.number == 0) {
    return bad_words("the words are whole, but they are no share", "Was it made by this program?");
  }
  return share;
}

}  // namespace backstay::crypto
