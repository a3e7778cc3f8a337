// The ways in which other programs have lost data while they freed space, each as a schedule. The
// names in comments are those under which their users and authors know them.
#include <algorithm>
#include <functional>

#include "backend/forwarding_backend.h"
#include "engine/check.h"
#include "engine/repair.h"
#include "engine/testing/prune_fixture.h"
#include "io/testing/temporary_folder.h"
#include "repo/store_session.h"

namespace backstay::engine {
namespace {

// Lets somebody else do something just before, or just after, the first call of a kind.
class Interrupted final : public backend::ForwardingBackend {
 public:
  enum class When : std::uint8_t { kBefore, kAfter };
  using Call = std::function<bool(std::string_view what, std::string_view name)>;
  Interrupted(backend::Backend& inner, When when, Call call, std::function<void()> other)
      : ForwardingBackend(inner), when_(when), call_(std::move(call)), other_(std::move(other)) {}

  using Backend::put;
  Result<void> put(std::string_view name, std::span<const ByteView> pieces) override {
    return around("put", name, [&] { return inner_.put(name, pieces); });
  }
  Result<void> remove(std::string_view name) override {
    return around("remove", name, [&] { return inner_.remove(name); });
  }
  Result<void> list(std::string_view prefix,
                    const std::function<Result<void>(const backend::ObjectInfo&)>& each) override {
    return around("list", prefix, [&] { return inner_.list(prefix, each); });
  }
  [[nodiscard]] bool happened() const { return happened_; }

