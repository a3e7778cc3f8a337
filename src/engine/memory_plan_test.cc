#include "engine/backup/memory_plan.h"

#include <fmt/format.h>
#include <gtest/gtest.h>

#include <fstream>
#include <sstream>
#include <string>

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
  EXPECT_LE(plan_memory(usual(), 64, 1, 0).total_bytes, 60 * kMiB);
  for (const std::size_t threads : {1U, 2U, 8U, 64U}) {
    for (const std::uint64_t chunks : {0ULL, 10'000'000ULL}) {
      const std::uint64_t least = plan_memory(usual(), 64, 1, chunks).total_bytes;
      for (std::uint64_t limit = least; limit < 4 * kGiB; limit += limit / 3) {
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

TEST(MemoryPlan, SendsSeveralPacksAtOnceOverTheNetworkWithinTheSameLimit) {
  const MemoryPlan here = plan_memory(usual(), 2, 0, 0);
  const MemoryPlan there = plan_memory(usual(), 2, 0, 0, 0, {.reach = Reach::kOverNetwork});
  EXPECT_EQ(here.store.uploads, 1U);
  EXPECT_GE(there.store.uploads, 4U) << "with fewer, a line of 200 ms would not be full";
  EXPECT_GE(there.store.pack_bytes, 6 * kMiB);
  const auto uploads = [](std::uint64_t limit, std::size_t most) {
    const Route route{.reach = Reach::kOverNetwork, .uploads_max = most};
    return plan_memory(usual(), 2, limit, 0, 0, route).store.uploads;
  };
  EXPECT_EQ(uploads(kGiB, 0), 16U);
  EXPECT_EQ(uploads(kGiB, 4), 4U);
  EXPECT_GT(uploads(200 * kMiB, 0), there.store.uploads);
  EXPECT_LE(there.total_bytes, 144 * kMiB);
  EXPECT_EQ(there.readers, here.readers);
  for (std::uint64_t limit = 60 * kMiB; limit < 4 * kGiB; limit += limit / 3) {
    const MemoryPlan plan = plan_memory(usual(), 2, limit, 0, 0, {.reach = Reach::kOverNetwork});
    EXPECT_LE(plan.total_bytes, limit);
    EXPECT_GE(plan.store.uploads, 1U);
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

TEST(MemoryPlan, CountsWhatTheSourceHolds) {
  constexpr std::uint64_t kSource = 40 * kMiB;
  const MemoryPlan plan = plan_memory(usual(), 8, 200 * kMiB, 0, kSource);
  EXPECT_LE(plan.total_bytes, 200 * kMiB);
  std::uint64_t sum = 0;
  for (const MemoryPart& part : memory_parts(plan, usual(), 0)) sum += part.count * part.bytes_each;
  EXPECT_EQ(sum, plan.total_bytes);
  // It does not cost threads where nobody set a limit.
  const MemoryPlan without = plan_memory(usual(), 2, 0, 0);
  const MemoryPlan with = plan_memory(usual(), 2, 0, 0, kSource);
  EXPECT_EQ(with.readers, without.readers);
  EXPECT_EQ(with.total_bytes, without.total_bytes + kSource);
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

TEST(MemoryPlan, CountsTheFilterOfTheIndexAndLeavesTheDefaultItsThreads) {
  for (const std::uint64_t chunks : {0ULL, 10'000'000ULL, 100'000'000ULL}) {
    const MemoryPlan plan = plan_memory(usual(), 2, 0, chunks);
    EXPECT_EQ(plan.readers, 2U);
    EXPECT_EQ(plan.encoders, 2U);
    EXPECT_GE(plan.total_bytes, chunks * 3 / 2);
    EXPECT_LE(plan.total_bytes, 120 * kMiB + chunks * 3 / 2);
  }
}

// A row of docs/performance.md for every part, for two threads and a million indexed chunks.
std::string table_of_parts() {
  constexpr std::uint64_t kChunks = 1'000'000;
  const MemoryPlan usually = plan_memory(usual(), 2, 0, kChunks);
  const MemoryPlan small = plan_memory(usual(), 2, 64 * kMiB, kChunks);
  const auto usual_parts = memory_parts(usually, usual(), kChunks);
  const auto small_parts = memory_parts(small, usual(), kChunks);
  const auto cells = [](const MemoryPart& part) {
    return fmt::format("{} | {} | {:.1f}", part.count, part.bytes_each,
                       static_cast<double>(part.count * part.bytes_each) / kMiB);
  };
  std::string table =
      "| what | default: how many | bytes each | MiB | 64 MiB: how many | bytes each | MiB |\n"
      "|---|---|---|---|---|---|---|\n";
  for (std::size_t i = 0; i < usual_parts.size(); ++i) {
    table += fmt::format("| {} | {} | {} |\n", usual_parts[i].what, cells(usual_parts[i]),
                         cells(small_parts[i]));
  }
  const auto mib = [](std::uint64_t bytes) { return static_cast<double>(bytes) / kMiB; };
  return table + fmt::format("| sum | | | {:.1f} | | | {:.1f} |\n", mib(usually.total_bytes),
                             mib(small.total_bytes));
}

TEST(MemoryPlan, IsTheOneThatThePageShows) {
  std::ifstream file(BACKSTAY_SOURCE_FOLDER "/docs/performance.md");
  std::stringstream page;
  page << file.rdbuf();
  const std::string table = table_of_parts();
  EXPECT_NE(page.str().find(table), std::string::npos)
      << "docs/performance.md, section Memory, should show:\n"
      << table;
}

}  // namespace
}  // namespace backstay::engine::backup_stages
