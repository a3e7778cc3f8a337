#include "backend/throttled_backend.h"

#include <gtest/gtest.h>

#include <thread>

#include "backend/memory_backend.h"
#include "backend/testing/backend_contract.h"

namespace backstay::backend {
namespace {

using std::chrono::milliseconds;

INSTANTIATE_TEST_SUITE_P(Throttled, BackendContract,
                         ::testing::Values(contract_in_memory("throttled", [](const Clock& clock) {
                           return std::make_unique<ThrottledBackend>(
                               std::make_unique<MemoryBackend>(clock),
                               Rates{.upload = 1, .download = 1}, clock,
                               [](std::chrono::nanoseconds) {});
                         })));

class Throttle : public ::testing::Test {
 protected:
  ThrottledBackend make(const Rates& rates) {
    return {std::make_unique<MemoryBackend>(time_), rates, time_,
            [this](std::chrono::nanoseconds pause) { time_.slept += pause; }};
  }
  SleptTime time_;
};

TEST_F(Throttle, KeepsTheMeanOfWhatGoesUp) {
  ThrottledBackend backend = make({.upload = 100'000});
  const Bytes object(10'000);
  for (int i = 0; i < 11; ++i) {
    ASSERT_TRUE(backend.put("data/" + std::to_string(i), object));
  }
  // The last object is not paid for yet.
  EXPECT_EQ(time_.slept, milliseconds(1000));
  ASSERT_TRUE(backend.barrier());
  EXPECT_EQ(time_.slept, milliseconds(1100));
}

TEST_F(Throttle, KeepsTheMeanOfWhatComesDownAndLeavesTheOtherDirectionAlone) {
  ThrottledBackend backend = make({.download = 2000});
  ASSERT_TRUE(backend.put("data/a", Bytes(1000)));
  ASSERT_TRUE(backend.put("data/b", Bytes(1000)));
  EXPECT_EQ(time_.slept, milliseconds(0));
  Bytes half(500);
  ASSERT_TRUE(backend.get("data/a", 2000));
  ASSERT_TRUE(backend.get_range("data/a", 0, half));
  EXPECT_EQ(time_.slept, milliseconds(500));
  ASSERT_TRUE(backend.get("data/b", 2000));
  EXPECT_EQ(time_.slept, milliseconds(750));
}

TEST_F(Throttle, DoesNotSaveUpWhatWasNotUsed) {
  ThrottledBackend backend = make({.upload = 100'000});
  ASSERT_TRUE(backend.put("a", Bytes(10'000)));
  time_.slept += std::chrono::hours(1);
  const auto before = time_.slept;
  for (const char* const name : {"b", "c"}) ASSERT_TRUE(backend.put(name, Bytes(10'000)));
  EXPECT_EQ(time_.slept - before, milliseconds(100));
}

TEST_F(Throttle, RenewsLeasesAtOnceAndChargesThemToThoseAfter) {
  ThrottledBackend backend = make({.upload = 10'000});
  ASSERT_TRUE(backend.put("pack", Bytes(100'000)));
  ASSERT_TRUE(backend.put("lease", Bytes(1000)));
  EXPECT_EQ(time_.slept, milliseconds(0));
  ASSERT_TRUE(backend.put("pack2", Bytes(5000)));
  EXPECT_EQ(time_.slept, milliseconds(10'100));
}

TEST_F(Throttle, GoesByTheTimeOfDay) {
  // The test's clock stands; whatever it shows is in the window of the one and not of the other.
  ThrottledBackend always = make({.upload = parse_rate_schedule("off,00:00-24:00=1000").value()});
  ThrottledBackend never = make({.upload = parse_rate_schedule("1000,00:00-24:00=off").value()});
  for (ThrottledBackend* const backend : {&always, &never}) {
    ASSERT_TRUE(backend->put("a", Bytes(10'000)));
    ASSERT_TRUE(backend->put("b", Bytes(10'000)));
    EXPECT_EQ(time_.slept, milliseconds(10'000));
  }
}

TEST(SleepUnless, EndsWhenAsked) {
  std::stop_source stop;
  const std::jthread asker([&] { stop.request_stop(); });
  sleep_unless(stop.get_token())(std::chrono::hours(1));
  EXPECT_TRUE(stop.stop_requested());
}

}  // namespace
}  // namespace backstay::backend
