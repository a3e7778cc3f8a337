#include "policy/growth.h"

#include <gtest/gtest.h>

namespace backstay::policy {
namespace {

constexpr std::int64_t kDay = 86'400;

std::vector<StoredPoint> daily(std::size_t count, std::uint64_t bytes) {
  std::vector<StoredPoint> points;
  for (std::size_t i = 0; i < count; ++i)
    points.push_back({.time = {.seconds = static_cast<std::int64_t>(i) * kDay},
                      .bytes_stored = i == 0 ? 1'000'000 : bytes});
  return points;
}

TEST(Growth, IsWhatBackupsStoreADayWithoutTheFirst) {
  const Growth growth = growth_of(daily(30, 500));
  ASSERT_TRUE(growth.bytes_per_day.has_value());
  EXPECT_DOUBLE_EQ(*growth.bytes_per_day, 500);
  EXPECT_EQ(growth.backups, 30U);
  EXPECT_DOUBLE_EQ(growth.days, 29);
}

TEST(Growth, IsNotMovedByOneLargeBackupNorByTheOrderOfThePoints) {
  std::vector<StoredPoint> points = daily(30, 500);
  points[27].bytes_stored = 900'000'000;
  std::swap(points.front(), points.back());
  EXPECT_NEAR(*growth_of(points).bytes_per_day, 500, 1);
}

TEST(Growth, IsALowerBoundWhereBackupsBetweenOthersWereForgotten) {
  std::vector<StoredPoint> points = daily(10, 500);
  for (std::size_t i = 0; i < points.size(); ++i) {
    points[i].id = std::to_string(i);
    if (i > 0) points[i].parent = std::to_string(i - 1);
    points[i].source = "web";
  }
  EXPECT_FALSE(growth_of(points).lower_bound);
  points.erase(points.begin());  // the oldest of all
  EXPECT_FALSE(growth_of(points).lower_bound);
  points.push_back({.time = {.seconds = 5 * kDay}, .id = "x", .parent = "y", .source = "mail"});
  EXPECT_FALSE(growth_of(points).lower_bound);
  points.erase(points.begin() + 4);
  EXPECT_TRUE(growth_of(points).lower_bound);
}

TEST(Growth, OfThousandsOfBackupsIsFoundFromSomeOfThem) {
  std::vector<StoredPoint> points;
  for (std::int64_t i = 0; i < 20'000; ++i)
    points.push_back({.time = {.seconds = i * kDay / 24}, .bytes_stored = 100});
  EXPECT_NEAR(*growth_of(points).bytes_per_day, 2400, 1);
}

TEST(Growth, OfBackupsAtOneMomentIsTheirSum) {
  std::vector<StoredPoint> points = daily(10, 500);
  const std::vector<StoredPoint> again = points;
  points.insert(points.end(), again.begin(), again.end());
  EXPECT_DOUBLE_EQ(*growth_of(points).bytes_per_day, 1000);
}

TEST(Growth, IsUnknownWithFewBackupsOrWithinTwoDays) {
  EXPECT_FALSE(growth_of({}).bytes_per_day.has_value());
  EXPECT_FALSE(growth_of(daily(3, 5)).bytes_per_day.has_value());
  EXPECT_NE(growth_of(daily(3, 5)).unknown_because.find("there are 3"), std::string::npos);
  std::vector<StoredPoint> points = daily(10, 5);
  for (StoredPoint& point : points) point.time.seconds /= 10;
  EXPECT_NE(growth_of(points).unknown_because.find("2 days"), std::string::npos);
}

TEST(DaysToFull, AreUnknownForWhatDoesNotGrow) {
  EXPECT_FALSE(days_to_full(0, 1000).has_value());
  EXPECT_DOUBLE_EQ(*days_to_full(100, 1000), 10);
}

}  // namespace
}  // namespace backstay::policy
