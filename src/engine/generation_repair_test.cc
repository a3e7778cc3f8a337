// Generations that are damaged, or were put there by somebody without a key.
#include "engine/repair.h"
#include "engine/testing/prune_fixture.h"

namespace backstay::engine {
namespace {

class GenerationRepair : public PruneFixture {
 protected:
  // Packs that are condemned and wait, so that their generation stays.
  void condemn_some() {
    const auto reading = open();
    auto held = lease(*reading, "restore", repo::LeaseUse::kReading);
    forget(older_);
    EXPECT_GT(prune_well(thorough()).packs_waiting, 0U);
    ASSERT_EQ(problem(held->release()), "");
  }
  Result<GenerationRepairReport> repair(RepairMode mode = RepairMode::kRepair) {
    auto repository = try_open();
    if (!repository) return std::unexpected(std::move(repository).error());
    return repair_generations(**repository, {.mode = mode, .author = {}});
  }
  Result<void> write() {
    auto repository = try_open();
    if (!repository) return std::unexpected(std::move(repository).error());
    return (*repository)->refresh_generations();
  }
  static constexpr const char* kSecond = "generations/00000000000000000002";
};

TEST_F(GenerationRepair, LeavesWholeOnesAlone) {
  condemn_some();
  const auto before = memory_.objects();
  const auto report = repair();
  ASSERT_EQ(problem(report), "");
  EXPECT_TRUE(report->damaged.empty());
  EXPECT_EQ(memory_.objects(), before);
}

TEST_F(GenerationRepair, LetsWritersGoOnAndLosesNothing) {
  condemn_some();
  replace(kSecond, [](Bytes& bytes) { bytes[100] ^= 1; });
  EXPECT_EQ(code_of(write()), "corruption");
  const std::uint64_t last = std::stoull(names("generations/").back().substr(12));
  const auto before = memory_.objects();
  const auto dry = repair(RepairMode::kDryRun);
  ASSERT_EQ(problem(dry), "");
  EXPECT_EQ(dry->damaged.size(), 1U);
  EXPECT_EQ(memory_.objects(), before);
  const auto report = repair();
  ASSERT_EQ(problem(report), "");
  EXPECT_EQ(report->removed, 1U);
  EXPECT_EQ(report->begun, last + 1);
  EXPECT_EQ(problem(write()), "");
  EXPECT_TRUE(names("leases/").empty());
  expect_whole();
  expect_holds_the_tree(newer_);
  prune_well(thorough());
  prune_well(thorough());
  expect_whole();
  expect_holds_the_tree(newer_);
  EXPECT_EQ(prune_well(thorough()).packs_waiting, 0U);
}

TEST_F(GenerationRepair, DoesNotBelieveTheNumberOfAPlantedOne) {
  ASSERT_EQ(problem(memory_.put("generations/04611686018427387904", as_bytes("planted"))), "");
  EXPECT_EQ(code_of(write()), "corruption");
  const auto report = repair();
  ASSERT_EQ(problem(report), "");
  EXPECT_EQ(report->begun, 2U);
  EXPECT_EQ(problem(write()), "");
  forget(older_);
  EXPECT_GT(prune_well(thorough()).bytes_freed, 0U);
}

TEST_F(GenerationRepair, DoesNothingBesideALivingLease) {
  condemn_some();
  const auto working = open();
  const auto held = lease(*working, "restore", repo::LeaseUse::kReading);
  replace(kSecond, [](Bytes& bytes) { bytes[100] ^= 1; });
  const auto before = names("generations/");
  EXPECT_EQ(code_of(repair()), "conflict");
  EXPECT_EQ(names("generations/"), before);
  EXPECT_EQ(names("leases/").size(), 1U);
}

TEST_F(GenerationRepair, EndsDeadLeasesSoThatTheirOwnersCommitNothing) {
  condemn_some();
  const auto working = open();
  const auto held = lease(*working, "backup", repo::LeaseUse::kWriting);
  replace(kSecond, [](Bytes& bytes) { bytes[100] ^= 1; });
  clock_.advance(std::chrono::hours(100));
  const auto report = repair();
  ASSERT_EQ(problem(report), "");
  EXPECT_EQ(report->leases_ended, 1U);
  EXPECT_EQ(code_of(working->commit_snapshot(newer_.snapshot, *held)), "conflict");
}

TEST_F(GenerationRepair, MayBeCutAnywhereAndRunAgain) {
  condemn_some();
  replace(kSecond, [](Bytes& bytes) { bytes[100] ^= 1; });
  const auto damaged = memory_.objects();
  for (std::uint64_t cut = 1;; ++cut) {
    ASSERT_LT(cut, 100U);
    for (const std::string& name : names("")) remove(name);
    for (const auto& [name, bytes] : damaged) ASSERT_EQ(problem(memory_.put(name, bytes)), "");
    backend::FaultBackend faults(memory_, backend::FaultBackend::Numbered::kChanges);
    faults.crash_at(cut, backend::FaultBackend::Effect::kApplied);
    backend::Backend& way = faults;
    auto repository =
        repo::Repository::open(std::make_unique<backend::FaultBackend>(way),
                               repo::test_credential(), {}, {.clock = clock_, .rng = rng_});
    if (repository)
      (void)repair_generations(**repository, {.mode = RepairMode::kRepair, .author = {}})
          .has_value();
    repository = fail(ErrorCode::kCancelled, "closed");
    const bool through = !faults.crashed();
    clock_.advance(std::chrono::hours(100));
    ASSERT_EQ(problem(repair()), "") << cut;
    ASSERT_EQ(problem(write()), "") << cut;
    expect_holds_the_tree(newer_);
    if (through) break;
  }
}

}  // namespace
}  // namespace backstay::engine
