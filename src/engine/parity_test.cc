// What parity covers, and how it is kept current.
#include "engine/parity.h"

#include "backend/forwarding_backend.h"
#include "engine/testing/parity_fixture.h"

namespace backstay::engine {
namespace {

class Parity : public ParityFixture {};

TEST_F(Parity, OverheadSaysHowLargeGroupsAre) {
  EXPECT_EQ(plan_parity(500, 0)->slots, 40U);
  EXPECT_EQ(plan_parity(500, 0)->shards, 2U);
  EXPECT_EQ(plan_parity(500, 1)->slots, 20U);
  EXPECT_EQ(plan_parity(10000, 3)->slots, 3U);
  EXPECT_EQ(plan_parity(50, 0)->shards, 1U);
  EXPECT_EQ(plan_parity(50, 0)->slots, 200U);
  EXPECT_EQ(code_of(plan_parity(0, 0)), "invalid_argument");
  EXPECT_EQ(code_of(plan_parity(49, 0)), "invalid_argument");
  EXPECT_EQ(code_of(plan_parity(10001, 0)), "invalid_argument");
  EXPECT_EQ(code_of(plan_parity(100, 4)), "invalid_argument");
  EXPECT_EQ(code_of(plan_parity(5000, 17)), "invalid_argument");
}

TEST_F(Parity, NothingIsDoneWhereNobodyAskedForIt) {
  plant_packs(3);
  const Objects before = memory_.objects();
  const std::uint64_t calls = faults_.calls();
  EXPECT_EQ(keep().groups_made, 0U);
  EXPECT_LE(faults_.calls() - calls, 1U);
  EXPECT_TRUE(memory_.objects() == before);
}

TEST_F(Parity, CoversEveryPack) {
  plant_packs(10);  // four a group
  const ParityReport report = add();
  EXPECT_EQ(report.packs_covered, 10U);
  EXPECT_EQ(report.groups_made, 3U);
  EXPECT_EQ(report.copies, 2U);  // the config, twice
  const ParityStatus now = status();
  EXPECT_EQ(now.packs_covered, 10U);
  EXPECT_EQ(now.shards, 6U);
  EXPECT_EQ(now.losses_survived, 2U);
  EXPECT_EQ(now.bytes_covered, now.bytes_packs);
  EXPECT_TRUE(names("leases/").empty());
}

TEST_F(Parity, TakesAboutTheShareThatWasAskedFor) {
  constexpr std::size_t kPack = 384 * 1024;
  for (std::size_t i = 0; i < 80; ++i) plant_pack(kPack - rng_.below(8 * 1024));
  const auto wish = plan_parity(500, 0);
  ASSERT_EQ(problem(wish), "");
  ParityOptions real = options();
  real.block_bytes = 64 * 1024;
  Watch watch;
  Activity activity = watch.activity();
  ASSERT_EQ(problem(add_parity(place(), *wish, real, activity)), "");
  const ParityStatus now = status();
  EXPECT_EQ(now.packs_covered, 80U);
  EXPECT_EQ(now.losses_survived, 2U);
  EXPECT_GE(now.bytes_parity * 100, now.bytes_packs * 5);
  EXPECT_LE(now.bytes_parity * 100, now.bytes_packs * 6);
}

TEST_F(Parity, ASecondRunHasNothingToDo) {
  plant_packs(10);
  add();
  const Objects before = memory_.objects();
  const ParityReport again = add();
  EXPECT_EQ(again.groups_made + again.groups_removed + again.bytes_written, 0U);
  EXPECT_EQ(keep().groups_made, 0U);
  EXPECT_TRUE(memory_.objects() == before);
}

TEST_F(Parity, NewPacksJoinTheGroupThatIsNotFull) {
  plant_packs(5);
  add();
  plant_packs(2);
  const ParityReport report = keep();
  EXPECT_EQ(report.packs_covered, 2U);
  EXPECT_EQ(report.groups_made, 1U);
  EXPECT_EQ(report.groups_removed, 1U);
  EXPECT_EQ(status().groups, 2U);
  EXPECT_EQ(status().losses_survived, 2U);
}

TEST_F(Parity, OthersAreNotReadWhenPacksJoinAGroup) {
  plant_packs(3);
  add();
  const Objects old = packs();
  for (const auto& [name, bytes] : old) faults_.fail_reads(name, ErrorCode::kUnavailable);
  plant_packs(1);
  EXPECT_EQ(keep().packs_covered, 1U);
  EXPECT_EQ(status().groups, 1U);
}

TEST_F(Parity, AnotherWishMakesGroupsOfAnotherSize) {
  plant_packs(12);
  add(5000, 2);
  EXPECT_EQ(status().groups, 3U);
  const ParityReport report = add(5000, 3);
  EXPECT_EQ(report.groups_made, 2U);
  EXPECT_EQ(report.groups_removed, 3U);
  EXPECT_EQ(status().losses_survived, 3U);
  EXPECT_EQ(status().groups_left_over, 0U);
}

TEST_F(Parity, DamagedPacksAreNotCovered) {
  plant_packs(3);
  const auto bad = plant_pack(10'000);
  flip(name_of(bad), 77);
  const ParityReport report = add();
  EXPECT_EQ(report.packs_covered, 3U);
  EXPECT_EQ(report.packs_damaged, 1U);
  EXPECT_EQ(status().losses_survived, 0U);
}

TEST_F(Parity, PacksOfVeryDifferentSizesAreInDifferentGroups) {
  plant_packs(3, 1000);
  plant_pack(3'000'000);
  add();
  EXPECT_EQ(status().groups, 2U);
}

TEST_F(Parity, PacksThatGoLeaveTheirGroup) {
  const auto ids = plant_packs(4);
  add();
  EXPECT_TRUE(take_out({ids[1]}).empty());
  remove(name_of(ids[1]));
  EXPECT_EQ(status().packs_lost, 0U);
  EXPECT_EQ(status().packs_covered, 3U);
  const Objects whole = packs();
  remove(name_of(ids[0]));
  remove(name_of(ids[2]));
  EXPECT_EQ(count(repair(), ParityOutcome::kRestored), 2U);
  EXPECT_TRUE(packs() == whole);
}

TEST_F(Parity, WhatGoesIsReadRatherThanWhatStays) {
  const auto ids = plant_packs(20);
  add(1000, 1);  // ten a group
  for (std::size_t i = 1; i < ids.size(); ++i)
    faults_.fail_reads(name_of(ids[i]), ErrorCode::kUnavailable);
  take_out({ids[0]});
  EXPECT_EQ(status().packs_covered, 20U - 1);
}

TEST_F(Parity, WhenMostOfAGroupGoesTheRestIsRead) {
  const auto ids = plant_packs(10);
  add(1000, 1);
  for (std::size_t i = 0; i < 9; ++i) faults_.fail_reads(name_of(ids[i]), ErrorCode::kUnavailable);
  take_out({ids.begin(), ids.begin() + 9});
  EXPECT_EQ(status().packs_covered, 1U);
}

TEST_F(Parity, AGroupOfWhichAllGoesIsRemoved) {
  const auto ids = plant_packs(4);
  add();
  take_out(ids);
  EXPECT_EQ(status().groups, 0U);
  EXPECT_EQ(status().shards, 0U);
}

TEST_F(Parity, WhatALostPackNeedsToComeBackStays) {
  const auto ids = plant_packs(4);
  add();
  const Objects whole = packs();
  remove(name_of(ids[0]));
  remove(name_of(ids[1]));
  // Nothing can be taken off shards when one of them is gone; two are lost, so both are needed.
  EXPECT_TRUE(take_out({ids[2]}).empty());
  remove(name_of(ids[2]));
  EXPECT_EQ(count(repair(), ParityOutcome::kRestored), 2U);
  EXPECT_EQ(packs().size(), 3U);

  remove(name_of(ids[0]));
  const auto shards = parity_names();
  for (const std::string& name : shards) {
    const auto size = memory_.head(name)->size_bytes;
    const auto head = repo::read_parity_head(memory_, name, size);
    if (head->directory.type == repo::ParityType::kShard && head->directory.number == 0)
      remove(name);
  }
  EXPECT_EQ(take_out({ids[1]}).size(), 1U);
  EXPECT_EQ(count(repair(), ParityOutcome::kRestored), 1U);
}

TEST_F(Parity, ThinGroupsArePutTogether) {
  const auto ids = plant_packs(24);
  add(2500, 2);  // eight a group
  EXPECT_EQ(status().groups, 3U);
  std::vector<repo::ObjectId> going;
  for (const std::string& name : names("data/")) {
    if (going.size() < 17)
      going.push_back(*repo::parse_object_name(repo::ObjectKind::kDataPack, name));
  }
  take_out(going);
  for (const auto& id : going) remove(name_of(id));
  keep();
  EXPECT_EQ(status().groups, 1U);
  EXPECT_EQ(status().packs_covered, 7U);
}

TEST_F(Parity, AMissingShardIsMadeAnew) {
  plant_packs(4);
  add();
  const Objects before = memory_.objects();
  for (const std::string& name : parity_names()) {
    remove(name);
    keep();
    EXPECT_TRUE(memory_.objects() == before) << name;
  }
}

TEST_F(Parity, AFullStoreStillGives) {
  const auto ids = plant_packs(4);
  add();
  faults_.limit_space(0);
  EXPECT_TRUE(take_out({ids[0]}).empty());
  EXPECT_EQ(status().shards, 0U);
}

TEST_F(Parity, AnAppendOnlyStoreIsGoodEnough) {
  plant_packs(3);
  add();
  ASSERT_EQ(problem(memory_.set_append_only(backend::AppendOnly::kOn)), "");
  plant_packs(2);
  EXPECT_EQ(keep().packs_covered, 2U);
  EXPECT_EQ(keep().groups_made, 0U);
  EXPECT_EQ(status().groups_left_over, 0U);
  plant_packs(1);
  keep();
  EXPECT_EQ(status().losses_survived, 2U);
  EXPECT_EQ(status().groups, 3U);
  // Who may remove puts them together.
  ASSERT_EQ(problem(memory_.set_append_only(backend::AppendOnly::kOff)), "");
  keep();
  EXPECT_EQ(status().losses_survived, 2U);
  EXPECT_EQ(status().groups, 2U);
}

// As where everything is kept for a time: shards are younger than packs.
class KeepsShards final : public backend::ForwardingBackend {
 public:
  using ForwardingBackend::ForwardingBackend;
  Result<void> remove(std::string_view name) override {
    if (name.starts_with("parity/")) return fail(ErrorCode::kPermissionDenied, "it is kept");
    return inner_.remove(name);
  }
};

TEST_F(Parity, PacksThatWentAreNotTakenForLostWhereOldShardsStay) {
  const auto ids = plant_packs(6);
  add();
  KeepsShards kept(memory_);
  Watch watch;
  Activity activity = watch.activity();
  const ParityPlace there = place();
  const ParityPlace at{.store = kept, .repository = there.repository, .world = there.world};
  // One group loses a pack, the other all that it has.
  std::unordered_set<repo::ObjectId> going{ids[0]};
  for (const auto& name : parity_names()) {
    const auto head = repo::read_parity_head(memory_, name, memory_.head(name)->size_bytes);
    if (head->directory.members.size() != 2) continue;
    for (const auto& member : head->directory.members) going.insert(member.pack);
  }
  const auto needed = take_out_of_parity(at, going, activity);
  ASSERT_EQ(problem(needed), "");
  EXPECT_TRUE(needed->needed.empty());
  for (const auto& id : going) remove(name_of(id));
  EXPECT_EQ(status().packs_lost, 0U);
  EXPECT_EQ(status().packs_covered, packs().size());
  EXPECT_TRUE(repair().objects.empty());
  EXPECT_EQ(status().packs_covered, packs().size());
  keep();
  EXPECT_EQ(status().groups_left_over, 0U);
  for (const auto& name : parity_names()) {
    const auto head = repo::read_parity_head(memory_, name, memory_.head(name)->size_bytes);
    EXPECT_NE(head->directory.type, repo::ParityType::kRemovals);
  }
}

TEST_F(Parity, RemovingItLeavesNothingButThatNobodyWantsIt) {
  plant_packs(5);
  const Objects before = memory_.objects();
  add();
  Watch watch;
  Activity activity = watch.activity();
  const auto removal = remove_parity(place(), activity);
  ASSERT_EQ(problem(removal), "");
  EXPECT_EQ(removal->refused, 0U);
  Objects after = memory_.objects();
  std::erase_if(after, [](const auto& one) { return one.first.starts_with("parity/wish-"); });
  EXPECT_TRUE(after == before);
  EXPECT_EQ(keep().groups_made, 0U);
}

TEST_F(Parity, TwoRunsAtOnceDoNoHarm) {
  plant_packs(3);
  add();
  const Objects common = memory_.objects();
  plant_packs(1);
  keep();
  const Objects one = memory_.objects();
  memory_.set_objects(common);
  plant_packs(1);
  keep();
  Objects both = memory_.objects();
  both.insert(one.begin(), one.end());
  memory_.set_objects(both);
  EXPECT_EQ(status().packs_covered, 5U);
  keep();
  EXPECT_EQ(status().packs_covered, 5U);
  EXPECT_EQ(status().groups_left_over, 0U);
  const Objects whole = packs();
  for (const auto& [name, bytes] : whole) {
    remove(name);
    EXPECT_EQ(count(repair(false), ParityOutcome::kRestored), 1U);
    EXPECT_TRUE(packs() == whole);
  }
}

// Runs `work` once for each change to the store that it makes, cut there. What was written last may
// be lost with the power.
template <typename Work, typename Judge>
void cut_at_every_change(backend::MemoryBackend& memory, const Work& work, const Judge& judge) {
  const auto before = memory.objects();
  std::uint64_t cuts = 0;
  for (const auto effect :
       {backend::FaultBackend::Effect::kLost, backend::FaultBackend::Effect::kApplied}) {
    for (const bool power : {false, true}) {
      for (std::uint64_t number = 1;; ++number) {
        ASSERT_LT(number, 500U);
        memory.set_objects(before);
        backend::Backend& inner = memory;
        backend::FaultBackend cut(inner, backend::FaultBackend::Numbered::kChanges);
        cut.crash_at(number, effect);
        work(cut);
        if (!cut.crashed()) break;
        ++cuts;
        const auto lose = [&](const std::string&) { return power; };
        ASSERT_TRUE(cut.lose_unsynced(lose));
        judge("cut in " + cut.crashed_in());
      }
    }
  }
  EXPECT_GT(cuts, 8U);
  memory.set_objects(before);
}

class ParityCut : public ParityFixture {
 protected:
  ParityPlace at(backend::Backend& store) {
    return {.store = store, .repository = id_, .world = {.clock = clock_, .rng = rng_}};
  }
  // The next run makes all well, and leaves no more than is needed.
  void expect_recovers(const std::string& where, const Objects& packs_then) {
    keep();
    const ParityStatus now = status();
    EXPECT_EQ(now.packs_covered, packs_then.size()) << where;
    EXPECT_EQ(now.packs_lost, 0U) << where;
    EXPECT_EQ(now.groups_left_over, 0U) << where;
    EXPECT_EQ(now.groups_incomplete, 0U) << where;
    EXPECT_EQ(now.losses_survived, 2U) << where;
    EXPECT_TRUE(packs() == packs_then) << where;
  }
};

TEST_F(ParityCut, WhileItIsKept) {
  plant_packs(5);
  add();
  plant_packs(4);
  const Objects then = packs();
  cut_at_every_change(
      memory_,
      [&](backend::Backend& store) {
        Watch watch;
        Activity activity = watch.activity();
        (void)keep_parity(at(store), options(), activity);
      },
      [&](const std::string& where) { expect_recovers(where, then); });
}

TEST_F(ParityCut, WhilePacksAreTakenOut) {
  const auto ids = plant_packs(8);
  add();
  const Objects then = packs();
  cut_at_every_change(
      memory_,
      [&](backend::Backend& store) {
        Watch watch;
        Activity activity = watch.activity();
        (void)take_out_of_parity(at(store), {ids[0], ids[5]}, activity);
      },
      [&](const std::string& where) { expect_recovers(where, then); });
}

TEST_F(ParityCut, WhilePacksAreRepaired) {
  const auto ids = plant_packs(4);
  add();
  const Objects whole = packs();
  flip(name_of(ids[0]), 0);
  flip(name_of(ids[1]), 0);
  remove(name_of(ids[2]));
  // Three of four are touched at their first block, which is one too many, unless it is another.
  memory_.set_objects([&] {
    Objects objects = memory_.objects();
    objects[name_of(ids[1])] = whole.at(name_of(ids[1]));
    return objects;
  }());
  cut_at_every_change(
      memory_,
      [&](backend::Backend& store) {
        Watch watch;
        Activity activity = watch.activity();
        ParityRepairOptions how;
        how.read_data = true;
        how.parity = options();
        (void)repair_with_parity(at(store), how, activity);
      },
      [&](const std::string& where) {
        clock_.advance(std::chrono::hours(1));  // the lease of the one that was cut is dead
        EXPECT_EQ(count(repair(), ParityOutcome::kBeyondRepair), 0U) << where;
        expect_recovers(where, whole);
      });
}

}  // namespace
}  // namespace backstay::engine
