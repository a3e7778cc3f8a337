#include "http/date.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <chrono>

namespace backstay::http {
namespace {

constexpr std::array<std::string_view, 12> kMonths{"Jan", "Feb", "Mar", "Apr", "May", "Jun",
                                                   "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"};
constexpr std::array<std::string_view, 7> kDays{"Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat"};
constexpr std::string_view kPattern = "???, ## ??? #### ##:##:## GMT";

bool fits(std::string_view text) {
  return text.size() == kPattern.size() && std::ranges::equal(text, kPattern, [](char c, char p) {
           return p == '?' || (p == '#' ? c >= '0' && c <= '9' : c == p);
         });
}

int number_at(std::string_view text, std::size_t from, std::size_t digits) {
  int number = 0;
  std::from_chars(text.data() + from, text.data() + from + digits, number);
  return number;
}

}  // namespace

Result<Timestamp> parse_http_date(std::string_view text) {
  const auto broken = [&] {
    return fail(ErrorCode::kCorruption, fmt::format("'{}' is no date of HTTP", text));
  };
  if (!fits(text)) return broken();
  const auto month = std::ranges::find(kMonths, text.substr(8, 3));
  const std::chrono::year_month_day day(
      std::chrono::year(number_at(text, 12, 4)),
      std::chrono::month(static_cast<unsigned>(month - kMonths.begin()) + 1),
      std::chrono::day(static_cast<unsigned>(number_at(text, 5, 2))));
  const int hour = number_at(text, 17, 2);
  const int minute = number_at(text, 20, 2);
  const int second = number_at(text, 23, 2);
  if (month == kMonths.end() || !day.ok() || hour > 23 || minute > 59 || second > 60) {
    return broken();
  }
  const std::int64_t days = std::chrono::sys_days(day).time_since_epoch().count();
  return Timestamp{.seconds = ((days * 24 + hour) * 60 + minute) * 60 + second, .nanos = 0};
}

std::string format_http_date(Timestamp time) {
  const std::chrono::sys_seconds moment{std::chrono::seconds(time.seconds)};
  const auto midnight = std::chrono::floor<std::chrono::days>(moment);
  const std::chrono::year_month_day day(midnight);
  const std::chrono::hh_mm_ss clock(moment - midnight);
  return fmt::format("{}, {:02} {} {:04} {:02}:{:02}:{:02} GMT",
                     kDays[std::chrono::weekday(midnight).c_encoding()],
                     static_cast<unsigned>(day.day()),
                     kMonths[static_cast<unsigned>(day.month()) - 1], static_cast<int>(day.year()),
                     clock.hours().count(), clock.minutes().count(), clock.seconds().count());
}

}  // namespace backstay::http
