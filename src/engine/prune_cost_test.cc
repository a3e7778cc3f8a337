#include "backend/forwarding_backend.h"
#include "engine/parity.h"
#include "engine/prune.h"
#include "engine/testing/prune_fixture.h"

namespace backstay::engine {
namespace {

class PruneCostTest : public PruneFixture {
 protected:
  // Files of each frame stay, and others go.
  void mix(std::uint64_t from) {
    for (std::uint64_t i = 0; i < 30; ++i) {
      const std::string folder = "/mixed/" + std::to_string(from + i);
      tree_.add_file(folder + "/goes", noise(28'000, 4000 + from + i));
      tree_.add_file(folder + "/stays", noise(4'000, 5000 + from + i));
    }
    mixed_.push_back(backup_well());
    for (std::uint64_t i = 0; i < 30; ++i)
      tree_.remove("/mixed/" + std::to_string(from + i) + "/goes");
  }
  std::vector<BackupReport> mixed_;
};

// How much is read of which data packs.
class CountingReads final : public backend::ForwardingBackend {
 public:
  using ForwardingBackend::ForwardingBackend;
  Result<Bytes> get(std::string_view name, std::uint64_t size_max) override {
    auto got = inner_.get(name, size_max);
    if (got) count(name, got->size());
    return got;
  }
  Result<void> get_range(std::string_view name, std::uint64_t offset,
                         MutableByteView out) override {
    count(name, out.size());
    return inner_.get_range(name, offset, out);
  }
  std::map<std::string, std::uint64_t, std::less<>> bytes;

 private:
  void count(std::string_view name, std::uint64_t size) {
    if (name.starts_with("data/")) bytes[std::string(name)] += size;
  }
};

TEST_F(PruneCostTest, RepacksOnlyWhatLives) {
  for (std::uint64_t i = 0; i < 30; ++i) {
    tree_.add_file("/mixed/" + std::to_string(i) + "/goes", noise(28'000, 400 + i));
    tree_.add_file("/mixed/" + std::to_string(i) + "/stays", noise(4'000, 500 + i));
  }
  const BackupReport both = backup_well();
  for (int i = 0; i < 30; ++i) tree_.remove("/mixed/" + std::to_string(i) + "/goes");
  newer_ = backup_well();
  forget(older_);
  forget(both);
  const auto before = memory_.objects();
  auto counting = std::make_unique<CountingReads>(memory_);
  const CountingReads& counted = *counting;
  auto repository = repo::Repository::open(std::move(counting), repo::test_credential(), {},
                                           {.clock = clock_, .rng = rng_});
  ASSERT_EQ(problem(repository), "");
  Watch watch;
  Activity activity = watch.activity();
  const auto report = prune(**repository, thorough(), activity);
  ASSERT_EQ(problem(report), "");
  std::uint64_t repacked = 0;
  std::uint64_t read = 0;
  for (const auto& [name, bytes] : counted.bytes) {
    const auto pack = before.find(name);
    if (pack == before.end() || memory_.objects().contains(name)) continue;
    repacked += pack->second.size();
    read += bytes;
  }
  EXPECT_GT(report->packs_repacked, 10U);
  EXPECT_GT(repacked, 800'000U);
  EXPECT_LT(read, repacked / 2);
  EXPECT_GE(report->bytes_read, 30U * 4'000);
  EXPECT_LT(report->bytes_read, repacked / 2);
  expect_whole();
  expect_holds_the_tree(newer_);
}

class PruneCost : public PruneCostTest, public ::testing::WithParamInterface<const char*> {};

// Within a tenth of what is stored, and as what was read of the store.
TEST_P(PruneCost, IsToldBeforehandAsItIsAfterwards) {
  const std::string_view of = GetParam();
  mix(0);
  mix(100);
  newer_ = backup_well();
  if (of == "parity") {
    Watch watch;
    Activity activity = watch.activity();
    const auto repository = open();
    const auto wish = *plan_parity(1000, 1);
    ASSERT_EQ(problem(add_parity(parity_place(*repository), wish, {}, activity)), "");
  }
  forget(older_);
  for (const BackupReport& mixed : mixed_) forget(mixed);
  PruneOptions dry = thorough();
  dry.dry_run = true;
  const PruneReport told = prune_well(dry);
  std::uint64_t stored = 0;
  for (const auto& [name, bytes] : memory_.objects()) stored += bytes.size();
  auto counting = std::make_unique<CountingReads>(memory_);
  const CountingReads& counted = *counting;
  auto repository = repo::Repository::open(std::move(counting), repo::test_credential(), {},
                                           {.clock = clock_, .rng = rng_});
  ASSERT_EQ(problem(repository), "");
  Watch watch;
  Activity activity = watch.activity();
  const auto done = prune(**repository, thorough(), activity);
  ASSERT_EQ(problem(done), "");
  const auto near = static_cast<double>(stored) / 10;
  const auto expect_near = [&](std::uint64_t one, std::uint64_t other, const char* what) {
    EXPECT_NEAR(static_cast<double>(one), static_cast<double>(other), near) << what;
  };
  EXPECT_EQ(told.packs_repacked, done->packs_repacked);
  expect_near(told.bytes_read, done->bytes_read, "read");
  expect_near(told.bytes_written, done->bytes_written, "written");
  expect_near(told.bytes_freed, done->bytes_freed, "freed");
  // A group may be made anew several times, and thin ones are put together, which is not foreseen.
  EXPECT_LE(told.parity.bytes_read, done->parity.bytes_read);
  EXPECT_LE(told.parity.bytes_written, done->parity.bytes_written);
  EXPECT_GE(told.parity.bytes_read * 6, done->parity.bytes_read);
  EXPECT_GE(told.parity.bytes_written * 6, done->parity.bytes_written);
  EXPECT_EQ(done->planned.bytes_read, told.bytes_read);
  EXPECT_EQ(done->planned.bytes_freed, told.bytes_freed);
  std::uint64_t read = 0;
  for (const auto& [name, bytes] : counted.bytes) read += bytes;
  if (of == "frames") expect_near(done->bytes_read, read, "read of the store");
}

INSTANTIATE_TEST_SUITE_P(Of, PruneCost, ::testing::Values("frames", "parity"),
                         [](const auto& of) { return std::string(of.param); });

TEST_F(PruneCostTest, ALeaseThatIsDeadHoldsNothingUpInTheFigures) {
  const auto writing = open();
  auto writer = lease(*writing, "backup", repo::LeaseUse::kWriting);
  forget(older_);
  clock_.advance(std::chrono::hours(1));
  PruneOptions dry = thorough();
  dry.dry_run = true;
  const PruneReport told = prune_well(dry);
  const PruneReport done = prune_well(thorough());
  EXPECT_EQ(done.leases_ended, 1U);
  EXPECT_GT(told.bytes_freed, 300'000U);
  EXPECT_EQ(told.bytes_freed, done.planned.bytes_freed);
  EXPECT_EQ(done.planned.bytes_later, 0U);
  EXPECT_EQ(done.bytes_freed, told.bytes_freed);
}

TEST_F(PruneCostTest, WhatIsRescuedIsFreedAndNotKept) {
  // Condemned while a backup runs that refers to it.
  const auto writing = open();
  ASSERT_EQ(problem(writing->load_index([](const auto&, const Error&) {})), "");
  auto writer = lease(*writing, "backup", repo::LeaseUse::kWriting);
  const snapshot::Snapshot like_older = *writing->read_snapshot(*older_.id);
  forget(older_);
  prune_well(thorough());
  ASSERT_EQ(problem(writing->commit_snapshot(like_older, *writer)), "");
  ASSERT_EQ(problem(writer->release()), "");
  PruneOptions dry = thorough();
  dry.dry_run = true;
  const PruneReport told = prune_well(dry);
  EXPECT_EQ(told.packs_kept, 0U);
  const PruneReport done = prune_well(thorough());
  EXPECT_GT(done.bytes_freed, 300'000U);
  EXPECT_EQ(told.bytes_freed, done.bytes_freed);
  EXPECT_EQ(done.planned.bytes_later, 0U);
  expect_whole();
}

TEST_F(PruneCostTest, BeginsNoOtherPackWhenTheTimeIsOverAndTheNextRunGoesOn) {
  mix(0);
  mix(100);
  newer_ = backup_well();
  forget(older_);
  for (const BackupReport& mixed : mixed_) forget(mixed);
  // Each pack that is stored takes ten minutes.
  class SlowStore final : public backend::ForwardingBackend {
   public:
    SlowStore(backend::Backend& inner, repo::ManualClock& clock)
        : ForwardingBackend(inner), clock_(clock) {}
    using ForwardingBackend::put;
    Result<void> put(std::string_view name, std::span<const ByteView> pieces) override {
      if (name.starts_with("data/")) clock_.advance(std::chrono::minutes(10));
      return inner_.put(name, pieces);
    }

   private:
    repo::ManualClock& clock_;
  };
  auto repository =
      repo::Repository::open(std::make_unique<SlowStore>(memory_, clock_), repo::test_credential(),
                             {}, {.clock = clock_, .rng = rng_});
  ASSERT_EQ(problem(repository), "");
  PruneOptions options = thorough();
  options.max_duration = std::chrono::minutes(15);
  Watch watch;
  Activity activity = watch.activity();
  const auto report = prune(**repository, options, activity);
  ASSERT_EQ(problem(report), "");
  EXPECT_TRUE(report->stopped_by_time);
  EXPECT_GT(report->packs_repacked, 0U);
  expect_whole();
  EXPECT_GT(prune_well(thorough()).packs_repacked, 0U);
  expect_whole();
  EXPECT_EQ(prune_well(thorough()).packs_removed, 0U);
}

}  // namespace
}  // namespace backstay::engine
