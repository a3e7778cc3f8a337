#include "mount/snapshot_feed.h"

#include <gtest/gtest.h>

#include <atomic>
#include <future>

#include "repo/testing/fixture.h"

namespace backstay::mount {
namespace {

class Feed : public testing::Test {
 protected:
  static constexpr std::chrono::milliseconds kPatience = std::chrono::minutes(5);

  static SnapshotSetPtr empty_set() {
    return std::make_shared<const SnapshotSet>(std::vector<repo::StoredSnapshot>());
  }
  SnapshotFeed::List listing() {
    return [this](const SnapshotSetPtr&) -> Result<SnapshotSetPtr> {
      ++listed_;
      if (failing_) return fail(ErrorCode::kUnavailable, "it is away");
      return next_;
    };
  }

  SystemClock clock_;
  std::atomic<int> listed_ = 0;
  std::atomic<bool> failing_ = false;
  const SnapshotSetPtr first_ = empty_set();
  const SnapshotSetPtr next_ = empty_set();
};

TEST_F(Feed, ListsAgainWhenSomebodyLooksLater) {
  SnapshotFeed feed(first_, listing(), clock_,
                    {.interval = std::chrono::milliseconds(0), .patience = kPatience});
  EXPECT_EQ(feed.shown(), first_);
  EXPECT_EQ(feed.current(), next_);
  EXPECT_EQ(feed.shown(), next_);
  EXPECT_EQ(listed_, 1);
}

TEST_F(Feed, DoesNotListAgainTooSoon) {
  SnapshotFeed feed(first_, listing(), clock_,
                    {.interval = std::chrono::hours(1), .patience = kPatience});
  for (int i = 0; i < 100; ++i) EXPECT_EQ(feed.current(), first_);
  EXPECT_EQ(listed_, 0);
}

TEST_F(Feed, AFailureLeavesWhatIsShown) {
  SnapshotFeed feed(first_, listing(), clock_,
                    {.interval = std::chrono::milliseconds(0), .patience = kPatience});
  failing_ = true;
  EXPECT_EQ(feed.current(), first_);
  failing_ = false;
  EXPECT_EQ(feed.current(), next_);
}

TEST_F(Feed, NobodyWaitsForASlowStoreForLong) {
  std::promise<void> answer;
  const std::shared_future<void> answered = answer.get_future().share();
  SnapshotFeed feed(
      first_,
      [&](const SnapshotSetPtr&) -> Result<SnapshotSetPtr> {
        answered.wait();
        return next_;
      },
      clock_, {.interval = std::chrono::milliseconds(0), .patience = std::chrono::milliseconds(1)});
  EXPECT_EQ(feed.current(), first_);
  EXPECT_EQ(feed.current(), first_);
  answer.set_value();
  while (feed.current() != next_) {
  }
}

}  // namespace
}  // namespace backstay::mount
