#include "config/schedule.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace backstay::config {
namespace {

using testing::ElementsAre;

std::string cron_of(std::string_view text) {
  return cron_fields(parse_schedule(text).value());
}
std::vector<std::string> events_of(std::string_view text) {
  return calendar_events(parse_schedule(text).value());
}
Result<Schedule> from_yaml(const std::string& text) {
  const Value top = parse_yaml("schedule: " + text + "\n", "f").value();
  return read_schedule(*top.find("schedule"));
}

TEST(Schedule, IsReadAsCronWritesIt) {
  EXPECT_EQ(cron_of("15 */6 * * *"), "15 0,6,12,18 * * *");
  EXPECT_EQ(cron_of("*/20 8-10 1,15 jan-MAR mon-fri"), "0,20,40 8,9,10 1,15 1,2,3 1,2,3,4,5");
  EXPECT_EQ(cron_of("0 0 * * 7"), "0 0 * * 0");
  EXPECT_EQ(cron_of("0 0 * * 0-7"), "0 0 * * *");
  EXPECT_EQ(cron_of("hourly"), "0 * * * *");
  EXPECT_EQ(cron_of("daily"), "0 2 * * *");
  EXPECT_EQ(cron_of("weekly"), "0 2 * * 0");
  EXPECT_EQ(cron_of("monthly"), "0 2 1 * *");
}

TEST(Schedule, IsGivenAsSystemdTakesIt) {
  EXPECT_THAT(events_of("30 2 * * *"), ElementsAre("*-*-* 02:30:00"));
  EXPECT_THAT(events_of("0 */12 * 6 sat"), ElementsAre("Sat *-06-* 00,12:00:00"));
  EXPECT_THAT(events_of("* * * * *"), ElementsAre("*-*-* *:*:00"));
}

TEST(Schedule, TakesOneOfTwoDaysAsEnough) {
  EXPECT_THAT(events_of("0 3 13 * 5"), ElementsAre("*-*-13 03:00:00", "Fri *-*-* 03:00:00"));
}

TEST(Schedule, IsReadAsPeopleWriteIt) {
  EXPECT_EQ(cron_fields(from_yaml("{every: daily, at: \"23:05\"}").value()), "5 23 * * *");
  EXPECT_EQ(cron_fields(from_yaml("{every: weekly, day: Monday}").value()), "0 2 * * 1");
  EXPECT_EQ(cron_fields(from_yaml("{every: monthly, day: 28, at: \"04:00\"}").value()),
            "0 4 28 * *");
  EXPECT_EQ(cron_fields(from_yaml("{every: hourly, at: \"00:17\"}").value()), "17 * * * *");
  EXPECT_EQ(from_yaml("{cron: \"1 2 * * *\", random_delay: 1h}").value().random_delay, "1h");
  EXPECT_EQ(from_yaml("daily").value().random_delay, "15m");
}

TEST(Schedule, IsRefusedWhereItMeansNothing) {
  for (const char* const text :
       {"yearly", "60 0 * * *", "0 24 * * *", "0 0 0 * *", "0 0 * 13 *", "0 0 * * 8", "0 0 * *",
        "0 0 * * * *", "5-1 0 * * *", "*/0 0 * * *", "1, 0 * * *", "1,,2 0 * * *", "3/5 0 * * *",
        "", "a b c d e", "-1 0 * * *", "99999999999 0 * * *"})
    EXPECT_FALSE(parse_schedule(text).has_value()) << text;
  for (const char* const text :
       {"{every: daily, cron: \"0 0 * * *\"}", "{at: \"02:00\"}", "{every: daily, at: \"2:5\"}",
        "{every: daily, at: \"24:00\"}", "{every: monthly, day: 31}", "{every: daily, day: 1}",
        "{every: hourly, at: \"05:00\"}", "{cron: \"0 0 * * *\", at: \"02:00\"}"})
    EXPECT_FALSE(from_yaml(text).has_value()) << text;
}

}  // namespace
}  // namespace backstay::config
