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
  [[nodiscard]] std::vector<std::int64_t> wanted(std::size_t max = 100) const {
    std::vector<std::int64_t> seconds;
    for (const auto& one : catch_up(id_, all_, there_, max).wanted)
      seconds.push_back(one.snapshot.started.seconds);
    return seconds;
  }
  using Seconds = std::vector<std::int64_t>;

  const repo::RepositoryId id_ = repository_named(7);
  std::vector<repo::StoredSnapshot> all_;
  std::set<std::string> there_;
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
  EXPECT_EQ(catch_up(id_, all_, there_, 2).left_out, 7U);
}

TEST_F(CatchUpTest, KnowsACopyByItsOrigin) {
  add("web", 1);
  has(0);
  repo::StoredSnapshot copy = all_[0];
  copy.snapshot.origin = origin_of(id_, all_[0]);
  const auto origins = origins_of(repository_named(9), {copy});
  EXPECT_EQ(origins, there_);
  const Currency currency = currency_of(id_, all_, origins);
  EXPECT_EQ(currency.current, 1U);
  EXPECT_EQ(currency.sources, 1U);
  add("web", 2);
  EXPECT_EQ(currency_of(id_, all_, origins).current, 0U);
}

}  // namespace
}  // namespace backstay::engine
