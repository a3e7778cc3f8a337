// Originals that go once their copies were read back.
#include "engine/move.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <set>

#include "engine/notes.h"
#include "engine/testing/copy_fixture.h"

namespace backstay::engine {
namespace {

using snapshot::SnapshotId;

class Move : public CopyFixture {
 protected:
  void SetUp() override {
    CopyFixture::SetUp();
    for (std::uint64_t i = 0; i < 3; ++i) {
      tree_.add_file("/home/user/new", noise(40'000 + i, 9 + i));
      tree_.punch_hole("/home/user/new", 10'000, 8'000);
      ids_.push_back(*backup_well().id);
      contents_.push_back(contents_of(tree_));
    }
  }

  Result<MoveReport> try_move(bool dry_run = false) {
    moved_.clear();
    clock_.advance(std::chrono::seconds(60));
    const auto from = TRY(open_first());
    const auto to = open_second();
    if (to == nullptr) return fail(ErrorCode::kCancelled, "cut");
    const auto snapshots = TRY(from->snapshots([](const auto&, const Error&) {}));
    TRY(from->load_index([](const auto&, const Error&) {}));
    watch_ = std::make_unique<Watch>();
    Activity activity = watch_->activity();
    std::vector<CopiedPair> pairs;
    TRY(copy(*from, *to, snapshots, {}, activity, [&](const CopiedSnapshot& one) {
      if (one.copy) pairs.push_back({.original = one.original.id, .copy = *one.copy});
    }));
    if (after_copying) after_copying();
    const MoveOptions options{.dry_run = dry_run, .host = "host", .user = "user", .wait = {}};
    return move_originals(*from, *to, pairs, options, activity,
                          [&](const MovedSnapshot& one) { moved_.push_back(one); });
  }
  MoveReport move_well() {
    auto report = try_move();
    EXPECT_EQ(problem(report), "");
    return report.value_or(MoveReport{});
  }
  std::vector<SnapshotId> left() {
    std::vector<SnapshotId> ids;
    const auto repository = open_past_faults();
    const auto found = repository->snapshots([](const auto&, const Error&) {});
    EXPECT_EQ(problem(found), "");
    for (const auto& stored : *found) ids.push_back(stored.id);
    return ids;
  }
  // Whether the bytes of a snapshot can be had somewhere.
  bool is_somewhere(std::size_t number) {
    const auto here = left();
    if (std::ranges::find(here, ids_[number]) != here.end())
      return contents_of_stored(ids_[number]) == contents_[number];
    return std::ranges::any_of(second_snapshots(), [&](const repo::StoredSnapshot& stored) {
      return contents_of_copy(stored.snapshot) == contents_[number];
    });
  }

  std::vector<SnapshotId> ids_;  // oldest first
  std::vector<std::map<std::string, Bytes>> contents_;
  std::vector<MovedSnapshot> moved_;
  std::function<void()> after_copying;
};

TEST_F(Move, TakesAwayAllButTheNewestGoodOne) {
  const MoveReport report = move_well();
  EXPECT_EQ(report.moved, 2U);
  EXPECT_EQ(report.staying, 1U);
  EXPECT_GT(report.bytes_compared, 300'000U);
  EXPECT_EQ(left(), std::vector<SnapshotId>{ids_[2]});
  ASSERT_EQ(second_snapshots().size(), 3U);
  for (std::size_t i = 0; i < 3; ++i)
    EXPECT_TRUE(contents_of_copy(second_snapshots()[i].snapshot) == contents_[i]);
  const auto stays = std::ranges::find(moved_, MoveOutcome::kStays, &MovedSnapshot::outcome);
  ASSERT_NE(stays, moved_.end());
  EXPECT_EQ(stays->pair.original, ids_[2]);
  EXPECT_NE(stays->why.find("newest good"), std::string::npos);
}

TEST_F(Move, ReadsWhatSnapshotsShareOnce) {
  const std::uint64_t all = 3 * 300'000;
  EXPECT_LT(move_well().bytes_compared, all);
}

TEST_F(Move, LeavesWhatIsHeldAndHoldsTheCopy) {
  repo::Hold hold;
  hold.reason = "audit";
  ASSERT_EQ(problem(repo::store_hold(*open(), ids_[0], hold)), "");
  const MoveReport report = move_well();
  EXPECT_EQ(report.moved, 1U);
  EXPECT_EQ(left(), (std::vector<SnapshotId>{ids_[0], ids_[2]}));
  EXPECT_EQ(repo::list_holds(*open_second())->size(), 1U);
  const auto held = std::ranges::find_if(
      moved_, [&](const MovedSnapshot& one) { return one.pair.original == ids_[0]; });
  EXPECT_EQ(held->outcome, MoveOutcome::kStays);
  EXPECT_EQ(held->why, "held (audit)");
}

TEST_F(Move, LeavesOriginalsWhoseCopiesAreDamaged) {
  after_copying = [&] {
    for (const auto& [name, bytes] : second_memory_.objects()) {
      if (!name.starts_with("data/")) continue;
      Bytes damaged = bytes;
      damaged[damaged.size() / 2] ^= 1;
      ASSERT_EQ(problem(second_memory_.remove(name)), "");
      ASSERT_EQ(problem(second_memory_.put(name, ByteView(damaged))), "");
    }
  };
  const MoveReport report = move_well();
  EXPECT_EQ(report.moved + report.staying, 0U);
  EXPECT_EQ(report.failed, 3U);
  EXPECT_EQ(left(), ids_);
}

TEST_F(Move, LeavesOriginalsWhoseCopiesAreGone) {
  after_copying = [&] {
    for (const auto& [name, bytes] : second_memory_.objects()) {
      if (!name.starts_with("snapshots/")) continue;
      ASSERT_EQ(problem(second_memory_.remove(name)), "");
    }
  };
  EXPECT_EQ(move_well().failed, 3U);
  EXPECT_EQ(left(), ids_);
}

TEST_F(Move, LeavesTheOriginalOfWhatIsAnotherSnapshot) {
  copy_well();
  const auto copies = second_snapshots();
  const auto from = open();
  const auto to = open_second();
  ASSERT_EQ(problem(to->load_index([](const auto&, const Error&) {})), "");
  Watch watch;
  Activity activity = watch.activity();
  const auto report = move_originals(*from, *to, {{.original = ids_[0], .copy = copies[1].id}}, {},
                                     activity, [](const MovedSnapshot&) {});
  ASSERT_EQ(problem(report), "");
  EXPECT_EQ(report->failed, 1U);
  EXPECT_EQ(left(), ids_);
}

TEST_F(Move, BringsTagsThatCameAfterTheCopy) {
  after_copying = [&] {
    repo::TagChange change;
    change.added = {"late"};
    ASSERT_EQ(problem(repo::store_tag_change(*open_past_faults(), ids_[0], change)), "");
  };
  move_well();
  EXPECT_EQ(second_snapshots().front().snapshot.tags, std::vector<std::string>{"late"});
}

TEST_F(Move, InADryRunChangesNothingInTheFirst) {
  copy_well();
  const auto before = memory_.objects();
  const auto report = try_move(true);
  ASSERT_EQ(problem(report), "");
  EXPECT_EQ(report->moved, 2U);
  EXPECT_EQ(report->staying, 1U);
  EXPECT_EQ(memory_.objects(), before);
}

TEST_F(Move, OutOfAnAppendOnlyRepositoryIsRefused) {
  ASSERT_EQ(problem(memory_.set_append_only(backend::AppendOnly::kOn)), "");
  EXPECT_EQ(code_of(try_move()), "permission_denied");
}

// At no moment is a snapshot in neither, and the next run ends it.
TEST_F(Move, CutAtAnyChangeLosesNothing) {
  const auto first = memory_.objects();
  const auto second = second_memory_.objects();
  for (const bool cut_second : {false, true}) {
    bool cut = true;
    for (std::uint64_t call = 1; cut; call += call < 12 ? 1 : 5) {
      SCOPED_TRACE(std::to_string(call) + (cut_second ? " of the second" : " of the first"));
      memory_.set_objects(first);
      second_memory_.set_objects(second);
      backend::FaultBackend faults(cut_second ? second_memory_ : memory_,
                                   backend::FaultBackend::Numbered::kChanges);
      faults.crash_at(call, call % 2 == 0 ? backend::FaultBackend::Effect::kApplied
                                          : backend::FaultBackend::Effect::kLost);
      (cut_second ? through_ : first_through_) = &faults;
      const auto interrupted = try_move();
      through_ = first_through_ = nullptr;
      cut = faults.crashed();
      EXPECT_EQ(interrupted.has_value(), !cut) << faults.crashed_in();
      for (std::size_t i = 0; i < 3; ++i) EXPECT_TRUE(is_somewhere(i)) << faults.crashed_in();
      clock_.advance(std::chrono::hours(2));  // the lease of what was cut is dead by then
      move_well();
      EXPECT_EQ(left(), std::vector<SnapshotId>{ids_[2]});
      EXPECT_EQ(second_snapshots().size(), 3U);
    }
  }
}

}  // namespace
}  // namespace backstay::engine
