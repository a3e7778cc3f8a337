// What holds of every set of snapshots and every policy, on thousands of them from a seed.
#include <gtest/gtest.h>

#include <algorithm>
#include <numeric>

#include "base/rng.h"
#include "policy/retention.h"
#include "policy/testing/facts.h"

namespace backstay::policy {
namespace {

constexpr std::uint64_t kRounds = 3000;
const Timestamp kNow{.seconds = utc(2026, 11, 21, 10), .nanos = 0};
const Moment kMoment{.now = kNow, .zone = zone_berlin};

class Generator {
 public:
  explicit Generator(std::uint64_t seed) : rng_(seed) {}

  std::vector<SnapshotFacts> snapshots() {
    std::vector<SnapshotFacts> made(below(25));
    // Close together or far apart, so that buckets are shared and not.
    const std::uint64_t spread = 3600 * (std::uint64_t{1} << below(16));
    for (std::size_t i = 0; i < made.size(); ++i) {
      SnapshotFacts& facts = made[i];
      facts = facts_at(kNow.seconds + 7200 - static_cast<std::int64_t>(below(spread)),
                       static_cast<std::uint8_t>(i));
      facts.host = below(4) == 0 ? "mail" : "web";
      if (below(4) == 0) facts.paths = {"/etc", "/home"};
      for (const char* tag : {"a", "b"}) {
        if (below(4) == 0) facts.tags.emplace_back(tag);
      }
      facts.bytes_stored = below(1000);
      facts.complete = below(4) != 0;
      facts.tags_known = below(20) != 0;
      facts.selected = below(10) != 0;
      if (below(10) == 0) facts.held = "until released";
    }
    return made;
  }

  Retention retention() {
    Retention made;
    made.last = count();
    for (auto& number : made.counts) number = count();
    if (below(4) == 0) made.within = period();
    for (auto& each : made.within_each) {
      if (below(4) == 0) each = period();
    }
    if (below(4) == 0) made.tags.push_back({"a"});
    if (below(4) == 0) made.tags.push_back({"a", "b"});
    if (below(4) == 0) made.size_bytes = below(5000);
    return made;
  }

  Grouping grouping() {
    return {.host = below(2) == 0, .paths = below(2) == 0, .tags = below(4) == 0};
  }

  // One rule is widened.
  Retention wider(Retention retention) {
    const std::size_t which = below(kCalendars.size());
    switch (below(6)) {
      case 0:
        retention.last = more(retention.last);
        break;
      case 1:
        retention.counts[which] = more(retention.counts[which]);
        break;
      case 2:
        retention.within = longer(retention.within);
        break;
      case 3:
        retention.within_each[which] = longer(retention.within_each[which]);
        break;
      case 4:
        retention.tags.push_back({"b"});
        break;
      default:
        retention.size_bytes = retention.size_bytes.value_or(0) + below(2000);
    }
    return retention;
  }

  std::uint64_t below(std::uint64_t limit) { return rng_.below(limit); }

 private:
  std::uint64_t count() {
    if (below(3) != 0) return 0;
    return below(10) == 0 ? kUnlimited : below(6);
  }
  Period period() {
    return {.years = static_cast<std::uint32_t>(below(2)),
            .months = static_cast<std::uint32_t>(below(3)),
            .days = static_cast<std::uint32_t>(below(20)),
            .hours = static_cast<std::uint32_t>(below(30) + 1)};
  }
  std::uint64_t more(std::uint64_t number) {
    return number == kUnlimited || below(5) == 0 ? kUnlimited : number + 1 + below(3);
  }
  std::optional<Period> longer(std::optional<Period> period_before) {
    Period longer_one = period_before.value_or(Period{});
    longer_one.hours += static_cast<std::uint32_t>(below(2000) + 1);
    return longer_one;
  }

