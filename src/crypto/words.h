// Secrets as words that people can write down and read aloud.
//
// 32 bytes become 18 proquints (https://arxiv.org/html/0901.4016): five letters for 16 bits,
// consonant-vowel-consonant-vowel-consonant. The last two words are the first 32 bits of
// BLAKE3(secret), so that a slip of the pen is found before it is tried as a key.
#pragma once

#include <string>
#include <string_view>

#include "base/error.h"
#include "crypto/secret.h"
#include "crypto/shares.h"

namespace backstay::crypto {

// "lusab-babad-gutih-…": 18 words joined by '-'.
[[nodiscard]] std::string to_words(const Secret& secret);

// Accepts any mix of case, spaces, line ends and dashes between words. Fails with invalid_argument
// and names the word that is not one, or says that the check words do not fit.
Result<Secret> from_words(std::string_view text);

// The same of a share: 21 words, of its threshold, number, set and value, with the same check.
[[nodiscard]] std::string to_words(const Share& share);
Result<Share> share_from_words(std::string_view text);

}  // namespace backstay::crypto
