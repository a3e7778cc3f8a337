#include "engine/copies.h"

#include <gtest/gtest.h>

#include "engine/copy.h"

namespace backstay::engine {
namespace {

repo::RepositoryId repository_named(std::uint8_t number) {
  repo::RepositoryId id;
  id.bytes.fill(number);
  return id;
}

class CatchUpTest : public testing::Test {
 protected:
  void add(std::string host, std::int64_t second) {
    repo::StoredSnapshot one;
    one.id.bytes.fill(static_cast<std::uint8_t>(all_.size() + 1));
    one.snapshot.host = std::move(host);
    one.snapshot.paths = {"/home"};
    one.snapshot.started = {.seconds = second};
    all_.push_back(std::move(one));
  }
  void has(std::size_t number) { there_.insert(origin_of(id_, all_[number])); }
  [[nodiscard]] CatchUp caught_up(std::size_t max) const {
    return catch_up(id_, all_, there_, {.max = max, .now = kNow, .made_now = made_now_});
  }
  [[nodiscard]] std::vector<std::int64_t> wanted(std::size_t max = 100) const {
    std::vector<std::int64_t> seconds;
    for (const auto& one : caught_up(max).wanted) seconds.push_back(one.snapshot.started.seconds);
    return seconds;
  }
  using Seconds = std::vector<std::int64_t>;

  static constexpr Timestamp kNow{.seconds = 1000};
  static constexpr std::int64_t kDay = 24 * 60 * 60;
  const repo::RepositoryId id_ = repository_named(7);
  std::vector<repo::StoredSnapshot> all_;
  std::set<std::string> there_;
  std::optional<snapshot::SnapshotId> made_now_;
};

TEST_F(CatchUpTest, BringsAllToANewPlaceOldestFirst) {
  add("web", 3);
  add("web", 1);
  EXPECT_EQ(wanted(), (Seconds{1, 3}));
}

TEST_F(CatchUpTest, BringsWhatCameSinceAndNotWhatWasForgottenThere) {
  for (std::int64_t i = 1; i <= 5; ++i) add("web", i);
  has(2);
  EXPECT_EQ(wanted(), (Seconds{4, 5}));
  has(4);
  EXPECT_TRUE(wanted().empty());
}

TEST_F(CatchUpTest, LooksAtEachSourceByItself) {
  add("web", 1);
  add("mail", 2);
  add("web", 3);
  has(2);
  EXPECT_EQ(wanted(), (Seconds{2}));
}

TEST_F(CatchUpTest, BringsTheNewestWhenTheyAreTooMany) {
  for (std::int64_t i = 1; i <= 9; ++i) add("web", i);
  EXPECT_EQ(wanted(2), (Seconds{8, 9}));
  EXPECT_EQ(caught_up(2).left_out, 7U);
}

TEST_F(CatchUpTest, KnowsACopyByItsOrigin) {
  add("web", 1);
  has(0);
  repo::StoredSnapshot copy = all_[0];
  copy.snapshot.origin = origin_of(id_, all_[0]);
  const auto origins = origins_of(repository_named(9), {copy});
  EXPECT_EQ(origins, there_);
  const Currency currency = currency_of(id_, all_, origins, kNow);
  EXPECT_EQ(currency.current, 1U);
  EXPECT_EQ(currency.sources, 1U);
  add("web", 2);
  EXPECT_EQ(currency_of(id_, all_, origins, kNow).current, 0U);
}

TEST_F(CatchUpTest, GoesOnAfterABackupThatAWrongClockDated) {
  const std::int64_t later = kNow.seconds + kDay;
  add("web", 1);
  add("web", 2 * later);
  has(0);
  has(1);
  add("web", 2);
  EXPECT_EQ(wanted(), (Seconds{2}));
  EXPECT_EQ(currency_of(id_, all_, there_, kNow).current, 0U);
  has(2);
  EXPECT_TRUE(wanted().empty());
  EXPECT_EQ(currency_of(id_, all_, there_, kNow).current, 1U);
  // Clocks differ a little.
  add("web", later);
  EXPECT_EQ(wanted(), (Seconds{later}));
  EXPECT_EQ(currency_of(id_, all_, there_, kNow).current, 0U);
}

TEST_F(CatchUpTest, TakesADateOfTheFutureWhereASourceHasNothingElse) {
  add("web", kNow.seconds + 9 * kDay);
  EXPECT_EQ(wanted().size(), 1U);
  EXPECT_EQ(currency_of(id_, all_, there_, kNow).current, 0U);
  has(0);
  EXPECT_TRUE(wanted().empty());
  EXPECT_EQ(currency_of(id_, all_, there_, kNow).current, 1U);
}

TEST_F(CatchUpTest, BringsWhatWasJustMadeAlsoWhereTheClockWasSetBack) {
  add("web", 5);
  has(0);
  add("web", 2);
  EXPECT_TRUE(wanted().empty());
  made_now_ = all_[1].id;
  EXPECT_EQ(wanted(), (Seconds{2}));
  for (std::int64_t i = 6; i <= 9; ++i) add("web", i);
  EXPECT_EQ(wanted(2), (Seconds{9, 2}));
  has(1);
  EXPECT_EQ(wanted(2), (Seconds{8, 9}));
}

}  // namespace
}  // namespace backstay::engine
