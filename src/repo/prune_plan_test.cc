#include "repo/prune_plan.h"

#include <gtest/gtest.h>

namespace backstay::repo {
namespace {

PackUse pack_of(std::uint64_t size, std::uint64_t raw, std::uint64_t needed) {
  PackUse use;
  use.pack.size_bytes = size;
  use.stored = use.present = use.in_index = true;
  use.raw_bytes = raw;
  use.raw_needed = needed;
  use.sealed_bytes = raw;
  use.sealed_needed = needed;
  use.places_needed = needed == 0 ? 0 : 1;
  return use;
}

PrunePlan plan(std::vector<PackUse> packs, const PruneLimits& limits,
               Strays strays = Strays::kMayGo) {
  PackTable table;
  table.packs() = std::move(packs);
  return plan_prune(table, limits, strays);
}

PruneLimits unused(double share) {
  PruneLimits limits;
  limits.unused_share_max = share;
  return limits;
}

using Numbers = std::vector<std::uint32_t>;

TEST(PrunePlan, DropsWhatNothingNeeds) {
  const PrunePlan made = plan({pack_of(100, 200, 0), pack_of(100, 200, 200)}, unused(0));
  EXPECT_EQ(made.drop, Numbers{0});
  EXPECT_EQ(made.drop_bytes, 100U);
  EXPECT_TRUE(made.repack.empty());
  EXPECT_EQ(made.needed_bytes, 100U);
}

TEST(PrunePlan, RepacksThoseThatGiveMostForLeastUntilLittleIsUnused) {
  const std::vector<PackUse> packs = {pack_of(100, 200, 190), pack_of(100, 200, 20),
                                      pack_of(100, 200, 100)};
  const PrunePlan all = plan(packs, unused(0));
  EXPECT_EQ(all.repack, (Numbers{1, 2, 0}));
  EXPECT_EQ(all.unused_bytes, 0U);
  EXPECT_EQ(all.repack_needed_bytes, 95U + 10 + 50);
  // Needed are 155 bytes, and 55 remain unused after the first.
  EXPECT_EQ(plan(packs, unused(0.4)).repack, Numbers{1});
  EXPECT_TRUE(plan(packs, unused(1)).repack.empty());
}

TEST(PrunePlan, RepacksNoMoreBytesThanItMay) {
  PruneLimits limits = unused(0);
  limits.repack_bytes_max = 150;
  const PrunePlan made =
      plan({pack_of(100, 200, 20), pack_of(100, 200, 30), pack_of(40, 200, 190)}, limits);
  EXPECT_EQ(made.repack, (Numbers{0, 2}));
  EXPECT_EQ(made.repack_bytes, 140U);
}

TEST(PrunePlan, LeavesYoungMarkedAndLostPacksAlone) {
  PackUse young = pack_of(100, 200, 0);
  young.young = true;
  PackUse young_part = pack_of(100, 200, 20);
  young_part.young = true;
  PackUse marked = pack_of(100, 200, 20);
  marked.marked = true;
  PackUse lost = pack_of(100, 200, 0);
  lost.stored = lost.present = false;
  const PrunePlan made = plan({young, young_part, marked, lost}, unused(0));
  EXPECT_TRUE(made.drop.empty());
  EXPECT_TRUE(made.repack.empty());
}

TEST(PrunePlan, DropsAMarkedPackThatNothingNeeds) {
  PackUse marked = pack_of(100, 200, 0);
  marked.marked = true;
  EXPECT_EQ(plan({marked}, unused(0)).drop, Numbers{0});
}

TEST(PrunePlan, DropsStraysOnlyWhenNothingIsMissed) {
  PackUse stray = pack_of(100, 0, 0);
  stray.in_index = false;
  EXPECT_EQ(plan({stray}, unused(0)).drop, Numbers{0});
  EXPECT_TRUE(plan({stray}, unused(0), Strays::kStay).drop.empty());
}

TEST(PrunePlan, RescuesFromCondemnedPacksAndNeverCondemnsTwice) {
  PackUse needed = pack_of(100, 200, 20);
  needed.condemned_in = 2;
  PackUse done = pack_of(100, 200, 0);
  done.condemned_in = 2;
  PruneLimits limits = unused(0);
  limits.repack_bytes_max = 0;
  const PrunePlan made = plan({needed, done}, limits);
  EXPECT_EQ(made.rescue, Numbers{0});
  EXPECT_TRUE(made.drop.empty());
}

TEST(PrunePlan, PutsSmallPacksTogetherWhenThereAreTwo) {
  PruneLimits limits = unused(1);
  limits.small_data_bytes = 50;
  EXPECT_TRUE(plan({pack_of(40, 80, 80), pack_of(60, 80, 80)}, limits).repack.empty());
  EXPECT_EQ(plan({pack_of(40, 80, 80), pack_of(30, 80, 80)}, limits).repack, (Numbers{0, 1}));
  PackUse meta = pack_of(30, 80, 80);
  meta.pack.kind = PackKind::kMeta;
  EXPECT_TRUE(plan({pack_of(40, 80, 80), meta}, limits).repack.empty());
}

TEST(PrunePlan, BelievesNoMoreThanThePackHolds) {
  EXPECT_EQ(needed_bytes_of(pack_of(100, 200, 5000)), 100U);
  EXPECT_EQ(needed_bytes_of(pack_of(100, 0, 0)), 0U);
  PackUse mixed = pack_of(1000, 200, 100);
  mixed.sealed_bytes = 1000;
  mixed.sealed_needed = 900;  // what is needed did not compress
  EXPECT_EQ(needed_bytes_of(mixed), 900U);
}

}  // namespace
}  // namespace backstay::repo
