#include "repo/liveness.h"

#include <gtest/gtest.h>

#include "repo/testing/runs.h"

namespace backstay::repo {
namespace {

// A table of packs that are in a store, and runs of what is in them.
class LivenessOfRuns : public ::testing::Test {
 protected:
  void store_pack(const PackEntries& pack) {
    ASSERT_EQ(problem(memory_.put(object_name(object_kind(pack.kind), pack.pack),
                                  Bytes(pack.size_bytes))),
              "");
  }
  void add(const std::vector<PackEntries>& packs) {
    runs_.push_back(maker_.open(maker_.object(packs)));
  }
  void build(const std::vector<Generation>& generations = {}) {
    auto table = PackTable::list(memory_, generations);
    ASSERT_EQ(problem(table), "");
    table_ = std::move(*table);
    Index index(memory_, maker_.keyring, maker_.config, maker_.rng, {});
    for (const auto& pack : packs_) ASSERT_EQ(problem(index.add_unstored({pack})), "");
    std::vector<ObjectId> condemned;
    for (const Generation& one : generations)
      condemned.insert(condemned.end(), one.condemned.begin(), one.condemned.end());
    index.condemn(2, condemned);
    ASSERT_EQ(problem(table_.take_in(memory_, index)), "");
    liveness_ = std::make_unique<Liveness>(index.runs(), table_);
  }
  Liveness::Marked mark(std::uint64_t seed) {
    return liveness_->mark({.id = id_with(some_prefix(seed)), .length = 100});
  }
  [[nodiscard]] const PackUse& use(std::uint64_t pack) const {
    return table_.packs()[table_.number_of(numbered_pack(pack))];
  }

