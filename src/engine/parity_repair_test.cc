// What comes back, and what does not.
#include "engine/parity.h"
#include "engine/prune.h"
#include "engine/testing/parity_fixture.h"

namespace backstay::engine {
namespace {

class ParityRepairing : public ParityFixture {
 protected:
  std::vector<std::string> shard_names() {
    std::vector<std::string> found;
    for (const std::string& name : parity_names()) {
      const auto head = repo::read_parity_head(memory_, name, memory_.head(name)->size_bytes);
      if (head && head->directory.type == repo::ParityType::kShard) found.push_back(name);
    }
    return found;
  }
};

TEST_F(ParityRepairing, LostPacksComeBack) {
  const auto ids = plant_packs(9);
  add();
  const Objects whole = packs();
  for (const std::size_t i : {0U, 4U}) remove(name_of(ids[i]));
  const ParityRepairReport report = repair(false);
  EXPECT_EQ(count(report, ParityOutcome::kRestored), 2U);
  EXPECT_EQ(report.restored_packs.size(), 2U);
  EXPECT_TRUE(packs() == whole);
  EXPECT_TRUE(repair().objects.empty());
}

TEST_F(ParityRepairing, ADryRunChangesNothing) {
  const auto ids = plant_packs(4);
  add();
  remove(name_of(ids[0]));
  flip(name_of(ids[1]), 99);
  const Objects before = memory_.objects();
  EXPECT_EQ(count(repair(true, RepairMode::kDryRun), ParityOutcome::kRestored), 2U);
  EXPECT_TRUE(memory_.objects() == before);
}

TEST_F(ParityRepairing, DamageIsFoundByReading) {
  const auto ids = plant_packs(4);
  add();
  const Objects whole = packs();
  flip(name_of(ids[2]), whole.at(name_of(ids[2])).size() - 1);
  EXPECT_TRUE(repair(false).objects.empty());
  EXPECT_EQ(count(repair(true), ParityOutcome::kRestored), 1U);
  EXPECT_TRUE(packs() == whole);
  EXPECT_EQ(shard_names().size(), 2U);
}

TEST_F(ParityRepairing, MarkedPacksAreLookedAtAndLoseTheirMark) {
  const auto ids = plant_packs(4);
  add();
  const Objects whole = packs();
  flip(name_of(ids[2]), 0);
  for (const auto& id : {ids[1], ids[2]}) {
    ASSERT_EQ(problem(repo::mark_damaged(memory_, id_, id, repo::PackKind::kData, {})), "");
  }
  EXPECT_EQ(count(repair(false), ParityOutcome::kRestored), 1U);
  EXPECT_TRUE(packs() == whole);
  EXPECT_TRUE(names("damaged/").empty());
}

TEST_F(ParityRepairing, PacksOfAnotherLengthComeBack) {
  const auto ids = plant_packs(4);
  add();
  const Objects whole = packs();
  replace(name_of(ids[0]), [](Bytes& bytes) { bytes.resize(bytes.size() / 2); });
  replace(name_of(ids[1]), [](Bytes& bytes) { bytes.resize(bytes.size() + 5000); });
  EXPECT_EQ(count(repair(false), ParityOutcome::kRestored), 2U);
  EXPECT_TRUE(packs() == whole);
}

TEST_F(ParityRepairing, OneLossTooManyIsSaidAndChangesNothing) {
  const auto ids = plant_packs(4);
  add();
  for (const std::size_t i : {0U, 1U, 3U}) remove(name_of(ids[i]));
  const Objects before = memory_.objects();
  const ParityRepairReport report = repair();
  EXPECT_EQ(count(report, ParityOutcome::kBeyondRepair), 3U);
  EXPECT_EQ(status().packs_beyond_repair, 3U);
  EXPECT_TRUE(memory_.objects() == before);
}

TEST_F(ParityRepairing, APackThatComesBackByAnotherWayHelpsTheOthers) {
  const auto ids = plant_packs(4);
  add();
  const Objects whole = packs();
  for (const std::size_t i : {0U, 1U, 3U}) remove(name_of(ids[i]));
  repair();
  Objects objects = memory_.objects();
  objects[name_of(ids[3])] = whole.at(name_of(ids[3]));
  memory_.set_objects(objects);
  EXPECT_EQ(count(repair(), ParityOutcome::kRestored), 2U);
  EXPECT_TRUE(packs() == whole);
}

// Groups of any shape, and losses of any: whole packs, whole shards, and single blocks, but no more
// than the number of shards in any stripe.
TEST_F(ParityRepairing, EverythingComesBackWhileNoStripeHasLostMoreThanTheShards) {
  SeededRng rng(11);
  for (int round = 0; round < 40; ++round) {
    memory_.set_objects({});
    const auto shards = static_cast<unsigned>(1 + rng.below(4));
    const std::size_t slots = 1 + rng.below(8);
    const std::size_t size_max = 1 + rng.below(60'000);
    const auto ids = plant_packs(slots, size_max);
    const auto hundredths =
        static_cast<std::uint32_t>(10'000 * shards / std::max<std::size_t>(slots, shards));
    add(hundredths, shards);
    ASSERT_EQ(status().groups, 1U);
    const Objects whole = packs();
    std::vector<std::string> parts = shard_names();
    for (const auto& [name, bytes] : whole) parts.push_back(name);
    // Whole objects that are lost, and what each stripe may lose besides.
    const std::size_t gone = rng.below(shards + 1);
    for (std::size_t i = 0; i < gone; ++i) {
      const std::size_t at = rng.below(parts.size());
      remove(parts[at]);
      parts.erase(parts.begin() + static_cast<std::ptrdiff_t>(at));
    }
    Objects objects = memory_.objects();
    for (std::size_t begin = 0; begin < size_max; begin += 4096) {
      for (std::size_t i = gone; i < shards; ++i) {
        const std::string& name = parts[rng.below(parts.size())];
        Bytes& bytes = objects[name];
        const auto payload_at =
            name.starts_with("data/")
                ? 0
                : repo::read_parity_head(memory_, name, bytes.size())->payload_at;
        const std::size_t at = payload_at + begin + rng.below(4096);
        if (at < bytes.size()) bytes[at] ^= static_cast<std::uint8_t>(1 + rng.below(255));
      }
    }
    memory_.set_objects(objects);
    const ParityRepairReport report = repair();
    ASSERT_EQ(count(report, ParityOutcome::kBeyondRepair), 0U) << round;
    ASSERT_TRUE(packs() == whole) << round;
    ASSERT_EQ(status().groups_incomplete, 0U);
    ASSERT_TRUE(repair().objects.empty());
    for (const std::string& name : shard_names()) {
      ASSERT_EQ(
          repo::object_name(repo::ObjectKind::kParity, repo::id_of(*memory_.get(name, 1 << 20))),
          name);
    }
  }
}

TEST_F(ParityRepairing, WhatIsBeyondRepairDoesNotKeepTheRestFromComingBack) {
  const auto ids = plant_packs(4, 3000);
  const Objects whole = packs();
  add();
  for (const std::size_t i : {0U, 1U, 2U}) remove(name_of(ids[i]));
  plant_packs(4, 3000);
  keep();
  EXPECT_EQ(status().packs_beyond_repair, 3U);
  EXPECT_EQ(status().packs_covered, 5U);
}

TEST_F(ParityRepairing, ShardsThatLieRestoreNothingWrong) {
  plant_packs(3);
  add(5000, 1);
  // Somebody who may write makes a shard that says what it is, and is not.
  const std::string name = shard_names().front();
  const Bytes stored = *memory_.get(name, 1 << 20);
  const auto head = repo::read_parity_head(memory_, name, stored.size());
  auto digests = *repo::read_block_digests(memory_, name, *head);
  Bytes payload(stored.begin() + static_cast<std::ptrdiff_t>(head->payload_at), stored.end());
  payload[5] ^= 1;
  repo::ParityDirectory directory = head->directory;
  const std::size_t blocks = directory.blocks_in(payload.size());
  digests[digests.size() - blocks] = repo::block_digest(
      ByteView(payload).first(std::min<std::size_t>(payload.size(), directory.block_bytes)));
  Bytes all;
  for (const auto& digest : digests) append(all, digest.view());
  directory.digests = crypto::blake3(all);
  Bytes forged = repo::encode_parity_head(directory, id_, digests);
  append(forged, payload);
  Objects objects = memory_.objects();
  objects.erase(name);
  objects[repo::object_name(repo::ObjectKind::kParity, repo::id_of(forged))] = forged;
  memory_.set_objects(objects);
  remove(name_of(directory.members[0].pack));
  EXPECT_EQ(count(repair(), ParityOutcome::kBeyondRepair), 1U);
  EXPECT_EQ(packs().size(), 2U);
}

TEST_F(ParityRepairing, AStoreThatLetsNothingGoKeepsTheDamagedPack) {
  const auto ids = plant_packs(4);
  add();
  flip(name_of(ids[0]), 0);
  const Objects damaged = packs();
  ASSERT_EQ(problem(memory_.set_append_only(backend::AppendOnly::kOn)), "");
  EXPECT_EQ(count(repair(), ParityOutcome::kKept), 1U);
  EXPECT_TRUE(packs() == damaged);
}

TEST_F(ParityRepairing, OnlyOneRepairsAtATime) {
  plant_packs(4);
  add();
  repo::LeaseRecord record;
  record.operation = "parity repair";
  record.host = "other";
  const auto lease =
      repo::Lease::acquire(memory_, id_, record, rng_, repo::Lease::Renewal::kByHolder);
  ASSERT_EQ(problem(lease), "");
  EXPECT_EQ(code_of(try_repair()), "conflict");
}

// ---- copies of small objects

class ParityCopies : public BackupFixture {
 protected:
  void SetUp() override {
    BackupFixture::SetUp();
    threads_ = repo::World::Threads::kCallersOnly;
  }
  ParityPlace place() {
    return {.store = memory_,
            .repository = open()->config().id,
            .world = {.clock = clock_, .rng = rng_, .threads = threads_}};
  }
  static ParityOptions options() {
    ParityOptions options;
    options.block_bytes = 4096;
    return options;
  }
  void add(const ParityPlace& at) {
    Watch watch;
    Activity activity = watch.activity();
    ASSERT_EQ(problem(add_parity(at, *plan_parity(2500, 2), options(), activity)), "");
  }
  ParityRepairReport repair(const ParityPlace& at) {
    Watch watch;
    Activity activity = watch.activity();
    ParityRepairOptions how;
    how.parity = options();
    auto report = repair_with_parity(at, how, activity);
    EXPECT_EQ(problem(report), "");
    return report ? std::move(*report) : ParityRepairReport{};
  }
};

TEST_F(ParityCopies, DamagedSnapshotsAndConfigComeBack) {
  plant_tree();
  backup_well();
  backup_well();
  const ParityPlace at = place();
  add(at);
  const auto whole = memory_.objects();
  for (const std::string& name : names("snapshots/"))
    replace(name, [](Bytes& bytes) { bytes[bytes.size() / 2] ^= 1; });
  replace("config", [](Bytes& bytes) { bytes[70] ^= 1; });
  EXPECT_EQ(repair(at).objects.size(), 3U);
  EXPECT_TRUE(memory_.objects() == whole);
  remove("config");
  EXPECT_EQ(repair(at).objects.size(), 1U);
  EXPECT_TRUE(memory_.objects() == whole);
}

TEST_F(ParityCopies, WhatWasForgottenStaysForgotten) {
  plant_tree();
  backup_well();
  const ParityPlace at = place();
  add(at);
  remove(only_name("snapshots/"));
  EXPECT_TRUE(repair(at).objects.empty());
  EXPECT_TRUE(names("snapshots/").empty());
}

TEST_F(ParityCopies, ASnapshotThatIsBeingReplacedIsNotForgotten) {
  plant_tree();
  backup_well();
  const ParityPlace at = place();
  add(at);
  const std::string name = only_name("snapshots/");
  const Bytes whole = *memory_.get(name, 1 << 20);
  replace(name, [](Bytes& bytes) { bytes.back() ^= 1; });
  const auto before = memory_.objects();
  for (std::uint64_t number = 1;; ++number) {
    memory_.set_objects(before);
    backend::Backend& inner = memory_;
    backend::FaultBackend cut(inner, backend::FaultBackend::Numbered::kChanges);
    cut.crash_at(number, backend::FaultBackend::Effect::kApplied);
    Watch watch;
    Activity activity = watch.activity();
    ParityRepairOptions how;
    how.parity = options();
    const ParityPlace there{.store = cut, .repository = at.repository, .world = at.world};
    (void)repair_with_parity(there, how, activity);
    if (!cut.crashed()) break;
    clock_.advance(std::chrono::hours(1));
    const auto repository = try_open();
    ASSERT_EQ(problem(repository), "");
    PruneOptions pruning;
    pruning.uploads = 0;
    const auto pruned = prune(**repository, pruning, activity);
    const bool damaged_still = !pruned;
    if (damaged_still) (void)repair(at);
    EXPECT_TRUE(*memory_.get(name, 1 << 20) == whole) << cut.crashed_in();
    EXPECT_TRUE(names("parity/replacing").empty()) << cut.crashed_in();
    EXPECT_EQ(problem(prune(**repository, pruning, activity)), "");
  }
}

TEST_F(ParityCopies, OneSetGrowsAndTheOldOneGoes) {
  plant_tree();
  const ParityPlace at = place();
  for (int i = 0; i < 4; ++i) {
    backup_well();
    add(at);
    std::size_t sets = 0;
    for (const std::string& name : names("parity/")) {
      const auto head = repo::read_parity_head(memory_, name, memory_.head(name)->size_bytes);
      if (head && head->directory.type == repo::ParityType::kCopies) ++sets;
    }
    EXPECT_EQ(sets, 2U);
  }
}

TEST_F(ParityCopies, ACopyIsNotReplacedByADamagedObject) {
  plant_tree();
  backup_well();
  const ParityPlace at = place();
  add(at);
  const auto first = only_name("snapshots/");
  const auto whole = *memory_.get(first, 1 << 20);
  replace(first, [](Bytes& bytes) { bytes.back() ^= 1; });
  tree_.add_file("/etc/new", noise(10, 4));
  (void)try_backup();
  add(at);
  EXPECT_EQ(repair(at).objects.size(), 1U);
  EXPECT_EQ(*memory_.get(first, 1 << 20), whole);
}

}  // namespace
}  // namespace backstay::engine
