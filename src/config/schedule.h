// When a job is to run: as people and cron write it, and as systemd and cron take it.
#pragma once

#include <array>
#include <bitset>
#include <string>
#include <string_view>
#include <vector>

#include "base/error.h"
#include "config/value.h"

namespace backstay::config {

// All moments whose minute, hour, month and day fit. Where days of the month and of the week are
// both given, one of them is enough, as crontab(5) has it.
struct Schedule {
  std::bitset<60> minutes;
  std::bitset<24> hours;
  std::bitset<32> days;      // from 1
  std::bitset<13> months;    // from 1
  std::bitset<7> weekdays;   // from Sunday
  std::string random_delay;  // a span of time, as it is written
};

// hourly, daily, weekly, monthly, or five fields of crontab(5): numbers, names of months and days,
// lists, ranges and steps.
Result<Schedule> parse_schedule(std::string_view text);
// Of a value whose form is right: a text, or every, at, day, cron and random_delay. The hour is 2
// where none is said, the day Sunday or the first.
Result<Schedule> read_schedule(const Value& value);

// Calendar events of systemd.time(7): one, or two where one of two days is enough.
[[nodiscard]] std::vector<std::string> calendar_events(const Schedule& schedule);
// "M H D M W".
[[nodiscard]] std::string cron_fields(const Schedule& schedule);

}  // namespace backstay::config
