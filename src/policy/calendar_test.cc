#include "policy/calendar.h"

#include <gtest/gtest.h>

#include <cstdlib>
#include <ctime>
#include <set>

#include "policy/testing/facts.h"

namespace backstay::policy {
namespace {

std::string name_at(Calendar calendar, std::int64_t utc_seconds, const UtcOffset& zone) {
  return bucket_name(calendar, {.seconds = utc_seconds, .nanos = 0}, zone);
}

std::size_t hours_of_day(int year, unsigned month, unsigned day) {
  std::set<std::pair<std::int64_t, std::int64_t>> hours;
  const std::int64_t noon = utc(year, month, day, 12);
  const std::string name = name_at(Calendar::kDaily, noon, zone_berlin);
  for (std::int64_t at = noon - 86'400; at < noon + 86'400; at += 600) {
    if (name_at(Calendar::kDaily, at, zone_berlin) != name) continue;
    const Bucket bucket = bucket_of(Calendar::kHourly, {.seconds = at, .nanos = 0}, zone_berlin);
    hours.emplace(bucket.number, bucket.offset);
  }
  return hours.size();
}

TEST(Calendar, CallsAMomentByWhatTheZoneShows) {
  const std::int64_t at = utc(2026, 11, 20, 23, 30);
  EXPECT_EQ(name_at(Calendar::kHourly, at, zone_berlin), "2026-11-21 00:00");
  EXPECT_EQ(name_at(Calendar::kDaily, at, zone_utc), "2026-11-20");
  EXPECT_EQ(name_at(Calendar::kDaily, at, zone_berlin), "2026-11-21");
  EXPECT_EQ(name_at(Calendar::kWeekly, at, zone_berlin), "2026-W47");
  EXPECT_EQ(name_at(Calendar::kMonthly, at, zone_berlin), "2026-11");
  EXPECT_EQ(name_at(Calendar::kYearly, at, zone_berlin), "2026");
}

TEST(Calendar, CountsWeeksAsIsoDoes) {
  EXPECT_EQ(name_at(Calendar::kWeekly, utc(2024, 12, 30), zone_utc), "2025-W01");
  EXPECT_EQ(name_at(Calendar::kWeekly, utc(2025, 1, 5), zone_utc), "2025-W01");
  EXPECT_EQ(name_at(Calendar::kWeekly, utc(2025, 1, 6), zone_utc), "2025-W02");
  EXPECT_EQ(name_at(Calendar::kWeekly, utc(2021, 1, 3), zone_utc), "2020-W53");
  EXPECT_EQ(name_at(Calendar::kWeekly, utc(1969, 12, 29), zone_utc), "1970-W01");
}

TEST(Calendar, GivesDaysOfTheClockChangeTheirTrueHours) {
  EXPECT_EQ(hours_of_day(2026, 3, 28), 24U);
  EXPECT_EQ(hours_of_day(2026, 3, 29), 23U);
  EXPECT_EQ(hours_of_day(2026, 10, 25), 25U);
}

TEST(Calendar, ReachesBackByDatesAndNotBySeconds) {
  // The night before had 25 hours.
  const Timestamp monday{.seconds = utc(2026, 10, 26, 9), .nanos = 5};
  EXPECT_EQ(before(monday, {.days = 1}, zone_berlin).seconds, utc(2026, 10, 25, 9));
  EXPECT_EQ(before(monday, {.days = 2}, zone_berlin).seconds, utc(2026, 10, 24, 8));
  EXPECT_EQ(before(monday, {.hours = 48}, zone_berlin).seconds, utc(2026, 10, 24, 9));
  EXPECT_EQ(before(monday, {.months = 10}, zone_berlin).seconds, utc(2025, 12, 26, 9));
  EXPECT_EQ(before(monday, {.days = 1}, zone_berlin).nanos, 5U);
  const Timestamp end_of_march{.seconds = utc(2026, 3, 31, 12), .nanos = 0};
  EXPECT_EQ(before(end_of_march, {.months = 1}, zone_utc).seconds, utc(2026, 3, 3, 12));
  EXPECT_EQ(before(end_of_march, {.years = 2, .months = 1}, zone_utc).seconds, utc(2024, 3, 2, 12));
}

TEST(Calendar, TakesTheEarlierMomentWhereClocksLeapOrShowATimeTwice) {
  const auto a_day_before = [](std::int64_t at, const UtcOffset& zone) {
    return before({.seconds = at, .nanos = 0}, {.days = 1}, zone).seconds;
  };
  // 02:30 does not exist on 2026-03-29 in Berlin: 01:30.
  EXPECT_EQ(a_day_before(utc(2026, 3, 30, 0, 30), zone_berlin), utc(2026, 3, 29, 0, 30));
  // Nor on 2026-03-08 in New York.
  EXPECT_EQ(a_day_before(utc(2026, 3, 9, 6, 30), zone_new_york), utc(2026, 3, 8, 6, 30));
  // 02:30 is there twice on 2026-10-25 in Berlin, 01:30 on 2026-11-01 in New York.
  EXPECT_EQ(a_day_before(utc(2026, 10, 26, 1, 30), zone_berlin), utc(2026, 10, 25, 0, 30));
  EXPECT_EQ(a_day_before(utc(2026, 11, 2, 6, 30), zone_new_york), utc(2026, 11, 1, 5, 30));
  // Shortly before and after, nothing is special.
  EXPECT_EQ(a_day_before(utc(2026, 3, 29, 23, 30), zone_berlin), utc(2026, 3, 29, 0, 30));
  EXPECT_EQ(a_day_before(utc(2026, 3, 30, 1, 30), zone_berlin), utc(2026, 3, 29, 1, 30));
  EXPECT_EQ(a_day_before(utc(2026, 3, 9, 7, 30), zone_new_york), utc(2026, 3, 8, 7, 30));
  EXPECT_EQ(a_day_before(utc(2026, 3, 9, 5, 30), zone_new_york), utc(2026, 3, 8, 6, 30));
}

// Every moment is found again from what clocks show, a day later by them.
TEST(Calendar, FindsEveryMomentThatIsShownOnce) {
  for (const UtcOffset& zone : {UtcOffset(zone_berlin), UtcOffset(zone_new_york)}) {
    for (std::int64_t at = utc(2026, 1, 1); at < utc(2027, 1, 1); at += 1800) {
      const std::int64_t shown = at + zone(at);
      std::int64_t next = at + 86'400;
      next += shown + 86'400 - (next + zone(next));
      if (next + zone(next) != shown + 86'400) continue;  // leapt over a day later
      const std::int64_t found = before({.seconds = next, .nanos = 0}, {.days = 1}, zone).seconds;
      ASSERT_EQ(found + zone(found), shown) << at;
      ASSERT_LE(found, at) << at;
    }
  }
}

TEST(Calendar, StandsTimesThatNoCalendarKnows) {
  for (const std::int64_t absurd : {INT64_MIN, std::int64_t{-1}, INT64_MAX}) {
    for (const Calendar calendar : kCalendars)
      EXPECT_FALSE(name_at(calendar, absurd, zone_utc).empty());
    const Timestamp time{.seconds = absurd, .nanos = 0};
    EXPECT_LT(before(time, {.years = 1}, zone_utc).seconds, INT64_MAX);
    EXPECT_LT(
        before(time, {.years = 99'999, .months = 99'999, .days = 99'999, .hours = 99'999}, zone_utc)
            .seconds,
        0);
  }
}

TEST(Calendar, ReadsAndWritesPeriods) {
  for (const char* text : {"7d", "1y6m", "2y5m7d3h", "36h", "99999d"}) {
    const auto period = parse_period(text);
    ASSERT_TRUE(period) << text;
    EXPECT_EQ(to_string(*period), text);
  }
  EXPECT_EQ(*parse_period("2w1d"), (Period{.days = 15}));
  for (const char* text : {"", "7", "d", "0d", "7d ", "-1d", "1s", "1000000d", "99999w", "7D"})
    EXPECT_FALSE(parse_period(text)) << text;
}

TEST(LocalZone, FollowsTheRulesOfTheZoneAtTheMoment) {
  const char* const before_test = std::getenv("TZ");
  const std::string kept = before_test == nullptr ? "" : before_test;
  ASSERT_EQ(setenv("TZ", "CET-1CEST,M3.5.0,M10.5.0/3", 1), 0);
  tzset();
  for (std::int64_t at = utc(2026, 1, 1); at < utc(2027, 1, 1); at += 1800)
    ASSERT_EQ(local_utc_offset(at), zone_berlin(at)) << at;
  EXPECT_EQ(local_utc_offset(INT64_MAX), 0);
  if (before_test == nullptr)
    unsetenv("TZ");
  else
    setenv("TZ", kept.c_str(), 1);
  tzset();
}

}  // namespace
}  // namespace backstay::policy