  SeededRng rng_;
};

std::vector<SnapshotFacts> kept_of(const std::vector<SnapshotFacts>& snapshots,
                                   const std::vector<Group>& groups) {
  std::vector<SnapshotFacts> kept;
  for (std::size_t i = 0; i < snapshots.size(); ++i) {
    if (is_kept(groups, i)) kept.push_back(snapshots[i]);
  }
  return kept;
}

TEST(EveryPolicy, DecidesAboutEachSelectedOneOnceAndWithAReason) {
  for (std::uint64_t seed = 0; seed < kRounds; ++seed) {
    Generator make(seed);
    const auto snapshots = make.snapshots();
    std::vector<int> decided(snapshots.size(), 0);
    for (const Group& group : judge(snapshots, make.retention(), make.grouping(), kMoment)) {
      ASSERT_FALSE(group.verdicts.empty());
      bool anything = false;
      for (const Verdict& verdict : group.verdicts) {
        ++decided[verdict.index];
        ASSERT_FALSE(verdict.reasons.empty()) << seed;
        anything = anything || verdict.decision == Decision::kKeep;
        for (const Reason& reason : verdict.reasons) {
          ASSERT_FALSE(reason.text.empty());
          ASSERT_EQ(reason.rule == Rule::kNone, verdict.decision == Decision::kRemove) << seed;
        }
      }
      ASSERT_TRUE(anything) << "a group is left empty, seed " << seed;
    }
    for (std::size_t i = 0; i < snapshots.size(); ++i)
      ASSERT_EQ(decided[i], snapshots[i].selected ? 1 : 0) << seed;
  }
}

TEST(EveryPolicy, RemovesNothingMoreWhenItIsAppliedAgain) {
  for (std::uint64_t seed = 0; seed < kRounds; ++seed) {
    Generator make(seed);
    const auto snapshots = make.snapshots();
    const Retention retention = make.retention();
    const Grouping grouping = make.grouping();
    const auto kept = kept_of(snapshots, judge(snapshots, retention, grouping, kMoment));
    const auto again = kept_of(kept, judge(kept, retention, grouping, kMoment));
    ASSERT_EQ(again.size(), kept.size()) << "seed " << seed;
  }
}

TEST(EveryPolicy, KeepsAllThatItKeptWhenARuleIsWidened) {
  std::uint64_t more = 0;
  for (std::uint64_t seed = 0; seed < kRounds; ++seed) {
    Generator make(seed);
    const auto snapshots = make.snapshots();
    const Retention narrow = make.retention();
    const Retention wide = make.wider(narrow);
    const Grouping grouping = make.grouping();
    const auto before_it = judge(snapshots, narrow, grouping, kMoment);
    const auto after_it = judge(snapshots, wide, grouping, kMoment);
    for (std::size_t i = 0; i < snapshots.size(); ++i) {
      if (is_kept(before_it, i)) {
        ASSERT_TRUE(is_kept(after_it, i)) << "seed " << seed;
      } else if (is_kept(after_it, i)) {
        ++more;
      }
    }
  }
  EXPECT_GT(more, 100U);
}

TEST(EveryPolicy, DoesNotCareInWhichOrderSnapshotsAreGiven) {
  for (std::uint64_t seed = 0; seed < kRounds; ++seed) {
    Generator make(seed);
    const auto snapshots = make.snapshots();
    const Retention retention = make.retention();
    const Grouping grouping = make.grouping();
    std::vector<std::size_t> order(snapshots.size());
    std::iota(order.begin(), order.end(), 0);
    for (std::size_t i = order.size(); i > 1; --i) std::swap(order[i - 1], order[make.below(i)]);
    std::vector<SnapshotFacts> shuffled;
    for (const std::size_t i : order) shuffled.push_back(snapshots[i]);
    auto expected = judge(snapshots, retention, grouping, kMoment);
    auto found = judge(shuffled, retention, grouping, kMoment);
    ASSERT_EQ(found.size(), expected.size());
    for (std::size_t g = 0; g < found.size(); ++g) {
      for (Verdict& verdict : found[g].verdicts) verdict.index = order[verdict.index];
      ASSERT_EQ(found[g].verdicts, expected[g].verdicts) << "seed " << seed;
    }
  }
}

TEST(EveryPolicy, KeepsWhatIsHeldAndTheNewestGoodOneOfEverySource) {
  std::uint64_t removed = 0;
  for (std::uint64_t seed = 0; seed < kRounds; ++seed) {
    Generator make(seed);
    const auto snapshots = make.snapshots();
    const auto groups = judge(snapshots, make.retention(), make.grouping(), kMoment);
    for (std::size_t i = 0; i < snapshots.size(); ++i) {
      const SnapshotFacts& one = snapshots[i];
      if (is_kept(groups, i)) continue;
      ++removed;
      ASSERT_FALSE(one.held) << "seed " << seed;
      ASSERT_TRUE(one.tags_known) << "seed " << seed;
      ASSERT_LE(one.time.seconds, kNow.seconds + 600) << "seed " << seed;
      // Something better of the same source stays: newer, and complete if this one is.
      bool better = false;
      for (std::size_t j = 0; j < snapshots.size(); ++j) {
        const SnapshotFacts& other = snapshots[j];
        better = better || (is_kept(groups, j) && other.host == one.host &&
                            other.paths == one.paths && other.time.seconds <= kNow.seconds + 600 &&
                            (other.complete ? !one.complete || other.time >= one.time
                                            : !one.complete && other.time >= one.time));
      }
      ASSERT_TRUE(better) << "seed " << seed;
    }
  }
  EXPECT_GT(removed, 1000U);
}

TEST(EveryPolicy, IsNotMovedByWhatLiesInTheFuture) {
  for (std::uint64_t seed = 0; seed < kRounds; ++seed) {
    Generator make(seed);
    auto snapshots = make.snapshots();
    const Retention retention = make.retention();
    const Grouping grouping = make.grouping();
    const auto expected = judge(snapshots, retention, grouping, kMoment);
    const std::size_t count = snapshots.size();
    for (std::size_t i = 0; i < count; ++i) {
      SnapshotFacts later = snapshots[i];
      later.id.bytes[1] = 1;
      later.time.seconds = kNow.seconds + 100'000 + static_cast<std::int64_t>(i);
      snapshots.push_back(later);
    }
    const auto found = judge(snapshots, retention, grouping, kMoment);
    for (std::size_t i = 0; i < count; ++i)
      ASSERT_EQ(is_kept(found, i), is_kept(expected, i)) << "seed " << seed;
    for (std::size_t i = count; i < snapshots.size(); ++i) ASSERT_TRUE(is_kept(found, i));
  }
}

}  // namespace
}  // namespace backstay::policy
