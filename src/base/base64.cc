#include "base/base64.h"

#include <algorithm>
#include <string_view>

namespace backstay {

std::string to_base64(ByteView bytes) {
  constexpr std::string_view kDigits =
      "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
  std::string out;
  while (!bytes.empty()) {
    const std::size_t taken = std::min<std::size_t>(bytes.size(), 3);
    std::uint32_t bits = 0;
    for (std::size_t i = 0; i < 3; ++i) bits = bits << 8 | (i < taken ? bytes[i] : 0U);
    for (std::size_t i = 0; i < 4; ++i) {
      out += i <= taken ? kDigits[bits >> (18 - 6 * i) & 63U] : '=';
    }
    bytes = bytes.subspan(taken);
  }
  return out;
}

}  // namespace backstay
