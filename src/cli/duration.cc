#include "cli/duration.h"

#include <fmt/format.h>

#include <charconv>

#include "base/try.h"

namespace backstay::cli {
namespace {

std::int64_t seconds_of_unit(char unit) {
  switch (unit) {
    case 's':
      return 1;
    case 'm':
      return 60;
    case 'h':
      return 3600;
    case 'd':
      return 86400;
    case 'w':
      return 7 * 86400;
    default:
      return 0;
  }
}

}  // namespace

Result<std::chrono::seconds> parse_duration(std::string_view text) {
  constexpr std::int64_t kCountMax = 1'000'000;
  std::int64_t total = 0;
  std::string_view rest = text;
  while (!rest.empty()) {
    std::int64_t count = 0;
    const auto [end, error] = std::from_chars(rest.data(), rest.data() + rest.size(), count);
    rest.remove_prefix(static_cast<std::size_t>(end - rest.data()));
    const bool bare = rest.empty() && total == 0;
    const std::int64_t unit = bare ? 1 : rest.empty() ? 0 : seconds_of_unit(rest.front());
    if (!rest.empty()) rest.remove_prefix(1);
    if (error != std::errc{} || unit == 0 || count < 0 || count > kCountMax) {
      total = 0;
      break;
    }
    total += count * unit;
  }
  if (total > 0) return std::chrono::seconds(total);
  return std::unexpected(
      Error(ErrorCode::kInvalidArgument, fmt::format("'{}' is not a span of time", text))
          .with_hint("Write a number and a unit, for example 30m or 1h30m."));
}

Result<std::chrono::milliseconds> parse_short_duration(std::string_view text) {
  if (!text.ends_with("ms")) return TRY(parse_duration(text));
  constexpr std::int64_t kCountMax = 1'000'000;
  std::int64_t count = 0;
  const std::string_view digits = text.substr(0, text.size() - 2);
  const char* const last = digits.data() + digits.size();
  const auto [end, error] = std::from_chars(digits.data(), last, count);
  if (error == std::errc{} && end == last && count > 0 && count <= kCountMax)
    return std::chrono::milliseconds(count);
  return std::unexpected(
      Error(ErrorCode::kInvalidArgument, fmt::format("'{}' is not a span of time", text))
          .with_hint("Write a number and a unit, for example 500ms or 2s."));
}

}  // namespace backstay::cli
