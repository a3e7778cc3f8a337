#include "policy/calendar.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <chrono>

namespace backstay::policy {

namespace {

using std::chrono::days;
using std::chrono::sys_days;
using std::chrono::year_month_day;

constexpr std::int64_t kDaySeconds = 86'400;
constexpr std::int64_t kHourSeconds = 3600;
// About the year 30,489: the years of std::chrono end with 32,767, those of stored times do not.
constexpr std::int64_t kSecondsMax = 900'000'000'000;
constexpr std::uint32_t kUnitsMax = 99'999;

// What a clock and a calendar on the wall show.
struct LocalTime {
  sys_days day;
  std::int64_t second_of_day = 0;
  std::int64_t offset = 0;
};

std::int64_t floor_div(std::int64_t value, std::int64_t by) {
  return value / by - (value % by < 0 ? 1 : 0);
}

LocalTime local_time(std::int64_t utc_seconds, const UtcOffset& zone) {
  LocalTime local;
  const std::int64_t seconds = std::clamp(utc_seconds, -kSecondsMax, kSecondsMax);
  local.offset = std::clamp(zone(seconds), -kDaySeconds, kDaySeconds);
  const std::int64_t shown = seconds + local.offset;
  const std::int64_t day = floor_div(shown, kDaySeconds);
  local.day = sys_days(days(day));
  local.second_of_day = shown - day * kDaySeconds;
  return local;
}

// The moment at which clocks show that. Of a time that they show twice, the earlier one; a time
// that they leap over is taken to be that much earlier. So whoever reaches back reaches no less
// far.
std::int64_t utc_of(sys_days day, std::int64_t second_of_day, const UtcOffset& zone) {
  const std::int64_t shown = day.time_since_epoch().count() * kDaySeconds + second_of_day;
  // Clocks change at most once within two days, so one of these offsets holds.
  const std::int64_t before = zone(shown - kDaySeconds);
  const std::int64_t after = zone(shown + kDaySeconds);
  const std::int64_t earlier = shown - std::max(before, after);
  const std::int64_t later = shown - std::min(before, after);
  const bool only_later = zone(earlier) != shown - earlier && zone(later) == shown - later;
  return only_later ? later : earlier;
}

// Weeks begin on Monday, and belong to the year that their Thursday lies in (ISO 8601).
sys_days thursday_of(sys_days day) {
  const auto from_monday = static_cast<int>(std::chrono::weekday(day).iso_encoding()) - 1;
  return day - days(from_monday) + days(3);
}

std::string name_of_week(sys_days day) {
  const sys_days thursday = thursday_of(day);
  const std::chrono::year year = year_month_day(thursday).year();
  const auto of_year = (thursday - sys_days(year / std::chrono::January / 1)).count();
  return fmt::format("{:04}-W{:02}", static_cast<int>(year), of_year / 7 + 1);
}

}  // namespace

std::string_view to_string(Calendar calendar) {
  switch (calendar) {
    case Calendar::kHourly:
      return "hourly";
    case Calendar::kDaily:
      return "daily";
    case Calendar::kWeekly:
      return "weekly";
    case Calendar::kMonthly:
      return "monthly";
    case Calendar::kYearly:
      return "yearly";
  }
  return "";
}

Bucket bucket_of(Calendar calendar, Timestamp time, const UtcOffset& zone) {
  const LocalTime local = local_time(time.seconds, zone);
  const year_month_day date(local.day);
  const std::int64_t day = local.day.time_since_epoch().count();
  const std::int64_t year = static_cast<int>(date.year());
  switch (calendar) {
    case Calendar::kHourly:
      return {.number = day * 24 + local.second_of_day / kHourSeconds, .offset = local.offset};
    case Calendar::kDaily:
      return {.number = day, .offset = 0};
    case Calendar::kWeekly:
      return {.number = thursday_of(local.day).time_since_epoch().count(), .offset = 0};
    case Calendar::kMonthly:
      return {.number = year * 12 + static_cast<unsigned>(date.month()) - 1, .offset = 0};
    case Calendar::kYearly:
      return {.number = year, .offset = 0};
  }
  return {};
}

std::string bucket_name(Calendar calendar, Timestamp time, const UtcOffset& zone) {
  const LocalTime local = local_time(time.seconds, zone);
  const year_month_day date(local.day);
  std::string year = fmt::format("{:04}", static_cast<int>(date.year()));
  std::string month = fmt::format("{}-{:02}", year, static_cast<unsigned>(date.month()));
  std::string day = fmt::format("{}-{:02}", month, static_cast<unsigned>(date.day()));
  switch (calendar) {
    case Calendar::kHourly:
      return fmt::format("{} {:02}:00", day, local.second_of_day / kHourSeconds);
    case Calendar::kDaily:
      return day;
    case Calendar::kWeekly:
      return name_of_week(local.day);
    case Calendar::kMonthly:
      return month;
    case Calendar::kYearly:
      return year;
  }
  return {};
}

static bool add_units(Period& period, char unit, std::uint32_t count) {
  std::uint32_t* target = nullptr;
  if (unit == 'y') target = &period.years;
  if (unit == 'm') target = &period.months;
  if (unit == 'd' || unit == 'w') target = &period.days;
  if (unit == 'h') target = &period.hours;
  if (target == nullptr) return false;
  *target += unit == 'w' ? 7 * count : count;
  return *target <= kUnitsMax;
}

Result<Period> parse_period(std::string_view text) {
  Period period;
  std::string_view rest = text;
  bool good = true;
  while (good && !rest.empty()) {
    std::uint32_t count = 0;
    const auto [end, error] = std::from_chars(rest.data(), rest.data() + rest.size(), count);
    rest.remove_prefix(static_cast<std::size_t>(end - rest.data()));
    good = error == std::errc{} && count <= kUnitsMax && !rest.empty() &&
           add_units(period, rest.front(), count);
    if (good) rest.remove_prefix(1);
  }
  if (good && period != Period{}) return period;
  return std::unexpected(
      Error(ErrorCode::kInvalidArgument, fmt::format("'{}' is not a span of the calendar", text))
          .with_hint("Write numbers with the units y, m (months), w, d and h, for example 7d or "
                     "1y6m."));
}

std::string to_string(const Period& period) {
  std::string out;
  const auto add = [&out](std::uint32_t count, char unit) {
    if (count > 0) out += fmt::format("{}{}", count, unit);
  };
  add(period.years, 'y');
  add(period.months, 'm');
  add(period.days, 'd');
  add(period.hours, 'h');
  return out;
}

Timestamp before(Timestamp time, const Period& period, const UtcOffset& zone) {
  const LocalTime local = local_time(time.seconds, zone);
  const year_month_day date(local.day);
  // Nothing that is kept is older than the years that can be counted.
  constexpr std::int64_t kYearMin = -28'000;
  const std::int64_t months = static_cast<int>(date.year()) * std::int64_t{12} +
                              static_cast<unsigned>(date.month()) - 1 -
                              std::int64_t{period.years} * 12 - period.months;
  const std::int64_t year = std::max(floor_div(months, 12), kYearMin);
  const auto month = static_cast<unsigned>(months - floor_div(months, 12) * 12 + 1);
  const sys_days first = std::chrono::year(static_cast<int>(year)) / std::chrono::month(month) / 1;
  const sys_days day = first + days(static_cast<int>(static_cast<unsigned>(date.day())) - 1) -
                       days(static_cast<int>(period.days));
  return {.seconds = utc_of(day, local.second_of_day, zone) - period.hours * kHourSeconds,
          .nanos = time.nanos};
}

}  // namespace backstay::policy
