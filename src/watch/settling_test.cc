#include "watch/settling.h"

#include <gtest/gtest.h>

namespace backstay::watch {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;
using Moment = Settling::Moment;

constexpr Rest kRest{.settle = milliseconds(1000), .interval_max = milliseconds(5000)};
const Moment kStart{seconds(100)};

TEST(Settling, IsNeverDueWhileNothingChanged) {
  const Settling settling(kRest);
  EXPECT_EQ(settling.due(), Moment::max());
  EXPECT_FALSE(settling.first_change());
}

TEST(Settling, IsDueWhenNothingChangedForAWhile) {
  Settling settling(kRest);
  settling.changed(kStart);
  EXPECT_EQ(settling.due(), kStart + seconds(1));
  settling.changed(kStart + milliseconds(700));
  EXPECT_EQ(settling.due(), kStart + milliseconds(1700));
  EXPECT_EQ(settling.first_change(), kStart);
}

TEST(Settling, DoesNotWaitForEverForWhatNeverRests) {
  Settling settling(kRest);
  for (int i = 0; i < 100; ++i) settling.changed(kStart + milliseconds(100) * i);
  EXPECT_EQ(settling.due(), kStart + seconds(5));
}

TEST(Settling, BeginsAnewAfterACapture) {
  Settling settling(kRest);
  settling.changed(kStart);
  settling.captured();
  EXPECT_EQ(settling.due(), Moment::max());
  settling.changed(kStart + seconds(10));
  EXPECT_EQ(settling.due(), kStart + seconds(11));
}

TEST(Settling, WaitsLongerAfterAFailure) {
  Settling settling(kRest);
  settling.changed(kStart);
  settling.hold_until(kStart + seconds(30));
  EXPECT_EQ(settling.due(), kStart + seconds(30));
}

}  // namespace
}  // namespace backstay::watch
