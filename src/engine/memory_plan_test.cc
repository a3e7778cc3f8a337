#include "engine/backup/memory_plan.h"

#include <gtest/gtest.h>

#include "base/byte_size.h"
#include "repo/testing/fixture.h"

namespace backstay::engine::backup_stages {
namespace {

repo::Config usual() {
  SeededRng rng(1);
  repo::Config config = repo::small_config(rng);
  config.cut = {};
  config.fixed_piece_bytes = 32 * 1024;
  config.pack_bytes = 16 * 1024 * 1024;
  config.frame_bytes = 1024 * 1024;
  return config;
}

TEST(MemoryPlan, StaysWithinTheLimitDownToItsLeast) {
  const std::uint64_t least = plan_memory(usual(), 64, 1, 0).total_bytes;
  EXPECT_LE(least, 60 * kMiB);
  for (const std::size_t threads : {1U, 2U, 8U, 64U}) {
    for (std::uint64_t limit = least; limit < 4 * kGiB; limit += limit / 3) {
      for (const std::uint64_t chunks : {0ULL, 10'000'000ULL}) {
        const MemoryPlan plan = plan_memory(usual(), threads, limit, chunks);
        EXPECT_LE(plan.total_bytes, limit) << threads << " threads";
      }
    }
  }
}

TEST(MemoryPlan, KeepsWhatTheStagesNeedHoweverLowTheLimit) {
  const repo::Config config = usual();
  for (const std::uint64_t limit : {std::uint64_t{1}, 64 * kMiB, 4 * kGiB}) {
    const MemoryPlan plan = plan_memory(config, 8, limit, 0);
    EXPECT_GE(plan.readers, 1U);
    EXPECT_GE(plan.encoders, 1U);
    EXPECT_GT(plan.slab_bytes, config.cut.max_bytes);
    EXPECT_GT(plan.slabs, 2 * plan.readers);  // what readers that wait for one can hold
    EXPECT_GE(plan.entries_in_flight, 512U);  // more than a batch reaches: see BackupRun::take
    EXPECT_GE(plan.store.pack_bytes, kMiB);
  }
}

TEST(MemoryPlan, HoldsTwoFixedPiecesInASlab) {
  repo::Config config = usual();
  config.cut = {.min_bytes = 64, .normal_bytes = 64, .max_bytes = 64};
  config.fixed_piece_bytes = repo::kFrameMax;
  for (const std::uint64_t limit : {std::uint64_t{1}, 4 * kGiB}) {
    EXPECT_GE(plan_memory(config, 1, limit, 0).slab_bytes, 2ULL * repo::kFrameMax);
  }
}

TEST(MemoryPlan, TakesAsManyThreadsAsItIsGivenWhereTheyFit) {
  const MemoryPlan plan = plan_memory(usual(), 3, 4 * kGiB, 0);
  EXPECT_EQ(plan.readers, 3U);
  EXPECT_EQ(plan.encoders, 3U);
  EXPECT_GE(plan_memory(usual(), 0, 4 * kGiB, 0).readers, 1U);
}

TEST(MemoryPlan, LetsPacksGrowWithTheRepository) {
  const auto pack_bytes = [](const repo::Config& config, std::uint64_t chunks) {
    return plan_memory(config, 1, 64 * kGiB, chunks).store.pack_bytes;
  };
  EXPECT_EQ(pack_bytes(usual(), 0), 16 * kMiB);
  EXPECT_EQ(pack_bytes(usual(), 2'000'000), 32 * kMiB);
  EXPECT_EQ(pack_bytes(usual(), 20'000'000), 64 * kMiB);
  repo::Config large = usual();
  large.pack_bytes = 1U << 30;
  EXPECT_EQ(pack_bytes(large, 20'000'000), 1U << 30);
}

}  // namespace
}  // namespace backstay::engine::backup_stages
