// Runs of bytes. `Bytes` owns, `ByteView` borrows; text and bytes convert only through as_bytes and
// as_text, so that a name that is not UTF-8 survives.
#pragma once

#include <bit>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <span>
#include <string_view>
#include <vector>

namespace backstay {

using Bytes = std::vector<std::uint8_t>;
using ByteView = std::span<const std::uint8_t>;
using MutableByteView = std::span<std::uint8_t>;

[[nodiscard]] inline ByteView as_bytes(std::string_view text) {
  return {reinterpret_cast<const std::uint8_t*>(text.data()), text.size()};
}
[[nodiscard]] inline std::string_view as_text(ByteView bytes) {
  return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
}
[[nodiscard]] inline Bytes to_owned(ByteView bytes) {
  return {bytes.begin(), bytes.end()};
}

inline void append(Bytes& out, ByteView bytes) {
  out.insert(out.end(), bytes.begin(), bytes.end());
}

[[nodiscard]] inline bool same_bytes(ByteView a, ByteView b) {
  return a.size() == b.size() && (a.empty() || std::memcmp(a.data(), b.data(), a.size()) == 0);
}

// True when every byte is zero; an empty run counts as zero.
[[nodiscard]] inline bool all_zero(ByteView bytes) {
  return bytes.empty() ||
         (bytes[0] == 0 && std::memcmp(bytes.data(), bytes.data() + 1, bytes.size() - 1) == 0);
}

// Little-endian integers of fixed width, as docs/format.md uses them.
template <typename Int>
[[nodiscard]] inline Int load_le(const std::uint8_t* from) {
  static_assert(std::endian::native == std::endian::little, "add a byte swap for this machine");
  Int value;
  std::memcpy(&value, from, sizeof value);
  return value;
}
template <typename Int>
inline void store_le(std::uint8_t* to, Int value) {
  static_assert(std::endian::native == std::endian::little, "add a byte swap for this machine");
  std::memcpy(to, &value, sizeof value);
}
template <typename Int>
inline void append_le(Bytes& out, Int value) {
  std::uint8_t raw[sizeof value];
  store_le(raw, value);
  append(out, raw);
}

}  // namespace backstay
