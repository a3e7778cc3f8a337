#include "engine/restore/folded_name.h"

#include <cstdint>

namespace backstay::engine::restoring {
namespace {

// Of the two-byte sequences of UTF-8 (U+0080 to U+07FF), after the Unicode Character Database.
std::uint32_t small_letter(std::uint32_t letter) {
  if (letter >= 0xc0 && letter <= 0xde && letter != 0xd7) return letter + 0x20;
  // Latin Extended-A has pairs, which begin on even numbers in most of it.
  if (letter >= 0x100 && letter <= 0x137 && letter != 0x130 && letter != 0x131) return letter | 1;
  if (letter >= 0x139 && letter <= 0x148) return letter + (letter & 1);
  if (letter >= 0x14a && letter <= 0x177) return letter | 1;
  if (letter == 0x178) return 0xff;
  if (letter >= 0x179 && letter <= 0x17e) return letter + (letter & 1);
  if (letter >= 0x391 && letter <= 0x3ab && letter != 0x3a2) return letter + 0x20;
  if (letter >= 0x400 && letter <= 0x40f) return letter + 0x50;
  if (letter >= 0x410 && letter <= 0x42f) return letter + 0x20;
  return letter;
}

}  // namespace

std::string folded_name(std::string_view name) {
  std::string folded;
  folded.reserve(name.size());
  for (std::size_t i = 0; i < name.size(); ++i) {
    const auto byte = static_cast<unsigned char>(name[i]);
    const auto next = i + 1 < name.size() ? static_cast<unsigned char>(name[i + 1]) : 0U;
    if (byte >= 'A' && byte <= 'Z') {
      folded.push_back(static_cast<char>(byte + 0x20));
    } else if (byte >= 0xc2 && byte <= 0xdf && (next & 0xc0U) == 0x80) {
      const std::uint32_t letter = small_letter((byte & 0x1fU) << 6U | (next & 0x3fU));
      folded.push_back(static_cast<char>(0xc0U | letter >> 6U));
      folded.push_back(static_cast<char>(0x80U | (letter & 0x3fU)));
      ++i;
    } else {
      folded.push_back(name[i]);
    }
  }
  return folded;
}

}  // namespace backstay::engine::restoring
