// Snapshots and zones for the tests of retention. For tests only.
#pragma once

#include <chrono>
#include <cstdint>
#include <string>
#include <vector>

#include "policy/retention.h"

namespace backstay::policy {

// Seconds since 1970 of a date and time in UTC.
inline std::int64_t utc(int year, unsigned month, unsigned day, int hour = 0, int minute = 0) {
  const std::chrono::sys_days date =
      std::chrono::year(year) / std::chrono::month(month) / std::chrono::day(day);
  return date.time_since_epoch().count() * 86'400 + hour * 3600 + minute * 60;
}

inline std::int64_t zone_utc(std::int64_t /*utc_seconds*/) {
  return 0;
}

// The zone Europe/Berlin since 1996: an hour ahead, two from the last Sunday of March to the last
// one of October, both at 01:00 UTC.
inline std::int64_t zone_berlin(std::int64_t utc_seconds) {
  using std::chrono::Sunday;
  const auto days = utc_seconds / 86'400 - (utc_seconds % 86'400 < 0 ? 1 : 0);
  const std::chrono::year_month_day date{
      std::chrono::sys_days(std::chrono::days(static_cast<int>(days)))};
  const auto change = [&](std::chrono::month month) {
    const std::chrono::sys_days day = date.year() / month / Sunday[std::chrono::last];
    return day.time_since_epoch().count() * std::int64_t{86'400} + 3600;
  };
  const bool summer =
      utc_seconds >= change(std::chrono::March) && utc_seconds < change(std::chrono::October);
  return summer ? 7200 : 3600;
}

// The zone America/New_York since 2007: five hours behind, four from the second Sunday of March to
// the first one of November, both at 02:00 of the clocks until then.
inline std::int64_t zone_new_york(std::int64_t utc_seconds) {
  using std::chrono::Sunday;
  const auto days = utc_seconds / 86'400 - (utc_seconds % 86'400 < 0 ? 1 : 0);
  const std::chrono::year year =
      std::chrono::year_month_day{std::chrono::sys_days(std::chrono::days(static_cast<int>(days)))}
          .year();
  const auto midnight = [](std::chrono::sys_days day) {
    return day.time_since_epoch().count() * std::int64_t{86'400};
  };
  const bool summer = utc_seconds >= midnight(year / std::chrono::March / Sunday[2]) + 7 * 3600 &&
                      utc_seconds < midnight(year / std::chrono::November / Sunday[1]) + 6 * 3600;
  return summer ? -4 * 3600 : -5 * 3600;
}

inline SnapshotFacts facts_at(std::int64_t utc_seconds, std::uint8_t id = 0) {
  SnapshotFacts facts;
  facts.id.bytes[0] = id;
  facts.time = {.seconds = utc_seconds, .nanos = 0};
  facts.host = "web";
  facts.paths = {"/home"};
  return facts;
}

inline bool is_kept(const std::vector<Group>& groups, std::size_t index) {
  for (const Group& group : groups) {
    for (const Verdict& verdict : group.verdicts) {
      if (verdict.index == index) return verdict.decision == Decision::kKeep;
    }
  }
  return true;  // not selected
}

}  // namespace backstay::policy
