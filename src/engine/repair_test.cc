// What single repairs do, what they refuse, and that they may be cut anywhere.
#include <gtest/gtest.h>

#include <algorithm>

#include "engine/testing/repair_fixture.h"
#include "io/testing/temporary_folder.h"

namespace backstay::engine {
namespace {

class Repair : public RepairFixture {};

TEST_F(Repair, OfPacksSavesWhatIsWholeAndNowhereElse) {
  const auto place = place_of("/home/user/large");
  flip_frame(place);
  const auto dry = mend_packs(RepairMode::kDryRun, {place.first});
  ASSERT_EQ(problem(dry), "");
  ASSERT_EQ(dry->packs.size(), 1U);
  const RepairedPack would = dry->packs.front();
  EXPECT_EQ(would.frames_damaged, 1U);
  EXPECT_GT(would.frames, 1U);
  EXPECT_GT(would.chunks_saved, 0U);
  EXPECT_GT(would.chunks_lost, 0U);
  const auto done = mend_packs(RepairMode::kRepair, {place.first.substr(8, 10)});
  ASSERT_EQ(problem(done), "");
  const RepairedPack did = done->packs.front();
  EXPECT_EQ(did.chunks_saved, would.chunks_saved);
  EXPECT_EQ(did.bytes_saved, would.bytes_saved);
  EXPECT_EQ(did.chunks_lost, would.chunks_lost);
  EXPECT_GT(done->packs_written, 0U);
  EXPECT_EQ(names("damaged/").size(), 1U);
  // Nothing needs it now but what is lost.
  const Readable before = readable();
  remove(place.first);
  EXPECT_EQ(missing_in(readable(), before), "");
}

TEST_F(Repair, OfPacksKnowsThoseOfWriteOnlyClients) {
  const auto info = [] {
    repo::SlotInfo slot;
    slot.argon2 = repo::kCheapArgon2;
    slot.write_only = true;
    return slot;
  }();
  ASSERT_EQ(problem(open()->add_key_slot(info, {.passphrase = "w", .recovery_key = {}})), "");
  const auto before = names("data/");
  tree_.add_file("/of/the/client", noise(90'000, 55));
  {
    auto writer = repo::Repository::open(
        std::make_unique<backend::FaultBackend>(static_cast<backend::Backend&>(faults_)),
        {.passphrase = "w", .recovery_key = {}}, {}, {clock_, rng_});
    ASSERT_EQ(problem(writer), "");
    Watch watch;
    ASSERT_EQ(problem(back_up(**writer, tree_, backup_options(), watch)), "");
  }
  std::string pack;
  for (const std::string& name : names("data/")) {
    const auto size = [&](const std::string& one) {
      return one.empty() ? 0 : memory_.objects().at(one).size();
    };
    if (std::ranges::find(before, name) == before.end() && size(name) > size(pack)) pack = name;
  }
  ASSERT_FALSE(pack.empty());
  replace(pack, [](Bytes& b) { b[300] ^= 1; });
  const auto report = mend_packs(RepairMode::kRepair, {pack});
  ASSERT_EQ(problem(report), "");
  const RepairedPack& repaired = report->packs.front();
  EXPECT_TRUE(repaired.directory_readable);
  EXPECT_EQ(repaired.frames_damaged, 1U);
  EXPECT_GT(repaired.chunks_saved, 0U);
}

TEST_F(Repair, OfASnapshotOfAWriteOnlyClientIsNotComparedWith) {
  repo::SlotInfo info;
  info.argon2 = repo::kCheapArgon2;
  info.write_only = true;
  const repo::Credential client{.passphrase = "w", .recovery_key = {}};
  ASSERT_EQ(problem(open()->add_key_slot(info, client)), "");
  const auto before = names("data/");
  tree_.add_file("/of/the/client", noise(90'000, 55));
  clock_.advance(std::chrono::seconds(60));
  {
    auto writer = repo::Repository::open(
        std::make_unique<backend::FaultBackend>(static_cast<backend::Backend&>(faults_)), client,
        {}, {clock_, rng_});
    ASSERT_EQ(problem(writer), "");
    Watch watch;
    ASSERT_EQ(problem(back_up(**writer, tree_, backup_options(), watch)), "");
  }
  for (const std::string& name : names("data/")) {
    if (std::ranges::find(before, name) == before.end()) remove(name);
  }
  ASSERT_EQ(problem(mend_snapshots(RepairMode::kRepair)), "");
  const auto all = listed();
  const auto& made = all.back();
  ASSERT_TRUE(made.snapshot.repaired);
  EXPECT_FALSE(made.by_full_key);
  BackupOptions options = backup_options();
  EXPECT_EQ(choose_parent(all, options, clock_.now())->id, second_);
}

TEST_F(Repair, OfASnapshotThatHidesEntriesTakesWhatARestoreWouldTake) {
  {
    const auto repository = open();
    snapshot::Snapshot lying = *repository->read_snapshot(second_);
    lying.tree.entries += 1;
    lying.started.seconds += 1;
    ASSERT_EQ(problem(repository->commit_snapshot(lying)), "");
  }
  const auto report = try_check();
  ASSERT_EQ(problem(report), "");
  ASSERT_EQ(report->damages.size(), 1U);
  EXPECT_TRUE(report->damages.front().object.starts_with("tree of snapshot"));
  EXPECT_TRUE(names("damaged/").empty());
  ASSERT_EQ(problem(mend_snapshots(RepairMode::kRepair)), "");
  ASSERT_EQ(mended_.size(), 1U);
  EXPECT_EQ(mended_.front().outcome, SnapshotOutcome::kNothingLeft);
}

TEST_F(Repair, OfAPackWhoseDirectoryIsLostSavesWhatTheIndexKnows) {
  const std::string pack = pack_with("/home/user/large");
  replace(pack, [](Bytes& b) { b[b.size() - 40] ^= 1; });
  const auto done = mend_packs(RepairMode::kRepair, {pack});
  ASSERT_EQ(problem(done), "");
  EXPECT_FALSE(done->packs.front().directory_readable);
  EXPECT_EQ(done->packs.front().chunks_lost, 0U);
  EXPECT_EQ(done->packs.front().frames_damaged, 0U);
  remove(pack);
  EXPECT_EQ(problem(mend_snapshots(RepairMode::kDryRun)), "");
  EXPECT_TRUE(mended_.empty());
}

TEST_F(Repair, OfPacksThatAreExchangedSavesBoth) {
  const std::string one = pack_with("/home/user/large");
  const std::string other = another_data_pack(one);
  replace(one, [&](Bytes& b) { b = whole_.at(other); });
  replace(other, [&](Bytes& b) { b = whole_.at(one); });
  const auto packs = mend_packs(RepairMode::kRepair, {one, other});
  ASSERT_EQ(problem(packs), "");
  for (const RepairedPack& pack : packs->packs) {
    EXPECT_TRUE(pack.directory_readable) << pack.what;
    EXPECT_EQ(pack.frames_damaged, 0U);
    EXPECT_EQ(pack.chunks_lost, 0U);
    EXPECT_GT(pack.chunks_saved, 0U);
  }
  ASSERT_EQ(problem(mend_snapshots(RepairMode::kDryRun)), "");
  EXPECT_TRUE(mended_.empty()) << *lost_.begin();
  EXPECT_EQ(try_check()->damages.size(), 0U);
}

TEST_F(Repair, OfPacksRefusesNamesThatFitNoneOrMany) {
  EXPECT_EQ(code_of(mend_packs(RepairMode::kRepair, {"ffffffffff"})), "not_found");
  EXPECT_EQ(code_of(mend_packs(RepairMode::kRepair, {"data/"})), "not_found");
  EXPECT_EQ(memory_.objects(), whole_);
}

TEST_F(Repair, OfAWholePackTakesItsMarkAway) {
  const std::string pack = pack_with("/home/user/large");
  const auto id = *repo::parse_object_name(ObjectKind::kDataPack, pack);
  ASSERT_EQ(problem(repo::mark_damaged(memory_, open_past_faults()->config().id, id,
                                       repo::PackKind::kData, clock_.now())),
            "");
  const auto report = mend_packs(RepairMode::kRepair);
  ASSERT_EQ(problem(report), "");
  EXPECT_EQ(report->packs.front().outcome, PackOutcome::kWhole);
  EXPECT_EQ(memory_.objects(), whole_);
}

// Its bytes match its name, and a frame holds something else than its directory says.
TEST_F(Repair, OfAPackThatLiesKeepsItsMark) {
  chunk::ChunkId victim;
  {
    const auto repository = open();
    const auto snapshot = repository->read_snapshot(second_);
    const auto entry = snapshot::find_entry(*repository, snapshot->tree,
                                            snapshot::key_from_path("/home/user/large"));
    victim = (*entry)->content.extents.front().id;
    repo::StoreSession session(*repository, {}, repo::StoreSession::Mode::kStore);
    repo::FrameEncoder encoder;
    const Bytes other = noise(3000, 77);
    ASSERT_EQ(problem(session.add({.kind = repo::PackKind::kData,
                                   .bytes = other,
                                   .chunks = {{.id = victim, .length = 3000}}},
                                  encoder)),
              "");
    ASSERT_EQ(problem(session.flush()), "");
  }
  std::string liar;
  for (const std::string& name : names("data/")) {
    if (!whole_.contains(name)) liar = name;
  }
  ASSERT_TRUE(try_check().has_value());
  ASSERT_EQ(names("damaged/").size(), 1U);
  const auto report = mend_packs(RepairMode::kRepair);
  ASSERT_EQ(problem(report), "");
  ASSERT_EQ(report->packs.size(), 1U);
  EXPECT_EQ(report->packs.front().object, liar);
  EXPECT_EQ(report->packs.front().outcome, PackOutcome::kSalvaged);
  EXPECT_EQ(report->packs.front().chunks_elsewhere, 1U);
  EXPECT_EQ(names("damaged/").size(), 1U);
  // Named by hand it is found out without a check.
  for (const std::string& name : names("damaged/")) remove(name);
  ASSERT_EQ(problem(mend_packs(RepairMode::kRepair, {liar})), "");
  EXPECT_EQ(names("damaged/").size(), 1U);
}

TEST_F(Repair, TakesNoDiskThatDoesNotAnswerForADamage) {
  for (const ErrorCode code : {ErrorCode::kUnavailable, ErrorCode::kPermissionDenied}) {
    const std::string pack = pack_with("/home/user/large");
    faults_.fail_reads(pack, code);
    EXPECT_EQ(code_of(mend_packs(RepairMode::kRepair, {pack})), to_string(code));
    EXPECT_EQ(code_of(mend_index(RepairMode::kRepair, true)),
              code == ErrorCode::kUnavailable ? "unavailable" : "no failure");
    const auto id = *repo::parse_object_name(ObjectKind::kDataPack, pack);
    ASSERT_EQ(problem(repo::mark_damaged(memory_, open_past_faults()->config().id, id,
                                         repo::PackKind::kData, clock_.now())),
              "");
    EXPECT_EQ(code_of(mend_snapshots(RepairMode::kRepair)), to_string(code));
    EXPECT_EQ(names("snapshots/").size(), 2U);
    memory_.set_objects(whole_);
  }
}

TEST_F(Repair, RefusesWhereNoPackIsThereAtAll) {
  for (const std::string& name : names("data/")) remove(name);
  const auto before = memory_.objects();
  EXPECT_EQ(code_of(mend_snapshots(RepairMode::kRepair)), "unavailable");
  EXPECT_EQ(code_of(mend_index(RepairMode::kRepair)), "unavailable");
  EXPECT_EQ(code_of(mend_packs(RepairMode::kRepair)), "unavailable");
  EXPECT_EQ(memory_.objects(), before);
}

TEST_F(Repair, OfAMediumThatCannotGiveBackAPackTakesItOut) {
  const std::string pack = pack_with("/home/user/large");
  faults_.fail_reads(pack, ErrorCode::kCorruption);
  EXPECT_EQ(try_check()->damages.size(), 1U);
  const auto packs = mend_packs(RepairMode::kRepair);
  ASSERT_EQ(problem(packs), "");
  EXPECT_GT(packs->packs.front().chunks_lost, 0U);
  ASSERT_EQ(problem(mend_snapshots(RepairMode::kRepair)), "");
  EXPECT_TRUE(lost_.contains("/home/user/large"));
  readable(true);
}

TEST_F(Repair, OfSnapshotsLeavesOutWhatIsLostAndSaysSo) {
  const Readable before = readable();
  remove(pack_with("/home/user/large"));
  ASSERT_EQ(problem(mend_snapshots(RepairMode::kDryRun)), "");
  const auto would_lose = lost_;
  EXPECT_TRUE(would_lose.contains("/home/user/large"));
  const auto report = mend_snapshots(RepairMode::kRepair);
  ASSERT_EQ(problem(report), "");
  EXPECT_EQ(lost_, would_lose);
  EXPECT_EQ(report->replaced, 2U);
  EXPECT_EQ(names("snapshots/").size(), 2U);
  const Readable after = readable(true);
  std::set<std::string> gone;
  for (const auto& [key, bytes] : before) {
    if (!after.contains(key)) gone.insert(key.second);
  }
  EXPECT_EQ(gone, would_lose);
  for (const repo::StoredSnapshot& stored : listed()) {
    const snapshot::Snapshot& one = stored.snapshot;
    ASSERT_TRUE(one.repaired.has_value());
    EXPECT_TRUE(one.repaired->from == first_ || one.repaired->from == second_);
    EXPECT_GT(one.repaired->files_lost, 0U);
    EXPECT_EQ(one.stats.errors, one.repaired->files_lost);
    EXPECT_EQ(one.status, snapshot::Status::kPartial);
    constexpr std::uint64_t kToldMax = 100;  // a snapshot names no more
    EXPECT_EQ(one.errors.size(), std::min(kToldMax, one.repaired->files_lost));
  }
}

TEST_F(Repair, OfSnapshotsCarriesTagsAndHoldsAlong) {
  remove(pack_with("/home/user/large"));
  ASSERT_EQ(problem(mend_snapshots(RepairMode::kRepair)), "");
  std::optional<SnapshotId> made;
  for (const RepairedSnapshot& one : mended_) {
    if (one.original.id == second_) made = one.made;
  }
  ASSERT_TRUE(made.has_value());
  const auto repository = open();
  const auto holds = repo::list_holds(*repository);
  ASSERT_EQ(problem(holds), "");
  ASSERT_EQ(holds->size(), 1U);
  EXPECT_EQ(holds->front().snapshot, *made);
  EXPECT_EQ(holds->front().hold.reason, "audit");
  for (const repo::StoredSnapshot& stored : listed()) {
    if (stored.id != *made) continue;
    EXPECT_EQ(stored.snapshot.tags, std::vector<std::string>{"kept"});
  }
  EXPECT_TRUE(names("tags/").empty());
}

TEST_F(Repair, OfSnapshotsKeepsThemWhenAskedTo) {
  remove(pack_with("/home/user/large"));
  ASSERT_EQ(problem(mend_snapshots(RepairMode::kRepair, true)), "");
  EXPECT_EQ(names("snapshots/").size(), 4U);
  const auto kept = memory_.objects();
  // Once is enough.
  ASSERT_EQ(problem(mend_snapshots(RepairMode::kRepair, true)), "");
  EXPECT_EQ(memory_.objects(), kept);
  ASSERT_EQ(problem(mend_snapshots(RepairMode::kRepair)), "");
  EXPECT_EQ(names("snapshots/").size(), 2U);
}

TEST_F(Repair, OfSnapshotsKeepsOneThatAnUnreadableHoldHolds) {
  remove(pack_with("/home/user/large"));
  flip(names("holds/").front(), 70);
  ASSERT_EQ(problem(mend_snapshots(RepairMode::kRepair)), "");
  EXPECT_TRUE(
      memory_.objects().contains(repo::object_name(ObjectKind::kSnapshot, {second_.bytes})));
}

TEST_F(Repair, OfSnapshotsKeepsOneThatIsLocked) {
  repo::Hold lock;
  lock.until = Timestamp{.seconds = clock_.now().seconds + 1000, .nanos = 0};
  lock.locked = true;
  ASSERT_EQ(problem(repo::store_hold(*open(), first_, lock)), "");
  remove(pack_with("/home/user/large"));
  const std::string name = repo::object_name(ObjectKind::kSnapshot, {first_.bytes});
  ASSERT_EQ(problem(mend_snapshots(RepairMode::kRepair)), "");
  EXPECT_TRUE(memory_.objects().contains(name));
  EXPECT_EQ(names("snapshots/").size(), 3U);
  const auto once = memory_.objects();
  ASSERT_EQ(problem(mend_snapshots(RepairMode::kRepair)), "");
  EXPECT_EQ(memory_.objects(), once);
  clock_.advance(std::chrono::seconds(2000));
  ASSERT_EQ(problem(mend_snapshots(RepairMode::kRepair)), "");
  EXPECT_FALSE(memory_.objects().contains(name));
  EXPECT_EQ(names("snapshots/").size(), 2U);
}

TEST_F(Repair, OfASnapshotOfWhichNothingIsLeftLeavesIt) {
  const auto roots = new_pages(1);
  ASSERT_EQ(roots.size(), 1U);
  flip_frame(roots.front());
  ASSERT_TRUE(try_check().has_value());
  const auto report = mend_snapshots(RepairMode::kRepair);
  ASSERT_EQ(problem(report), "");
  // The pages below it may share its frame, or not: what counts is that nothing is made of nothing.
  for (const RepairedSnapshot& one : mended_) EXPECT_EQ(one.original.id, second_);
  EXPECT_EQ(names("snapshots/").size(), 2U);
}

TEST_F(Repair, OfARunThatOnlyACacheHasWholeWritesItAnew) {
  io::TemporaryFolder folder;
  const repo::OpenOptions cached{.cache_directory = folder / "cache"};
  open(cached);
  const Readable before = readable();
  const std::size_t runs = names("index/").size();
  const std::string pack = pack_with("/home/user/large");
  for (const std::string& name : names("index/")) flip(name, 100);
  const auto mend = [&](RepairMode mode) {
    Watch watch;
    Activity activity = watch.activity();
    auto repository = try_open(cached);
    EXPECT_EQ(problem(repository), "");
    auto report = repair_index(**repository, {.mode = mode, .author = {}}, activity);
    EXPECT_EQ(problem(report), "");
    return std::move(*report);
  };
  replace(pack, [](Bytes& b) { b[b.size() - 40] ^= 1; });
  const auto damaged = memory_.objects();
  EXPECT_EQ(mend(RepairMode::kDryRun).runs_replaced, runs);
  EXPECT_EQ(memory_.objects(), damaged);
  EXPECT_EQ(mend(RepairMode::kRepair).runs_replaced, runs);
  // Another machine, which has no cache, reads all.
  EXPECT_EQ(missing_in(readable(), before), "");
  EXPECT_EQ(mend(RepairMode::kRepair).damaged_runs.size(), 0U);
}

TEST_F(Repair, OfTheIndexKeepsADamagedRunThatMayKnowWhatNoDirectorySays) {
  const std::string pack = pack_with("/home/user/large");
  flip(run_naming(pack, true), 100);
  replace(pack, [](Bytes& b) { b[b.size() - 40] ^= 1; });
  const auto runs = names("index/");
  const auto report = mend_index(RepairMode::kRepair);
  ASSERT_EQ(problem(report), "");
  EXPECT_EQ(report->runs_replaced, 0U);
  EXPECT_EQ(report->damaged_runs.size(), 1U);
  ASSERT_EQ(report->packs_unreadable.size(), 1U);
  EXPECT_EQ(report->packs_unreadable.front().object, pack);
  for (const std::string& run : runs) EXPECT_TRUE(memory_.objects().contains(run));
}

// Killed before any change of the store, and run again.
TEST_F(Repair, CanBeCutAnywhereAndRunAgain) {
  remove(pack_with("/home/user/large"));
  flip_frame(place_of("/home/user/long"));
  flip(names("index/").front(), 100);
  ASSERT_TRUE(try_check().has_value());
  const auto damaged = memory_.objects();
  const Readable before = readable();
  ASSERT_EQ(mend_all(RepairMode::kRepair), "");
  const Readable whole_run = readable(true);
  for (std::uint64_t number = 1;; ++number) {
    SCOPED_TRACE(number);
    memory_.set_objects(damaged);
    backend::FaultBackend cutting(memory_, backend::FaultBackend::Numbered::kChanges);
    cutting.crash_at(number, number % 2 == 0 ? backend::FaultBackend::Effect::kApplied
                                             : backend::FaultBackend::Effect::kLost);
    {
      auto repository = repo::Repository::open(
          std::make_unique<backend::FaultBackend>(static_cast<backend::Backend&>(cutting)),
          repo::test_credential(), {}, {clock_, rng_});
      ASSERT_EQ(problem(repository), "");
      Watch watch;
      Activity activity = watch.activity();
      (void)repair_index(**repository, {.mode = RepairMode::kRepair, .author = {}}, activity);
    }
    for (const int step : {1, 2}) {
      auto repository = repo::Repository::open(
          std::make_unique<backend::FaultBackend>(static_cast<backend::Backend&>(cutting)),
          repo::test_credential(), {}, {clock_, rng_});
      if (!repository) break;
      Watch watch;
      Activity activity = watch.activity();
      if (step == 1)
        (void)repair_packs(**repository, {.mode = RepairMode::kRepair, .packs = {}, .author = {}},
                           activity);
      else
        (void)repair_snapshots(**repository,
                               {.mode = RepairMode::kRepair, .snapshots = {}, .author = {}}, {},
                               activity);
    }
    const bool crashed = cutting.crashed();
    ASSERT_EQ(missing_in(readable(), before), "") << cutting.crashed_in();
    ASSERT_EQ(mend_all(RepairMode::kRepair), "") << cutting.crashed_in();
    ASSERT_TRUE(readable(true) == whole_run) << cutting.crashed_in();
    ASSERT_EQ(names("snapshots/").size(), 2U) << cutting.crashed_in();
    if (!crashed) break;
  }
}

}  // namespace
}  // namespace backstay::engine
