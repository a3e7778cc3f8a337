// Text that may not be what it should be: UTF-8 (RFC 3629) looked at with suspicion.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

namespace backstay::json {

inline constexpr char32_t kReplacement = 0xFFFD;

// The character at the front of `text`, which is not empty. For bytes that are no UTF-8 (cut short,
// overlong, surrogates, beyond U+10FFFF) `valid` is false and `length` is the bytes to step over:
// the longest beginning of a character, at least 1.
struct Utf8Character {
  char32_t code = kReplacement;
  std::size_t length = 1;
  bool valid = false;
};
[[nodiscard]] Utf8Character first_character(std::string_view text);

[[nodiscard]] bool is_utf8(std::string_view text);
// With U+FFFD in place of what is no UTF-8.
[[nodiscard]] std::string lossy_utf8(std::string_view text);

}  // namespace backstay::json
