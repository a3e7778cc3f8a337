#include "base/base64.h"

#include <algorithm>

namespace backstay {
namespace {

constexpr std::string_view kBase64Digits =
    "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

}  // namespace

std::string to_base64(ByteView bytes) {
  std::string out;
  while (!bytes.empty()) {
    const std::size_t taken = std::min<std::size_t>(bytes.size(), 3);
    std::uint32_t bits = 0;
    for (std::size_t i = 0; i < 3; ++i) bits = bits << 8 | (i < taken ? bytes[i] : 0U);
    for (std::size_t i = 0; i < 4; ++i) {
      out += i <= taken ? kBase64Digits[bits >> (18 - 6 * i) & 63U] : '=';
    }
    bytes = bytes.subspan(taken);
  }
  return out;
}

Result<Bytes> from_base64(std::string_view text) {
  const auto broken = [] { return fail(ErrorCode::kCorruption, "what should be Base64 is none"); };
  if (text.size() % 4 != 0) return broken();
  std::size_t padding = 0;
  while (padding < 2 && text.ends_with('=')) {
    text.remove_suffix(1);
    ++padding;
  }
  Bytes out;
  out.reserve(text.size() * 3 / 4);
  std::uint32_t bits = 0;
  unsigned held = 0;
  for (const char c : text) {
    const std::size_t digit = kBase64Digits.find(c);
    if (digit == std::string_view::npos) return broken();
    bits = ((bits << 6) | static_cast<std::uint32_t>(digit)) & 0xFFFFFF;
    held += 6;
    if (held < 8) continue;
    held -= 8;
    out.push_back(static_cast<std::uint8_t>(bits >> held));
  }
  if ((bits & ((1U << held) - 1U)) != 0) return broken();
  return out;
}

}  // namespace backstay
