#include "policy/retention.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <map>

#include "policy/testing/facts.h"

namespace backstay::policy {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;

constexpr std::size_t kHourly = 0;
constexpr std::size_t kDaily = 1;
constexpr std::size_t kWeekly = 2;
constexpr std::size_t kMonthly = 3;
constexpr std::size_t kYearly = 4;

class RetentionRules : public ::testing::Test {
 protected:
  // In UTC, at 12:00 where no hour is given. Later ones have higher ids.
  std::size_t add(int year, unsigned month, unsigned day, int hour = 12) {
    snapshots_.push_back(
        facts_at(utc(year, month, day, hour), static_cast<std::uint8_t>(snapshots_.size())));
    return snapshots_.size() - 1;
  }
  [[nodiscard]] std::vector<Group> judged() const {
    return judge(snapshots_, retention_, grouping_, {.now = now_, .zone = zone_});
  }
  // "keep: last 1, daily ..." of each, in the order in which they were added.
  [[nodiscard]] std::vector<std::string> lines() const {
    std::map<std::size_t, std::string> found;
    for (const Group& group : judged()) {
      for (const Verdict& verdict : group.verdicts) {
        std::string line(to_string(verdict.decision));
        for (const Reason& reason : verdict.reasons)
          line += (&reason == verdict.reasons.data() ? ": " : ", ") + reason.text;
        found[verdict.index] = line;
      }
    }
    std::vector<std::string> lines;
    for (const auto& [index, line] : found) lines.push_back(line);
    return lines;
  }

