#include "base/byte_size.h"

#include <fmt/format.h>

#include <array>
#include <cctype>
#include <charconv>
#include <cmath>

#include "base/try.h"

namespace backstay {

static Result<double> unit_factor(std::string_view unit, std::string_view whole) {
  std::string lower;
  for (const char c : unit) {
    if (c != ' ') lower += static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
  }
  if (lower.empty() || lower == "b") return 1.0;
  const std::size_t power = std::string_view("kmgtp").find(lower[0]);
  const std::string_view rest = std::string_view(lower).substr(1);
  if (power != std::string_view::npos && (rest.empty() || rest == "ib" || rest == "b")) {
    return std::pow(rest == "b" ? 1000.0 : 1024.0, static_cast<double>(power + 1));
  }
  return std::unexpected(
      Error(ErrorCode::kInvalidArgument, fmt::format("'{}' is not a size", whole))
          .with_hint("Write a number and a unit, for example 64MiB or 1.5G."));
}

Result<std::uint64_t> parse_byte_size(std::string_view text) {
  double number = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (error != std::errc{} || !(number >= 0)) {
    return std::unexpected(
        Error(ErrorCode::kInvalidArgument, fmt::format("'{}' is not a size", text))
            .with_hint("Write a number and a unit, for example 64MiB or 1.5G."));
  }
  const std::string_view unit = text.substr(static_cast<std::size_t>(end - text.data()));
  const double bytes = number * TRY(unit_factor(unit, text));
  if (bytes >= 9.2e18) {
    return fail(ErrorCode::kInvalidArgument, fmt::format("'{}' is too large a size", text));
  }
  return static_cast<std::uint64_t>(std::llround(bytes));
}

std::string format_byte_size(std::uint64_t bytes) {
  static constexpr std::array kUnits{"B", "KiB", "MiB", "GiB", "TiB", "PiB", "EiB"};
  if (bytes < 1024) return fmt::format("{} B", bytes);
  double value = static_cast<double>(bytes);
  std::size_t unit = 0;
  while (value >= 1024 && unit + 1 < kUnits.size()) {
    value /= 1024;
    ++unit;
  }
  const int decimals = value < 10 ? 3 : value < 100 ? 2 : 1;
  return fmt::format("{:.{}f} {}", value, decimals, kUnits[unit]);
}

}  // namespace backstay
