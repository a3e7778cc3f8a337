#include "repo/run_merge.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <set>
#include <tuple>

#include "repo/testing/runs.h"

namespace backstay::repo {
namespace {

using RunPtr = std::shared_ptr<const IndexRun>;
// Where a chunk is, with the pack's name in place of its number.
using Place = std::tuple<IdPrefix, ObjectId, std::uint32_t, std::uint32_t>;

std::set<Place> places_of(const IndexRun& run) {
  std::set<Place> places;
  for (std::uint64_t i = 0; i < run.size(); ++i) {
    const IndexRun::Entry entry = run.entry(i);
    places.emplace(entry.id, run.pack_id(entry.pack), entry.frame_offset, entry.offset_in_frame);
  }
  return places;
}

class RunMerging : public ::testing::Test {
 protected:
  RunPtr run(const std::vector<PackEntries>& packs, std::vector<ObjectId> supersedes = {}) {
    return maker_.open(maker_.object(packs, std::move(supersedes)));
  }
  // The merged run, and a proof that it is in order and as long as it says.
  RunPtr merged(const std::vector<RunPtr>& runs,
                const std::unordered_set<ObjectId>& lingering = {}) {
    RunMerge merge(runs);
    const IndexRunWriter::Head head = merge.head(5, lingering);
    EXPECT_EQ(head.generation, 5U);
    std::vector<IndexRun::Entry> entries;
    while (const auto entry = merge.next()) entries.push_back(*entry);
    EXPECT_EQ(entries.size(), head.entries);
    EXPECT_TRUE(std::ranges::is_sorted(entries, entry_before));
    return maker_.open(maker_.object(entries, head.packs, head.supersedes));
  }
  void expect_same_places(const std::vector<RunPtr>& runs) {
    std::set<Place> expected;
    for (const RunPtr& one : runs) expected.merge(places_of(*one));
    const RunPtr all = merged(runs);
    EXPECT_EQ(places_of(*all), expected);
    EXPECT_EQ(all->size(), expected.size());  // nothing twice
  }

  RunMaker maker_;
};

TEST_F(RunMerging, KeepsEveryPlaceOfEveryRun) {
  expect_same_places({run({some_pack(1, 10, 0)}), run({some_pack(2, 10, 100)}),
                      run({some_pack(3, 0, 0)}), run({some_pack(4, 300, 50)})});
}

TEST_F(RunMerging, OfNothingIsEmpty) {
  expect_same_places({run({})});
  expect_same_places({run({}), run({})});
}

TEST_F(RunMerging, KeepsSeveralPlacesOfOneChunk) {
  expect_same_places(
      {run({some_pack(1, 10, 0)}), run({some_pack(2, 10, 0)}), run({some_pack(3, 10, 0)})});
}

TEST_F(RunMerging, DropsExactRepetitions) {
  const RunPtr one = run({some_pack(1, 10, 0), some_pack(2, 10, 5)});
  const RunPtr same = run({some_pack(2, 10, 5), some_pack(1, 10, 0)});  // numbered the other way
  expect_same_places({one, one, same});
  EXPECT_EQ(merged({one, same})->size(), 20U);
  EXPECT_EQ(merged({one, same})->pack_count(), 2U);
}

TEST_F(RunMerging, IsOrderedWhateverThePackNumbersWere) {
  // Each chunk in many packs, and each run numbers them differently.
  std::vector<RunPtr> runs;
  SeededRng rng(3);
  for (int i = 0; i < 9; ++i) {
    std::vector<PackEntries> packs;
    for (std::uint64_t pack = 0; pack < 6; ++pack) packs.push_back(some_pack(pack, 20, pack % 3));
    for (std::size_t j = packs.size(); j > 1; --j) std::swap(packs[j - 1], packs[rng.below(j)]);
    packs.resize(4);
    runs.push_back(run(packs));
  }
  expect_same_places(runs);
}

TEST_F(RunMerging, OfMergedRunsIsTheSameAsOfAll) {
  const RunPtr a = run({some_pack(1, 50, 0)});
  const RunPtr b = run({some_pack(2, 50, 25)});
  const RunPtr c = run({some_pack(3, 50, 10)});
  EXPECT_EQ(places_of(*merged({merged({a, b}), c})), places_of(*merged({a, merged({b, c})})));
}

TEST_F(RunMerging, SupersedesItsRunsAndWhatOfTheirsIsStillThere) {
  const ObjectId gone = numbered_pack(100);
  const ObjectId lingers = numbered_pack(101);
  const RunPtr a = run({some_pack(1, 5, 0)}, {gone, lingers});
  const RunPtr b = run({some_pack(2, 5, 9)}, {lingers});
  std::vector<ObjectId> expected{a->id(), b->id(), lingers};
  std::ranges::sort(expected);
  EXPECT_EQ(merged({a, b}, {lingers})->supersedes(), expected);
}

TEST(EntriesOf, NumbersPacksByTheirPlace) {
  const auto entries = entries_of({some_pack(7, 2, 0), some_pack(8, 1, 9)});
  ASSERT_EQ(entries.size(), 3U);
  EXPECT_EQ(entries[0].pack, 0U);
  EXPECT_EQ(entries[2].pack, 1U);
  EXPECT_EQ(entries[2].id, some_prefix(9));
}

}  // namespace
}  // namespace backstay::repo
