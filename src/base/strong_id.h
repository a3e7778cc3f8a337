// Identifiers of N bytes that cannot be mistaken for one another: StrongId<struct PackTag, 32>.
#pragma once

#include <array>
#include <compare>
#include <cstring>
#include <functional>
#include <string>
#include <string_view>

#include "base/bytes.h"
#include "base/error.h"
#include "base/hex.h"
#include "base/try.h"

namespace backstay {

template <typename Tag, std::size_t N = 32>
struct StrongId {
  static constexpr std::size_t kSize = N;
  std::array<std::uint8_t, N> bytes{};

  // Fails with invalid_argument unless `view` has exactly N bytes.
  static Result<StrongId> from_bytes(ByteView view) {
    if (view.size() != N) return fail(ErrorCode::kInvalidArgument, "identifier has a wrong length");
    StrongId id;
    std::memcpy(id.bytes.data(), view.data(), N);
    return id;
  }
  static Result<StrongId> from_hex(std::string_view text) {
    const Bytes raw = TRY(backstay::from_hex(text));
    return from_bytes(raw);
  }

  [[nodiscard]] ByteView view() const { return bytes; }
  [[nodiscard]] std::string hex() const { return to_hex(bytes); }
  // The first eight digits: enough for people.
  [[nodiscard]] std::string short_hex() const { return to_hex(ByteView(bytes).first(4)); }

  friend auto operator<=>(const StrongId&, const StrongId&) = default;
};

}  // namespace backstay

template <typename Tag, std::size_t N>
struct std::hash<backstay::StrongId<Tag, N>> {
  // Identifiers are digests or random: any eight bytes of them are a hash.
  std::size_t operator()(const backstay::StrongId<Tag, N>& id) const noexcept {
    return backstay::load_le<std::size_t>(id.bytes.data());
  }
};
