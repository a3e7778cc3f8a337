#include "json/utf8.h"

#include <algorithm>
#include <array>

namespace backstay::json {
namespace {

// What may follow a first byte (RFC 3629, section 4): the range of the second byte excludes
// overlong forms, surrogates and what is beyond U+10FFFF; later bytes are always 80 to BF.
struct Lead {
  std::size_t length = 0;  // 0: no character begins so
  std::uint8_t second_min = 0x80;
  std::uint8_t second_max = 0xBF;
};

Lead lead_of(std::uint8_t byte) {
  if (byte < 0x80) return {.length = 1};
  if (byte < 0xC2) return {};
  if (byte < 0xE0) return {.length = 2};
  if (byte == 0xE0) return {.length = 3, .second_min = 0xA0};
  if (byte == 0xED) return {.length = 3, .second_max = 0x9F};
  if (byte < 0xF0) return {.length = 3};
  if (byte == 0xF0) return {.length = 4, .second_min = 0x90};
  if (byte < 0xF4) return {.length = 4};
  if (byte == 0xF4) return {.length = 4, .second_max = 0x8F};
  return {};
}

}  // namespace

Utf8Character first_character(std::string_view text) {
  const auto byte = [&](std::size_t at) { return static_cast<std::uint8_t>(text[at]); };
  const Lead lead = lead_of(byte(0));
  if (lead.length == 0) return {};
  if (lead.length == 1) return {.code = byte(0), .length = 1, .valid = true};
  auto code = static_cast<char32_t>(byte(0) & (0xFF >> (lead.length + 1)));
  for (std::size_t at = 1; at < lead.length; ++at) {
    const std::uint8_t low = at == 1 ? lead.second_min : 0x80;
    const std::uint8_t high = at == 1 ? lead.second_max : 0xBF;
    if (at >= text.size() || byte(at) < low || byte(at) > high) return {.length = at};
    code = (code << 6) | (byte(at) & 0x3FU);
  }
  return {.code = code, .length = lead.length, .valid = true};
}

bool is_utf8(std::string_view text) {
  while (!text.empty()) {
    const Utf8Character character = first_character(text);
    if (!character.valid) return false;
    text.remove_prefix(character.length);
  }
  return true;
}

std::string lossy_utf8(std::string_view text) {
  std::string out;
  out.reserve(text.size());
  while (!text.empty()) {
    const Utf8Character character = first_character(text);
    if (character.valid)
      out += text.substr(0, character.length);
    else
      out += "\xEF\xBF\xBD";
    text.remove_prefix(character.length);
  }
  return out;
}

}  // namespace backstay::json
