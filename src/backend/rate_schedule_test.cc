#include "backend/rate_schedule.h"

#include <gtest/gtest.h>

namespace backstay::backend {
namespace {

// A moment at which the clocks here show that time.
Timestamp at_clock(int hour, int minute) {
  constexpr std::int64_t kSomeMidnight = 20'000LL * 24 * 3600;
  const std::int64_t offset = local_utc_offset(kSomeMidnight);
  return {.seconds = kSomeMidnight - offset + hour * 3600LL + minute * 60LL, .nanos = 0};
}

TEST(RateSchedule, IsOneRateForTheWholeDay) {
  const RateSchedule schedule = parse_rate_schedule("10M").value();
  EXPECT_EQ(schedule.at(at_clock(0, 0)), parse_rate_schedule("10M").value().otherwise);
  EXPECT_EQ(schedule.at(at_clock(23, 59)), schedule.otherwise);
  EXPECT_FALSE(schedule.never_limits());
  EXPECT_TRUE(parse_rate_schedule("off").value().never_limits());
  EXPECT_TRUE(RateSchedule().never_limits());
}

TEST(RateSchedule, HasRatesOfItsOwnInWindows) {
  const RateSchedule schedule =
      parse_rate_schedule("1000,08:00-18:00=100,22:00-06:00=off,05:00-24:00=50").value();
  EXPECT_EQ(schedule.at(at_clock(7, 59)), 50U);
  EXPECT_EQ(schedule.at(at_clock(8, 0)), 100U);
  EXPECT_EQ(schedule.at(at_clock(17, 59)), 100U);
  EXPECT_EQ(schedule.at(at_clock(18, 0)), 50U);
  EXPECT_EQ(schedule.at(at_clock(22, 0)), 0U);
  EXPECT_EQ(schedule.at(at_clock(0, 0)), 0U);
  EXPECT_EQ(schedule.at(at_clock(5, 59)), 0U);
  EXPECT_EQ(schedule.at(at_clock(6, 0)), 50U);
  const RateSchedule night = parse_rate_schedule("22:00-06:00=100").value();
  EXPECT_EQ(night.at(at_clock(12, 0)), 0U);
  EXPECT_EQ(night.at(at_clock(23, 0)), 100U);
  EXPECT_FALSE(night.never_limits());
}

TEST(RateSchedule, RefusesWhatIsNone) {
  for (const char* const text :
       {"", "0", "x", "1M,", ",1M", "1M,2M", "08:00-18:00", "8:00-18:00=1M", "08:00-18:60=1M",
        "08:00-25:00=1M", "08:00=1M", "08:00-18:00=", "08:00-18:00=0", "=1M-08:00",
        "08:00-18:00=1M,off", "24:30-01:00=1M", "0::00-18:00=1M"}) {
    const auto schedule = parse_rate_schedule(text);
    ASSERT_FALSE(schedule.has_value()) << text;
    EXPECT_EQ(schedule.error().code(), ErrorCode::kInvalidArgument) << text;
  }
}

}  // namespace
}  // namespace backstay::backend
