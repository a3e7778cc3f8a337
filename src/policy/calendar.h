// Hours, days, weeks, months and years of a time zone, and spans of them. Pure: the zone comes in
// as a function.
#pragma once

#include <array>
#include <cstdint>
#include <functional>
#include <string>
#include <string_view>

#include "base/clock.h"
#include "base/error.h"

namespace backstay::policy {

// Seconds east of UTC that clocks of a zone show at a moment (in seconds since 1970). Always the
// same for the same moment.
using UtcOffset = std::function<std::int64_t(std::int64_t utc_seconds)>;

enum class Calendar : std::uint8_t { kHourly, kDaily, kWeekly, kMonthly, kYearly };
inline constexpr std::array kCalendars{Calendar::kHourly, Calendar::kDaily, Calendar::kWeekly,
                                       Calendar::kMonthly, Calendar::kYearly};
[[nodiscard]] std::string_view to_string(Calendar calendar);  // "hourly", ...

// The hour, day, ISO week, month or year that a moment lies in. An hour that clocks show twice, as
// on the day that has 25 of them, is two hours.
struct Bucket {
  std::int64_t number = 0;
  std::int64_t offset = 0;
  friend bool operator==(const Bucket&, const Bucket&) = default;
};
[[nodiscard]] Bucket bucket_of(Calendar calendar, Timestamp time, const UtcOffset& zone);
// "2026-11-20 10:00", "2026-11-20", "2026-W47", "2026-11", "2026".
[[nodiscard]] std::string bucket_name(Calendar calendar, Timestamp time, const UtcOffset& zone);

// "1y6m", "7d", "36h": years, months, days, hours. A week is seven days.
struct Period {
  std::uint32_t years = 0;
  std::uint32_t months = 0;
  std::uint32_t days = 0;
  std::uint32_t hours = 0;
  friend bool operator==(const Period&, const Period&) = default;
};
// Numbers with the units y, m, w, d, h, one after another; more than nothing.
Result<Period> parse_period(std::string_view text);
[[nodiscard]] std::string to_string(const Period& period);
// That long before `time`, by the calendar: a month before the 31st of March is the 3rd (or 2nd) of
// March, as "the 31st of February" is. Days are those of the zone, hours are 3600 seconds.
[[nodiscard]] Timestamp before(Timestamp time, const Period& period, const UtcOffset& zone);

}  // namespace backstay::policy