  std::vector<SnapshotFacts> snapshots_;
  Retention retention_;
  Grouping grouping_;
  UtcOffset zone_ = zone_utc;
  Timestamp now_{.seconds = utc(2027, 1, 1), .nanos = 0};
};

constexpr const char* kNewest = "the newest good snapshot of this source";

TEST_F(RetentionRules, KeepTheLastOnes) {
  add(2026, 11, 1);
  add(2026, 11, 2);
  add(2026, 11, 3);
  retention_.last = 2;
  EXPECT_THAT(lines(), ElementsAre("remove: no rule keeps it", "keep: last 2",
                                   std::string("keep: last 1, ") + kNewest));
}

// duplicacy PruneWithRetentionPolicy
TEST_F(RetentionRules, KeepTheNewestOfEachDayAndTheOldestWhenDaysAreLeft) {
  add(2026, 11, 18, 1);
  add(2026, 11, 18, 20);
  add(2026, 11, 19, 1);
  add(2026, 11, 20, 1);
  add(2026, 11, 20, 2);
  retention_.counts[kDaily] = 4;
  EXPECT_THAT(lines(), ElementsAre("keep: daily 2026-11-18", "keep: daily 2026-11-18",
                                   "keep: daily 2026-11-19", "remove: no rule keeps it",
                                   std::string("keep: daily 2026-11-20, ") + kNewest));
  retention_.counts[kDaily] = 2;
  EXPECT_THAT(lines(), ElementsAre("remove: no rule keeps it", "remove: no rule keeps it",
                                   "keep: daily 2026-11-19", "remove: no rule keeps it",
                                   std::string("keep: daily 2026-11-20, ") + kNewest));
}

TEST_F(RetentionRules, SayEachReasonForEachCalendar) {
  add(2025, 12, 31);
  add(2026, 1, 1);
  retention_.counts[kHourly] = 1;
  retention_.counts[kDaily] = 1;
  retention_.counts[kWeekly] = 2;
  retention_.counts[kMonthly] = 2;
  retention_.counts[kYearly] = kUnlimited;
  EXPECT_THAT(
      lines(),
      ElementsAre("keep: weekly 2026-W01, monthly 2025-12, yearly 2025",
                  std::string("keep: hourly 2026-01-01 12:00, daily 2026-01-01, weekly 2026-W01, "
                              "monthly 2026-01, yearly 2026, ") +
                      kNewest));
}

TEST_F(RetentionRules, CountDaysAsTheZoneHasThem) {
  add(2026, 11, 20, 22);
  add(2026, 11, 20, 23);
  add(2026, 11, 21, 1);
  retention_.counts[kDaily] = 2;
  zone_ = zone_berlin;
  EXPECT_THAT(lines(), ElementsAre("keep: daily 2026-11-20", "remove: no rule keeps it",
                                   std::string("keep: daily 2026-11-21, ") + kNewest));
}

TEST_F(RetentionRules, KeepBothHoursThatAClockShowsTwice) {
  add(2026, 10, 25, 0);
  add(2026, 10, 25, 1);
  add(2026, 10, 25, 2);
  retention_.counts[kHourly] = 3;
  zone_ = zone_berlin;
  EXPECT_THAT(lines(), ElementsAre("keep: hourly 2026-10-25 02:00", "keep: hourly 2026-10-25 02:00",
                                   std::string("keep: hourly 2026-10-25 03:00, ") + kNewest));
}

TEST_F(RetentionRules, CountSpansFromTheNewestSnapshot) {
  add(2026, 1, 1);
  add(2026, 1, 3);
  add(2026, 1, 4);
  add(2026, 1, 10);
  retention_.within = *parse_period("7d");
  EXPECT_THAT(lines(), ElementsAre("remove: no rule keeps it", "remove: no rule keeps it",
                                   "keep: within 7d", std::string("keep: within 7d, ") + kNewest));
}

TEST_F(RetentionRules, KeepOneOfEachMonthOfASpan) {
  add(2024, 1, 1);
  add(2026, 1, 1);
  add(2026, 1, 2);
  add(2026, 2, 1);
  retention_.within_each[kMonthly] = *parse_period("1y");
  EXPECT_THAT(lines(), ElementsAre("remove: no rule keeps it", "remove: no rule keeps it",
                                   "keep: within 1y monthly 2026-01",
                                   std::string("keep: within 1y monthly 2026-02, ") + kNewest));
}

// duplicacy PruneWithRetentionPolicyAndTag
TEST_F(RetentionRules, KeepTagsByAnyOfTheSets) {
  snapshots_[add(2026, 1, 1)].tags = {"a", "b"};
  snapshots_[add(2026, 1, 2)].tags = {"a"};
  snapshots_[add(2026, 1, 3)].tags = {"c"};
  add(2026, 1, 4);
  retention_.tags = {{"a", "b"}, {"c"}};
  EXPECT_THAT(lines(), ElementsAre("keep: tag a,b", "remove: no rule keeps it", "keep: tag c",
                                   std::string("keep: ") + kNewest));
}

TEST_F(RetentionRules, KeepTheNewestThatFitIntoASize) {
  for (unsigned day = 1; day <= 4; ++day) snapshots_[add(2026, 1, day)].bytes_stored = day * 1024;
  retention_.size_bytes = 8 * 1024;
  EXPECT_THAT(lines(), ElementsAre("remove: no rule keeps it", "remove: no rule keeps it",
                                   "keep: newest 8.000 KiB",
                                   std::string("keep: newest 8.000 KiB, ") + kNewest));
  retention_.size_bytes = 0;
  EXPECT_EQ(lines().back(), std::string("keep: ") + kNewest);
}

TEST_F(RetentionRules, NeverTakeTheNewestGoodSnapshotOfASource) {
  add(2026, 1, 1);
  add(2026, 1, 2);
  snapshots_[add(2026, 1, 3)].complete = false;
  snapshots_[add(2026, 1, 4)].complete = false;
  retention_.last = 1;
  EXPECT_THAT(lines(), ElementsAre("remove: no rule keeps it", std::string("keep: ") + kNewest,
                                   "remove: no rule keeps it", "keep: last 1"));
}

TEST_F(RetentionRules, KeepTheNewestPartialOneWhereNoneIsComplete) {
  snapshots_[add(2026, 1, 1)].complete = false;
  snapshots_[add(2026, 1, 2)].complete = false;
  retention_.tags = {{"none has it"}};
  EXPECT_THAT(lines(), ElementsAre("remove: no rule keeps it",
                                   "keep: the newest snapshot of this source, where none is "
                                   "complete"));
}

TEST_F(RetentionRules, KeepTheNewestOfEverySourceInAGroupOfSeveral) {
  add(2026, 1, 1);
  snapshots_[add(2026, 1, 2)].host = "mail";
  snapshots_[add(2026, 1, 3)].paths = {"/etc"};
  retention_.last = 1;
  grouping_ = {.host = false, .paths = false, .tags = false};
  EXPECT_THAT(lines(), ElementsAre(std::string("keep: ") + kNewest, std::string("keep: ") + kNewest,
                                   std::string("keep: last 1, ") + kNewest));
}

TEST_F(RetentionRules, LeaveNoGroupEmpty) {
  snapshots_[add(2026, 1, 1)].tags = {"a"};
  snapshots_[add(2026, 1, 2)].tags = {"a"};
  snapshots_[add(2026, 1, 3)].tags = {"b"};
  retention_.tags = {{"b"}};
  grouping_.tags = true;
  EXPECT_THAT(lines(), ElementsAre("remove: no rule keeps it",
                                   "keep: the newest good snapshot of this group",
                                   std::string("keep: tag b, ") + kNewest));
}

TEST_F(RetentionRules, DecideOnlyAboutTheSelectedAndKnowOfTheOthers) {
  add(2026, 1, 1);
  add(2026, 1, 2);
  snapshots_[add(2026, 1, 3)].selected = false;
  retention_.tags = {{"none has it"}};
  EXPECT_THAT(lines(), ElementsAre("remove: no rule keeps it",
                                   "keep: the newest good snapshot of this group"));
}

TEST_F(RetentionRules, KeepWhatIsHeldAndSayUntilWhen) {
  snapshots_[add(2026, 1, 1)].held = "until 2027-05-01 00:00:00";
  snapshots_[add(2026, 1, 2)].held = "";
  add(2026, 1, 3);
  retention_.last = 1;
  EXPECT_THAT(lines(), ElementsAre("keep: held until 2027-05-01 00:00:00", "keep: held",
                                   std::string("keep: last 1, ") + kNewest));
}

TEST_F(RetentionRules, KeepWhatHasTagsThatCannotBeRead) {
  snapshots_[add(2026, 1, 1)].tags_known = false;
  add(2026, 1, 2);
  retention_.last = 1;
  EXPECT_EQ(lines().front(), "keep: its tags cannot be read");
}

TEST_F(RetentionRules, LetNothingWithUnknownTagsPushOutWhatIsGood) {
  add(2026, 1, 1);
  add(2026, 1, 2);
  snapshots_[add(2026, 1, 3)].tags_known = false;
  retention_.last = 1;
  grouping_.tags = true;
  EXPECT_THAT(lines(), ElementsAre("remove: no rule keeps it",
                                   "keep: last 1, the newest good snapshot of this group",
                                   std::string("keep: its tags cannot be read, ") + kNewest));
}

TEST_F(RetentionRules, LetNoBackupThatIsNotFinishedPushOutWhatIsGood) {
  add(2026, 1, 1);
  add(2026, 1, 2);
  snapshots_[add(2026, 1, 3)].finished = false;
  retention_.last = 1;
  EXPECT_THAT(lines(),
              ElementsAre("remove: no rule keeps it", std::string("keep: last 1, ") + kNewest,
                          "keep: its backup is not finished"));
}

TEST_F(RetentionRules, OfNoBytesAreNoRule) {
  retention_.size_bytes = 0;
  EXPECT_TRUE(retention_.empty());
}

TEST_F(RetentionRules, LetNothingOfTheFuturePushOutWhatIsGood) {
  add(2026, 1, 1);
  add(2026, 1, 2);
  add(2030, 1, 1);
  add(2031, 1, 1);
  retention_.last = 1;
  retention_.within = *parse_period("1d");
  EXPECT_THAT(
      lines(),
      ElementsAre("remove: no rule keeps it", std::string("keep: last 1, within 1d, ") + kNewest,
                  "keep: its time lies in the future", "keep: its time lies in the future"));
}

TEST_F(RetentionRules, TakeAFewMinutesAheadForClocksThatDiffer) {
  snapshots_.push_back(facts_at(now_.seconds + 599));
  retention_.last = 1;
  EXPECT_THAT(lines(), ElementsAre(std::string("keep: last 1, ") + kNewest));
  snapshots_[0] = facts_at(now_.seconds + 601);
  EXPECT_EQ(lines().front().substr(0, 33), "keep: its time lies in the future");
}

TEST_F(RetentionRules, GroupByHostAndPathsUnlessTold) {
  add(2026, 1, 1);
  snapshots_[add(2026, 1, 2)].host = "mail";
  snapshots_[add(2026, 1, 3)].tags = {"x"};
  const std::vector<Group> groups = judged();
  ASSERT_EQ(groups.size(), 2U);
  EXPECT_EQ(groups[0].host, "mail");
  EXPECT_THAT(groups[1].paths, ElementsAre("/home"));
  EXPECT_THAT(groups[1].tags, IsEmpty());
  ASSERT_EQ(groups[1].verdicts.size(), 2U);
  EXPECT_EQ(groups[1].verdicts[0].index, 2U);
}

TEST(Grouping, IsReadAsPeopleWriteIt) {
  const auto grouping = parse_grouping("host,tags");
  ASSERT_TRUE(grouping);
  EXPECT_TRUE(grouping->host && !grouping->paths && grouping->tags);
  EXPECT_TRUE(parse_grouping("path")->paths);
  EXPECT_FALSE(parse_grouping("")->host);
  EXPECT_FALSE(parse_grouping("none")->paths);
  EXPECT_FALSE(parse_grouping("hosts"));
}

TEST(Retention, IsEmptyUntilARuleKeepsSomething) {
  Retention retention;
  EXPECT_TRUE(retention.empty());
  retention.within_each[kYearly] = Period{.years = 1};
  EXPECT_FALSE(retention.empty());
}

TEST(NewestOfSources, FindsThemAmongThoseOfTheFutureOnlyWhereThereAreNoOthers) {
  std::vector<SnapshotFacts> snapshots{facts_at(100, 1), facts_at(9'000, 2), facts_at(9'000, 3)};
  snapshots[2].host = "mail";
  EXPECT_THAT(newest_of_sources(snapshots, {.seconds = 200, .nanos = 0}), ElementsAre(2, 0));
}

}  // namespace
}  // namespace backstay::policy