  RunMaker maker_;
  ManualClock clock_;
  backend::MemoryBackend memory_{clock_};
  std::vector<std::shared_ptr<const IndexRun>> runs_;
  std::vector<PackEntries> packs_;
  PackTable table_;
  std::unique_ptr<Liveness> liveness_;
};

TEST_F(LivenessOfRuns, CountsWhatIsNeededOfEachPack) {
  packs_ = {some_pack(1, 5, 1000), some_pack(2, 3, 2000)};
  for (const auto& pack : packs_) store_pack(pack);
  build();
  EXPECT_EQ(use(1).raw_bytes, 500U);
  EXPECT_EQ(mark(1000), Liveness::Marked::kNow);
  EXPECT_EQ(mark(1003), Liveness::Marked::kNow);
  EXPECT_EQ(mark(1000), Liveness::Marked::kBefore);
  EXPECT_EQ(use(1).raw_needed, 200U);
  EXPECT_EQ(use(1).sealed_bytes, 5U * 116);
  EXPECT_EQ(use(1).sealed_needed, 2U * 116);
  EXPECT_EQ(use(1).places_needed, 2U);
  EXPECT_EQ(use(2).places_needed, 0U);
  const std::uint32_t number = table_.number_of(numbered_pack(1));
  EXPECT_TRUE(liveness_->is_needed(some_prefix(1003), number, kHeaderSize + 3 * 116, 0));
  EXPECT_FALSE(liveness_->is_needed(some_prefix(1002), number, kHeaderSize + 2 * 116, 0));
  EXPECT_EQ(liveness_->place_of(some_prefix(1000))->frame.pack, numbered_pack(1));
  EXPECT_FALSE(liveness_->place_of(some_prefix(1001)));
}

TEST_F(LivenessOfRuns, KeepsTheNewestOfSeveralPlaces) {
  packs_ = {some_pack(1, 5, 1000), some_pack(3, 5, 1000), some_pack(5, 5, 1000)};
  for (const auto& pack : packs_) {
    clock_.advance(std::chrono::seconds(pack.pack == numbered_pack(5) ? -9 : 5));
    store_pack(pack);
  }
  build();
  EXPECT_EQ(mark(1002), Liveness::Marked::kNow);
  EXPECT_EQ(mark(1002), Liveness::Marked::kBefore);
  EXPECT_EQ(use(3).places_needed, 1U);
  EXPECT_EQ(use(1).places_needed + use(5).places_needed, 0U);
}

TEST_F(LivenessOfRuns, RelyOnNoCondemnedMarkedOrLostPackWhileThereIsAnother) {
  packs_ = {some_pack(1, 2, 1000), some_pack(3, 2, 1000), some_pack(5, 2, 1000),
            some_pack(7, 2, 1000)};
  for (const auto& pack : packs_) {
    clock_.advance(std::chrono::seconds(5));
    if (pack.pack != numbered_pack(7)) store_pack(pack);
  }
  ASSERT_EQ(problem(memory_.put(object_name(ObjectKind::kDamageMark, numbered_pack(5)), Bytes(1))),
            "");
  Generation generation;
  generation.number = 2;
  generation.condemned = {numbered_pack(3)};
  build({generation});
  EXPECT_EQ(use(3).condemned_in, 2U);
  EXPECT_TRUE(use(5).marked);
  EXPECT_FALSE(use(7).stored);
  EXPECT_EQ(mark(1000), Liveness::Marked::kNow);
  EXPECT_EQ(use(1).places_needed, 1U);
  EXPECT_EQ(use(3).places_needed + use(5).places_needed + use(7).places_needed, 0U);
}

TEST_F(LivenessOfRuns, KeepsAllPlacesWhereNoneCanBeReliedOn) {
  packs_ = {some_pack(1, 2, 1000), some_pack(3, 2, 1000), some_pack(5, 2, 5000)};
  store_pack(packs_[0]);
  Generation generation;
  generation.number = 2;
  generation.condemned = {numbered_pack(1), numbered_pack(3)};
  build({generation});
  EXPECT_EQ(mark(1000), Liveness::Marked::kNow);
  EXPECT_EQ(mark(1000), Liveness::Marked::kBefore);
  EXPECT_EQ(use(1).places_needed, 1U);
  EXPECT_EQ(use(3).places_needed, 1U);
  EXPECT_EQ(mark(5000), Liveness::Marked::kNowhere) << "in a pack that is lost";
  EXPECT_EQ(mark(5000), Liveness::Marked::kBefore);
  EXPECT_EQ(mark(9000), Liveness::Marked::kNowhere) << "in no run";
  EXPECT_EQ(mark(9000), Liveness::Marked::kBefore);
}

TEST_F(LivenessOfRuns, CountsAPlaceOnceHoweverManyRunsNameIt) {
  packs_ = {some_pack(1, 4, 1000), some_pack(1, 4, 1000)};
  store_pack(packs_[0]);
  build();
  EXPECT_EQ(use(1).raw_bytes, 400U);
  EXPECT_EQ(mark(1000), Liveness::Marked::kNow);
  EXPECT_EQ(use(1).places_needed, 1U);
}

// None of the places is another one: what is needed at all of them is relied on at none.
TEST_F(LivenessOfRuns, SendsNobodyElsewhereForWhatIsNeededHereByARunThatRepeats) {
  packs_ = {some_pack(1, 2, 1000), some_pack(3, 2, 1000), some_pack(1, 2, 1000),
            some_pack(3, 2, 1000)};
  store_pack(packs_[0]);
  Generation generation;
  generation.number = 2;
  generation.condemned = {numbered_pack(1), numbered_pack(3)};
  build({generation});
  EXPECT_EQ(mark(1000), Liveness::Marked::kNow);
  for (const std::uint64_t going : {1ULL, 3ULL}) {
    std::size_t elsewhere = 0;
    EXPECT_EQ(problem(liveness_->for_each_elsewhere(
                  {table_.number_of(numbered_pack(going))},
                  [&](const IdPrefix&, const ChunkLocation&) -> Result<void> {
                    ++elsewhere;
                    return {};
                  })),
              "");
    EXPECT_EQ(elsewhere, 0U) << going;
  }
}

TEST_F(LivenessOfRuns, WalksAPageThatAFileHoldsToo) {
  packs_ = {some_pack(2, 4, 1000)};
  store_pack(packs_[0]);
  build();
  const chunk::ChunkRef page{.id = id_with(some_prefix(1000)), .length = 100};
  EXPECT_EQ(liveness_->mark(page), Liveness::Marked::kNow) << "as part of a file";
  EXPECT_TRUE(liveness_->mark_page(page)) << "what it refers to was not followed";
  EXPECT_FALSE(liveness_->mark_page(page));
}

}  // namespace
}  // namespace backstay::repo