 private:
  template <typename Act>
  Result<void> around(std::string_view what, std::string_view name, const Act& act) {
    const bool now = !happened_ && call_(what, name);
    if (now) happened_ = true;
    if (now && when_ == When::kBefore) other_();
    auto done = act();
    if (now && when_ == When::kAfter) other_();
    return done;
  }
  const When when_;
  const Call call_;
  const std::function<void()> other_;
  bool happened_ = false;
};

class PruneRaces : public PruneFixture {
 protected:
  Result<std::unique_ptr<repo::Repository>> open_by(backend::Backend& store,
                                                    const repo::OpenOptions& options = {}) {
    return repo::Repository::open(std::make_unique<backend::ForwardingBackend>(store),
                                  repo::test_credential(), options, {.clock = clock_, .rng = rng_});
  }
  Result<PruneReport> prune_by(backend::Backend& store) {
    auto repository = open_by(store);
    if (!repository) return std::unexpected(std::move(repository).error());
    Watch watch;
    Activity activity = watch.activity();
    PruneOptions options = thorough();
    options.uploads = 0;
    return prune(**repository, options, activity);
  }
  // All files of the older snapshot come back.
  void add_old_files() {
    for (int i = 0; i < 12; ++i)
      tree_.add_file("/old/" + std::to_string(i), noise(30'000, static_cast<std::uint64_t>(i)));
  }
  // Stores all data of a snapshot once more, `times` over.
  void store_again(const BackupReport& report, int times) {
    clock_.advance(std::chrono::seconds(100));
    const auto writing = open();
    repo::StoreSession::Options options;
    options.uploads = 0;
    options.pack_bytes = 64 * 1024;
    repo::StoreSession session(*writing, options, repo::StoreSession::Mode::kStore);
    repo::FrameEncoder encoder;
    snapshot::TreeCursor cursor(*writing, report.snapshot.tree);
    while (const auto item = cursor.next().value()) {
      const auto each = [&](std::uint64_t, const snapshot::Extent& extent) -> Result<void> {
        const chunk::ChunkRef ref{.id = extent.id,
                                  .length = static_cast<std::uint32_t>(extent.length)};
        const Bytes bytes = writing->read(ref).value();
        for (int time = 0; time < times; ++time)
          EXPECT_EQ(problem(session.add({repo::PackKind::kData, bytes, {ref}}, encoder)), "");
        return {};
      };
      ASSERT_EQ(problem(snapshot::for_each_extent(item->entry.content, item->entry.size_bytes,
                                                  *writing, each)),
                "");
    }
    ASSERT_EQ(problem(session.flush()), "");
  }
  // A prune in the middle of which somebody backs up what it is about to free.
  void back_up_during(Interrupted::When when, const Interrupted::Call& call) {
    forget(older_);
    add_old_files();
    BackupReport beside;
    Interrupted store(memory_, when, call, [&] { beside = backup_well(); });
    const auto pruned = prune_by(store);
    ASSERT_EQ(problem(pruned), "");
    EXPECT_TRUE(store.happened());
    expect_whole();
    expect_holds_the_tree(beside);
    prune_well(thorough());
    expect_whole();
    expect_holds_the_tree(beside);
    EXPECT_EQ(prune_well(thorough()).packs_removed, 0U);
  }
};

bool takes_generation(std::string_view what, std::string_view name) {
  return what == "put" && name.starts_with("generations/");
}
bool removes_pack(std::string_view what, std::string_view name) {
  return what == "remove" && (name.starts_with("data/") || name.starts_with("meta/"));
}

// duplicacy PruneNewSnapshots, PruneAndResurrect
TEST_F(PruneRaces, ASnapshotThatComesBeforeTheCondemnationIsFollowed) {
  back_up_during(Interrupted::When::kBefore, takes_generation);
}

TEST_F(PruneRaces, ASnapshotThatComesAfterTheCondemnationStoresAnew) {
  back_up_during(Interrupted::When::kAfter, takes_generation);
}

TEST_F(PruneRaces, ASnapshotThatComesWhilePacksAreRemovedStoresAnew) {
  back_up_during(Interrupted::When::kBefore, removes_pack);
}

TEST_F(PruneRaces, ASnapshotThatComesWhileSnapshotsAreListedIsFollowedOrStoresAnew) {
  for (int nth = 1; nth <= 4; ++nth) {
    int seen = 0;
    back_up_during(Interrupted::When::kAfter, [&](std::string_view what, std::string_view name) {
      return what == "list" && name == "snapshots/" && ++seen == nth;
    });
    if (HasFailure()) return;
    // As it was before.
    for (int i = 0; i < 12; ++i) tree_.remove("/old/" + std::to_string(i));
    newer_ = backup_well();
    add_old_files();
    older_ = backup_well();
    for (int i = 0; i < 12; ++i) tree_.remove("/old/" + std::to_string(i));
  }
}

// duplicacy PruneMultipleHost: each waits for those that began before, and for nobody else.
TEST_F(PruneRaces, EveryHostIsWaitedForThatBeganBeforeAndNoOther) {
  clock_.advance(std::chrono::minutes(10));  // packs are older than the writers
  const auto first = open();
  const auto second = open();
  auto lease_1 = lease(*first, "backup", repo::LeaseUse::kWriting);
  auto lease_2 = lease(*second, "backup", repo::LeaseUse::kWriting);
  forget(older_);
  EXPECT_EQ(prune_well(thorough()).waiting_for.size(), 2U);
  const auto third = open();
  const auto lease_3 = lease(*third, "backup", repo::LeaseUse::kWriting);
  EXPECT_EQ(problem(lease_1->release()), "");
  EXPECT_EQ(prune_well(thorough()).waiting_for.size(), 1U);
  EXPECT_EQ(problem(lease_2->release()), "");
  const PruneReport last = prune_well(thorough());
  EXPECT_TRUE(last.waiting_for.empty());
  EXPECT_GT(last.bytes_freed, 300'000U);
}

// duplicacy #323, #465, kopia #1949, #4769: packs of a backup that runs, which no run names yet,
// taken for garbage because a clock says that they are old.
TEST_F(PruneRaces, PacksOfABackupThatRunsAreRescuedThoughTheyLookedAbandoned) {
  const auto writing = open();
  auto writer = lease(*writing, "backup", repo::LeaseUse::kWriting);
  // The store's clock is set back by two hours: what is put now looks older than the lease.
  clock_.advance(-std::chrono::hours(2));
  repo::StoreSession::Options options;
  options.uploads = 0;
  options.pack_bytes = 64 * 1024;
  repo::StoreSession session(*writing, options, repo::StoreSession::Mode::kStore);
  std::vector<Bytes> plaintexts;
  for (std::uint64_t i = 0; i < 12; ++i) plaintexts.push_back(noise(40'000, 7000 + i));
  const auto refs = store(*writing, session, plaintexts);
  ASSERT_EQ(problem(writer->renew()), "");
  EXPECT_GT(prune_well(thorough()).packs_waiting, 0U);
  ASSERT_EQ(problem(session.flush()), "");
  for (std::size_t i = 0; i < refs.size(); ++i)
    EXPECT_TRUE(*writing->read(refs[i]) == plaintexts[i]);
  // And another one that uses those chunks sees that they are condemned.
  const auto other = open();
  const auto other_lease = lease(*other, "backup", repo::LeaseUse::kWriting);
  ASSERT_EQ(problem(other->load_index([](const auto&, const Error&) {})), "");
  std::size_t known = 0;
  for (const auto& ref : refs) known += other->index().contains(ref.id) ? 1U : 0U;
  EXPECT_LT(known, refs.size());
}

// A listing that does not have one object.
class Hiding final : public backend::ForwardingBackend {
 public:
  Hiding(backend::Backend& inner, std::string name)
      : ForwardingBackend(inner), name_(std::move(name)) {}
  Result<void> list(std::string_view prefix,
                    const std::function<Result<void>(const backend::ObjectInfo&)>& each) override {
    return inner_.list(prefix, [&](const backend::ObjectInfo& info) -> Result<void> {
      return info.name == name_ ? Result<void>() : each(info);
    });
  }

 private:
  const std::string name_;
};

// duplicacy PruneGhostSnapshots: a snapshot that is there, and that the collection did not see, or
// that somebody puts back.
TEST_F(PruneRaces, AGhostSnapshotIsRescuedWhenItIsSeenWhileItsPacksWait) {
  const std::string name = name_of(older_);
  const auto whole = memory_.objects();
  const auto contents = contents_of_stored(*older_.id);
  for (const bool hidden : {true, false}) {
    SCOPED_TRACE(hidden ? "hidden" : "put back");
    memory_.set_objects(whole);
    const auto reading = open();
    const auto reader = lease(*reading, "restore", repo::LeaseUse::kReading);
    Hiding store(memory_, name);
    if (!hidden) forget(older_);
    const auto condemning = prune_by(store);
    ASSERT_EQ(problem(condemning), "");
    ASSERT_GT(condemning->packs_waiting, 0U);
    if (!hidden) {
      ASSERT_EQ(problem(memory_.put(name, whole.at(name))), "");
    }
    EXPECT_TRUE(contents_of_stored(*older_.id) == contents);

    const PruneReport rescued = prune_well(thorough());
    EXPECT_GT(rescued.packs_repacked, 0U);
    EXPECT_GT(rescued.packs_waiting, 0U) << "the reader goes on";
    EXPECT_EQ(rescued.packs_kept, 0U);
    EXPECT_EQ(problem(reader->release()), "");
    const PruneReport last = prune_well(thorough());
    EXPECT_GT(last.packs_removed, 0U);
    EXPECT_EQ(last.packs_waiting, 0U);
    EXPECT_TRUE(contents_of_stored(*older_.id) == contents);
    expect_whole();
    expect_holds_the_tree(newer_);
  }
}

// kopia #1087: locks of a host are no locks. Two prunes on two machines.
TEST_F(PruneRaces, TwoPrunesAtOnceFreeNothingThatIsNeeded) {
  for (const auto& call : {Interrupted::Call(takes_generation), Interrupted::Call(removes_pack),
                           Interrupted::Call([](std::string_view what, std::string_view name) {
                             return what == "put" && name.starts_with("index/");
                           })}) {
    for (const auto when : {Interrupted::When::kBefore, Interrupted::When::kAfter}) {
      forget(older_);
      Interrupted store(memory_, when, call, [&] { prune_well(thorough()); });
      EXPECT_EQ(problem(prune_by(store)), "");
      EXPECT_TRUE(store.happened());
      expect_whole();
      expect_holds_the_tree(newer_);
      prune_well(thorough());
      EXPECT_EQ(prune_well(thorough()).packs_removed, 0U);
      expect_whole();
      add_old_files();
      older_ = backup_well();
      for (int i = 0; i < 12; ++i) tree_.remove("/old/" + std::to_string(i));
    }
  }
}

// kopia #2227: the clock of a client says nothing about leases.
TEST_F(PruneRaces, AClientWhoseClockIsAYearAheadEndsNoLease) {
  const auto reading = open();
  const auto reader = lease(*reading, "restore", repo::LeaseUse::kReading);
  forget(older_);
  repo::ManualClock ahead;
  ahead.advance(std::chrono::hours(24 * 365));
  auto repository =
      repo::Repository::open(std::make_unique<backend::ForwardingBackend>(memory_),
                             repo::test_credential(), {}, {.clock = ahead, .rng = rng_});
  ASSERT_EQ(problem(repository), "");
  Watch watch;
  Activity activity = watch.activity();
  const auto report = prune(**repository, thorough(), activity);
  ASSERT_EQ(problem(report), "");
  EXPECT_EQ(report->leases_ended, 0U);
  EXPECT_EQ(report->bytes_freed, 0U);
  EXPECT_EQ(report->waiting_for.size(), 1U);
}

// borg #9748, #9904: a cached index names what an interrupted collection removed.
TEST_F(PruneRaces, ACacheOfBeforeIsNotBelievedAfterAPruneThatWasCut) {
  const io::TemporaryFolder cache;
  const repo::OpenOptions options{.cache_directory = cache / "cache"};
  forget(older_);
  const auto before = memory_.objects();
  for (std::uint64_t number = 1;; ++number) {
    memory_.set_objects(before);
    {
      auto filling = open_by(memory_, options);
      ASSERT_EQ(problem(filling), "");
      ASSERT_EQ(problem((*filling)->load_index([](const auto&, const Error&) {})), "");
    }
    backend::FaultBackend faults(memory_, backend::FaultBackend::Numbered::kChanges);
    faults.crash_at(number, backend::FaultBackend::Effect::kApplied);
    (void)prune_by(faults);
    SCOPED_TRACE("cut at change " + std::to_string(number));
    add_old_files();
    {
      auto repository = open_by(memory_, options);
      ASSERT_EQ(problem(repository), "");
      Watch watch;
      const auto report = back_up(**repository, tree_, backup_options(), watch);
      ASSERT_EQ(problem(report), "");
      expect_holds_the_tree(*report);
      expect_whole();
    }
    for (int i = 0; i < 12; ++i) tree_.remove("/old/" + std::to_string(i));
    if (HasFailure() || !faults.crashed()) return;
  }
}

// rustic #392: the same chunk twice, in one pack and in others.
TEST_F(PruneRaces, AChunkThatIsStoredSeveralTimesKeepsOnePlace) {
  store_again(newer_, 3);
  forget(older_);
  prune_well(thorough());
  expect_whole();
  expect_holds_the_tree(newer_);
  EXPECT_EQ(prune_well(thorough()).packs_removed, 0U);
}

// restic #21820: one pack in several index runs.
TEST_F(PruneRaces, APackThatSeveralRunsNameLosesNothing) {
  {
    const auto writing = open();
    auto strays = writing->index().packs();
    for (int time = 0; time < 2; ++time) {
      const auto again =
          repo::recover_packs(memory_, writing->keyring(), writing->config().id, strays, {},
                              [&](std::vector<repo::PackEntries> packs) -> Result<void> {
                                auto added = writing->index().add(std::move(packs));
                                if (!added) return std::unexpected(std::move(added).error());
                                return {};
                              });
      ASSERT_EQ(problem(again), "");
    }
  }
  forget(older_);
  EXPECT_GT(prune_well(thorough()).bytes_freed, 300'000U);
  expect_whole();
  expect_holds_the_tree(newer_);
}

// rustic: a backup that takes longer than any grace period. kopia: than the interval of
// checkpoints.
TEST_F(PruneRaces, ABackupOfThreeDaysLosesNothing) {
  const auto writing = open();
  auto writer = lease(*writing, "backup", repo::LeaseUse::kWriting);
  const snapshot::Snapshot like_older = *writing->read_snapshot(*older_.id);
  const auto contents = contents_of_stored(*older_.id);
  forget(older_);
  for (int hour = 0; hour < 72; ++hour) {
    for (int i = 0; i < 12; ++i) {
      clock_.advance(std::chrono::minutes(5));
      ASSERT_EQ(problem(writer->renew()), "");
    }
    if (hour % 23 == 0) prune_well(thorough());
  }
  const auto id = writing->commit_snapshot(like_older, *writer);
  ASSERT_EQ(problem(id), "");
  ASSERT_EQ(problem(writer->release()), "");
  prune_well(thorough());
  EXPECT_TRUE(contents_of_stored(*id) == contents);
  expect_whole();
}

// restic #3273, #3317: half a listing taken for the whole.
TEST_F(PruneRaces, AListingThatBreaksOffFreesNothing) {
  class HalfListing final : public backend::ForwardingBackend {
   public:
    HalfListing(backend::Backend& inner, std::string prefix)
        : ForwardingBackend(inner), prefix_(std::move(prefix)) {}
    using Backend::put;
    Result<void> list(
        std::string_view prefix,
        const std::function<Result<void>(const backend::ObjectInfo&)>& each) override {
      if (prefix != prefix_) return inner_.list(prefix, each);
      bool first = true;
      return inner_.list(prefix, [&](const backend::ObjectInfo& info) -> Result<void> {
        if (!std::exchange(first, false)) return fail(ErrorCode::kUnavailable, "broken off");
        return each(info);
      });
    }

   private:
    const std::string prefix_;
  };
  forget(older_);
  backup_well();
  const std::uint64_t before = stored_bytes();
  for (const char* const prefix : {"snapshots/", "index/", "data/"}) {
    HalfListing half(memory_, prefix);
    EXPECT_EQ(code_of(prune_by(half)), "unavailable") << prefix;
    EXPECT_EQ(stored_bytes(), before) << prefix;
  }
}

// Two copies of a chunk, one of them rotten: nobody relies on the rotten one unseen.
TEST_F(PruneRaces, ThePlaceThatIsReliedOnIsReadFirst) {
  store_again(newer_, 1);
  forget(older_);
  const auto before = memory_.objects();
  for (const std::string& name : names("data/")) {
    SCOPED_TRACE(name);
    memory_.set_objects(before);
    replace(name, [](Bytes& stored) { stored[100] ^= 1; });
    EXPECT_EQ(problem(try_prune(thorough())), "");
    expect_holds_the_tree(newer_);
    if (HasFailure()) return;
  }
}

// A reader who begins while what a snapshot needs of condemned packs is stored again does not know
// the new places.
TEST_F(PruneRaces, AReaderWhoBeginsDuringARescueReadsToTheEnd) {
  const auto writing = open();
  auto writer = lease(*writing, "backup", repo::LeaseUse::kWriting);
  const snapshot::Snapshot like_older = *writing->read_snapshot(*older_.id);
  const auto contents = contents_of_stored(*older_.id);
  clock_.advance(std::chrono::hours(1));
  forget(older_);
  ASSERT_EQ(problem(writer->renew()), "");
  EXPECT_GT(prune_well(thorough()).packs_waiting, 0U);
  const auto committed = writing->commit_snapshot(like_older, *writer);
  ASSERT_EQ(problem(committed), "");
  ASSERT_EQ(problem(writer->release()), "");

  std::unique_ptr<repo::Repository> reader;
  std::unique_ptr<repo::Lease> held;
  Interrupted store(
      memory_, Interrupted::When::kBefore,
      [](std::string_view what, std::string_view name) {
        return what == "put" && name.starts_with("data/");
      },
      [&] {
        reader = open();
        held = lease(*reader, "restore", repo::LeaseUse::kReading);
        ASSERT_EQ(problem(reader->load_index([](const auto&, const Error&) {})), "");
      });
  const auto rescued = prune_by(store);
  ASSERT_EQ(problem(rescued), "");
  ASSERT_TRUE(store.happened());
  EXPECT_GT(rescued->packs_waiting, 0U);
  ASSERT_EQ(rescued->waiting_for.size(), 1U);
  EXPECT_EQ(rescued->waiting_for[0].record.operation, "restore");
  const auto read = contents_of(*reader, like_older);
  ASSERT_EQ(problem(read), "");
  EXPECT_TRUE(*read == contents);
  ASSERT_EQ(problem(held->release()), "");
  const PruneReport last = prune_well(thorough());
  EXPECT_EQ(last.packs_waiting, 0U);
  EXPECT_GT(last.packs_removed, 0U);
  EXPECT_TRUE(contents_of_stored(*committed) == contents);
  expect_whole();
}

// A machine that slept for days over its check, or its repair: what was freed is not damaged.
TEST_F(PruneRaces, WhatIsFreedUnderALeaseThatWasEndedIsNoDamage) {
  const auto with_packs_of_both = memory_.objects();
  const std::pair<const char*, std::function<std::string_view(repo::Repository&)>> sleepers[] = {
      {"check",
       [](repo::Repository& repository) {
         Watch watch;
         Activity activity = watch.activity();
         return code_of(check(repository, {}, activity));
       }},
      {"repair packs",
       [](repo::Repository& repository) {
         Watch watch;
         Activity activity = watch.activity();
         return code_of(repair_packs(repository, {}, activity));
       }},
      {"repair index", [](repo::Repository& repository) {
         Watch watch;
         Activity activity = watch.activity();
         return code_of(repair_index(repository, {}, activity));
       }}};
  for (const auto& [name, work] : sleepers) {
    memory_.set_objects(with_packs_of_both);
    Interrupted store(
        memory_, Interrupted::When::kBefore,
        [](std::string_view what, std::string_view prefix) {
          return what == "list" && prefix == "data/";
        },
        [&] {
          clock_.advance(std::chrono::hours(100));
          forget(older_);
          EXPECT_GT(prune_well(thorough()).packs_removed, 0U);
        });
    const auto repository = open_by(store);
    ASSERT_EQ(problem(repository), "");
    EXPECT_EQ(work(**repository), "conflict") << name;
    EXPECT_TRUE(store.happened());
  }
}

// What waits to be removed is no second copy: nobody has looked whether it is whole.
TEST_F(PruneRaces, ACondemnedCopyDoesNotMakeUpForADamagedPack) {
  store_again(newer_, 1);
  const auto reading = open();
  const auto reader = lease(*reading, "restore", repo::LeaseUse::kReading);
  EXPECT_GT(prune_well(thorough()).packs_waiting, 0U);
  const auto whole = memory_.objects();
  const auto packs = open_past_faults();
  std::size_t looked_at = 0;
  for (const repo::Index::Pack& pack : packs->index().packs()) {
    if (pack.kind != repo::PackKind::kData) continue;
    ++looked_at;
    const std::string name = repo::object_name(repo::ObjectKind::kDataPack, pack.id);
    replace(name, [](Bytes& bytes) { bytes.pop_back(); });
    const auto repository = open_past_faults();
    Watch watch;
    Activity activity = watch.activity();
    const auto checked = check(*repository, {}, activity);
    ASSERT_EQ(problem(checked), "");
    EXPECT_TRUE(std::ranges::any_of(checked->damages, [&](const Damage& damage) {
      return damage.object == name;
    })) << name;
    memory_.set_objects(whole);
  }
  EXPECT_GT(looked_at, 0U);
}

// A listing that passes the new place before a merge puts the successor there, and the old place
// after it has removed the runs.
class MissesRunsOnce final : public backend::ForwardingBackend {
 public:
  using ForwardingBackend::ForwardingBackend;
  Result<void> list(std::string_view prefix,
                    const std::function<Result<void>(const backend::ObjectInfo&)>& each) override {
    if (prefix == "index/" && !std::exchange(missed_, true)) return {};
    return inner_.list(prefix, each);
  }

 private:
  bool missed_ = false;
};

TEST_F(PruneRaces, ARunThatAListingMissedBesideAMergeIsNoDamage) {
  MissesRunsOnce store(memory_);
  const auto repository = open_by(store);
  ASSERT_EQ(problem(repository), "");
  Watch watch;
  Activity activity = watch.activity();
  const auto checked = check(**repository, {}, activity);
  ASSERT_EQ(problem(checked), "");
  for (const Damage& damage : checked->damages) ADD_FAILURE() << damage.object << damage.what;
  EXPECT_EQ(checked->packs_unindexed, 0U);
}

}  // namespace
}  // namespace backstay::engine
