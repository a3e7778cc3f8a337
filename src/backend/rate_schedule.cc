#include "backend/rate_schedule.h"

#include <fmt/format.h>

#include <algorithm>

#include "base/byte_size.h"
#include "base/try.h"

namespace backstay::backend {
namespace {

constexpr int kMinutesOfDay = 24 * 60;

std::unexpected<Error> no_schedule(std::string_view why) {
  return std::unexpected(
      Error(ErrorCode::kInvalidArgument, std::string(why))
          .with_hint("Write a rate such as 10M, and windows with rates of their own after it: "
                     "10M,08:00-18:00=1M,22:00-06:00=off."));
}

Result<std::uint64_t> parse_rate(std::string_view text) {
  if (text == "off") return std::uint64_t{0};
  const std::uint64_t rate = TRY(parse_byte_size(text));
  if (rate == 0) return no_schedule("a rate must be more than nothing a second");
  return rate;
}

// "08:30", and "24:00" for the end of the day.
Result<int> parse_minute(std::string_view text) {
  const auto digit = [&](std::size_t at) { return text[at] - '0'; };
  const bool has_form =
      text.size() == 5 && text[2] == ':' &&
      std::ranges::all_of(text, [](char c) { return (c >= '0' && c <= '9') || c == ':'; }) &&
      std::ranges::count(text, ':') == 1;
  if (!has_form) return no_schedule(fmt::format("'{}' is no time of day such as 08:30", text));
  const int minutes = digit(3) * 10 + digit(4);
  const int minute = (digit(0) * 10 + digit(1)) * 60 + minutes;
  if (minutes >= 60 || minute > kMinutesOfDay) {
    return no_schedule(fmt::format("'{}' is no time of day such as 08:30", text));
  }
  return minute;
}

Result<RateSchedule::Window> parse_window(std::string_view text) {
  const std::size_t dash = text.find('-');
  const std::size_t equals = text.find('=');
  if (dash == std::string_view::npos || equals == std::string_view::npos || equals < dash) {
    return no_schedule(fmt::format("'{}' is no window such as 08:00-18:00=1M", text));
  }
  return RateSchedule::Window{
      .from_minute = TRY(parse_minute(text.substr(0, dash))) % kMinutesOfDay,
      .to_minute = TRY(parse_minute(text.substr(dash + 1, equals - dash - 1))) % kMinutesOfDay,
      .rate = TRY(parse_rate(text.substr(equals + 1)))};
}

bool contains(const RateSchedule::Window& window, int minute) {
  const bool begun = minute >= window.from_minute;
  const bool ended = minute >= window.to_minute;
  if (window.from_minute < window.to_minute) return begun && !ended;
  return begun || !ended;
}

}  // namespace

std::uint64_t RateSchedule::at(Timestamp time) const {
  constexpr std::int64_t kSecondsOfDay = 60 * kMinutesOfDay;
  if (windows.empty()) return otherwise;
  const std::int64_t local = time.seconds + local_utc_offset(time.seconds);
  const std::int64_t second = (local % kSecondsOfDay + kSecondsOfDay) % kSecondsOfDay;
  const auto minute = static_cast<int>(second / 60);
  for (const Window& window : windows) {
    if (contains(window, minute)) return window.rate;
  }
  return otherwise;
}

bool RateSchedule::never_limits() const {
  return otherwise == 0 &&
         std::ranges::all_of(windows, [](const Window& window) { return window.rate == 0; });
}

Result<RateSchedule> parse_rate_schedule(std::string_view text) {
  RateSchedule schedule;
  for (bool first = true;; first = false) {
    const std::string_view part = text.substr(0, text.find(','));
    if (first && !part.contains('=')) {
      schedule.otherwise = TRY(parse_rate(part));
    } else {
      schedule.windows.push_back(TRY(parse_window(part)));
    }
    if (part.size() == text.size()) return schedule;
    text.remove_prefix(part.size() + 1);
  }
}

}  // namespace backstay::backend
