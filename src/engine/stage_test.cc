#include "engine/stage.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <string>
#include <utility>
#include <vector>

#include "engine/testing/stage_fixture.h"
#include "repo/damage_mark.h"
#include "repo/pack_survey.h"

namespace backstay::engine {
namespace {

class Stage : public StageFixture {
 protected:
  // One backup while the repository is there, two while it is away.
  void stage_two() {
    contents_.push_back(contents_of(tree_));
    backup_well();
    learn();
    tree_.add_file("/home/user/new", noise(150'000, 55));
    contents_.push_back(contents_of(tree_));
    stage_well();
    tree_.add_file("/home/user/newer", noise(90'000, 56));
    tree_.remove("/etc/small");
    contents_.push_back(contents_of(tree_));
    stage_well();
  }

  std::vector<std::map<std::string, Bytes>> contents_;
};

TEST_F(Stage, HoldsOnlyWhatTheRepositoryWasNotKnownToHave) {
  backup_well();
  learn();
  stage_well();
  EXPECT_TRUE(names_in(staged_, "data/").empty());
  tree_.add_file("/home/user/new", noise(150'000, 55));
  stage_well();
  const std::uint64_t bytes = bytes_in(staged_, "data/");
  EXPECT_GE(bytes, 150'000U);
  EXPECT_LT(bytes, 160'000U);
}

TEST_F(Stage, ComparesWithWhatWasStagedBefore) {
  stage_two();
  tree_.files_opened = 0;
  stage_well();
  EXPECT_EQ(tree_.files_opened, 0U);
}

TEST_F(Stage, WithoutKnowledgeHoldsEverything) {
  backup_well();
  learn();
  for (const std::string& name : names_in(known_, "index/")) {
    ASSERT_EQ(problem(known_.remove(name)), "");
  }
  const auto staged = stage_well();
  const auto stage = open_by(staged_);
  ASSERT_EQ(problem((*stage)->load_index([](const auto&, const Error&) {})), "");
  EXPECT_TRUE(is_whole_in_stage(**stage, staged.snapshot).value_or(false));
  const auto contents = contents_of(**stage, staged.snapshot);
  ASSERT_EQ(problem(contents), "");
  EXPECT_TRUE(*contents == contents_of(tree_));
  EXPECT_EQ(send_well().sent, 1U);
  EXPECT_EQ(sent_.front().bytes_added, 0U);  // it is all there
}

TEST_F(Stage, IsNotWholeWhereBytesOfFilesAreElsewhere) {
  backup_well();
  learn();
  const auto staged = stage_well();
  const auto stage = open_by(staged_);
  ASSERT_EQ(problem((*stage)->load_index([](const auto&, const Error&) {})), "");
  EXPECT_FALSE(is_whole_in_stage(**stage, staged.snapshot).value_or(true));
}

TEST_F(Stage, IsSentInOrderAndRestoresByteForByte) {
  stage_two();
  const SendReport report = send_well();
  EXPECT_EQ(report.sent, 2U);
  EXPECT_EQ(report.kept, 0U);
  EXPECT_TRUE(all_contents() == contents_);
  EXPECT_EQ(problems_of_remote(), "");
  ASSERT_EQ(sent_.size(), 2U);
  EXPECT_LT(sent_[0].staged.snapshot.started, sent_[1].staged.snapshot.started);
  EXPECT_GE(report.bytes_added, 240'000U);
  EXPECT_LT(report.bytes_added, 300'000U);
}

TEST_F(Stage, IsEmptyAfterAllWasSent) {
  stage_two();
  send_well();
  for (const char* const prefix : {"snapshots/", "index/", "data/", "meta/"}) {
    EXPECT_TRUE(names_in(staged_, prefix).empty()) << prefix;
  }
  EXPECT_EQ(send_well().sent, 0U);
}

TEST_F(Stage, IsWhatTheNextBackupComparesWith) {
  stage_two();
  send_well();
  const auto next = backup_well();
  EXPECT_EQ(tree_.files_opened, 0U);
  EXPECT_EQ(next.snapshot.parent, sent_.back().sent);
  EXPECT_EQ(sent_.back().staged.snapshot.tree, next.snapshot.tree);
}

TEST_F(Stage, KeepsTheChainOfWhatWasComparedWithWhat) {
  stage_two();
  send_well();
  const auto remote = open_by(memory_);
  const auto second = (*remote)->read_snapshot(*sent_[1].sent);
  ASSERT_EQ(problem(second), "");
  EXPECT_EQ(second->parent, sent_[0].sent);
  EXPECT_EQ(second->type, snapshot::BackupType::kIncremental);
  const auto first = (*remote)->read_snapshot(*sent_[0].sent);
  EXPECT_FALSE(first->parent.has_value());
}

TEST_F(Stage, NeverMakesASnapshotOfWhichTheRepositoryLostAPart) {
  stage_two();
  lose_all_snapshots();
  SendReport report = send_well();
  EXPECT_EQ(report.kept, 2U);
  EXPECT_EQ(sent_.front().outcome, SendOutcome::kMissing);
  EXPECT_NE(sent_.front().failure.find("/"), std::string::npos);
  EXPECT_TRUE(names_in(memory_, "snapshots/").empty());
  EXPECT_EQ(names_in(staged_, "snapshots/").size(), 2U);
  // A backup stores the missing bytes again, and then they can be sent.
  tree_.add_file("/etc/small", noise(100, 1));
  backup_well();
  report = send_well();
  EXPECT_EQ(report.sent, 2U);
  EXPECT_EQ(problems_of_remote(), "");
  const auto all = all_contents();
  ASSERT_EQ(all.size(), 3U);
  EXPECT_TRUE(all[0] == contents_[1]);
  EXPECT_TRUE(all[1] == contents_[2]);
  EXPECT_TRUE(names_in(staged_, "data/").empty());
}

TEST_F(Stage, SendsTheOthersWhenOneCannotBeSent) {
  tree_.add_file("/only/before", noise(60'000, 91));
  backup_well();
  learn();
  stage_well();
  tree_.remove("/only/before");
  tree_.add_file("/home/user/new", noise(150'000, 55));
  stage_well();
  lose_all_snapshots();
  backup_well();
  const SendReport report = send_well();
  EXPECT_EQ(report.kept, 1U);
  EXPECT_EQ(report.sent, 1U);
  EXPECT_EQ(names_in(staged_, "snapshots/").size(), 1U);
  EXPECT_EQ(problems_of_remote(), "");
}

TEST_F(Stage, SendsAgainWhatACollectionTookInTheMiddle) {
  stage_two();
  // The packs of the first attempt are there without a snapshot, and a collection frees them.
  backend::FaultBackend cut(memory_);
  cut.crash_in("put snapshots/", backend::FaultBackend::Effect::kLost);
  (void)try_send(staged_, cut);
  ASSERT_TRUE(cut.crashed());
  clock_.advance(std::chrono::hours(24));
  prune_well();
  EXPECT_EQ(send_well().kept, 0U);
  EXPECT_TRUE(all_contents() == contents_);
  EXPECT_EQ(problems_of_remote(), "");
}

TEST_F(Stage, FreesWhatARunLeftThatWasCut) {
  backup_well();
  learn();
  tree_.add_file("/home/user/new", noise(400'000, 55));
  const auto stage = open_by(staged_);
  backend::FaultBackend full(staged_);
  full.limit_space(200'000);
  {
    const auto cut = open_by(full);
    ASSERT_EQ(problem(cut), "");
    Watch watch;
    EXPECT_EQ(code_of(back_up(**cut, tree_, backup_options(), watch)), "no_space");
  }
  EXPECT_FALSE(names_in(staged_, "data/").empty());
  EXPECT_GT(free_stage(**stage).value_or(0), 0U);
  EXPECT_TRUE(names_in(staged_, "data/").empty());
  EXPECT_TRUE(names_in(staged_, "index/").empty());
}

TEST_F(Stage, IsRefusedByAnotherRepository) {
  stage_two();
  memory_.set_objects({});
  make();
  EXPECT_EQ(code_of(try_send(staged_, memory_)), "permission_denied");
  EXPECT_EQ(names_in(staged_, "snapshots/").size(), 2U);
}

TEST_F(Stage, KeepsWhatIsDamagedInItAndSendsTheRest) {
  stage_two();
  const auto packs = names_in(staged_, "data/");
  ASSERT_FALSE(packs.empty());
  ASSERT_EQ(problem(staged_.remove(packs.front())), "");
  const auto before = names_in(memory_, "snapshots/").size();
  const auto report = try_send(staged_, memory_);
  ASSERT_EQ(problem(report), "");
  EXPECT_GE(report->kept, 1U);
  EXPECT_EQ(names_in(memory_, "snapshots/").size(), before + report->sent);
  EXPECT_EQ(problems_of_remote(), "");
}

TEST_F(Stage, WithADamagedIndexRunLosesNothing) {
  stage_two();
  const auto before = std::pair(memory_.objects(), staged_.objects());
  const auto runs = names_in(staged_, "index/");
  ASSERT_GE(runs.size(), 2U);
  for (const std::string& run : runs) {
    SCOPED_TRACE(run);
    memory_.set_objects(before.first);
    auto objects = before.second;
    objects.at(run)[objects.at(run).size() / 2] ^= 1;
    staged_.set_objects(objects);
    const auto stage = open_by(staged_);
    ASSERT_EQ(problem(free_stage(**stage)), "");
    for (const auto& [name, bytes] : objects) {
      if (!name.starts_with("data/") && !name.starts_with("meta/")) continue;
      EXPECT_TRUE(staged_.objects().contains(name)) << name;
    }
    EXPECT_EQ(send_well().kept, 0U);
    EXPECT_TRUE(all_contents() == contents_);
    EXPECT_TRUE(names_in(staged_, "data/").empty());
  }
}

TEST_F(Stage, HoldsAnewWhatACheckFoundDamagedInTheRepository) {
  backup_well();
  const auto packs = names_in(memory_, "data/");
  {
    const auto remote = open_by(memory_);
    const auto listed = repo::list_packs(memory_);
    ASSERT_EQ(problem(listed), "");
    for (const auto& [id, pack] : *listed) {
      if (pack.kind != repo::PackKind::kData) continue;
      ASSERT_EQ(
          problem(repo::mark_damaged(memory_, (*remote)->config().id, id, pack.kind, clock_.now())),
          "");
    }
  }
  learn();
  stage_well();
  EXPECT_GE(bytes_in(staged_, "data/"), bytes_in(memory_, "data/") / 2);
  EXPECT_EQ(send_well().kept, 0U);
  for (const std::string& pack : packs) remove(pack);
  EXPECT_TRUE(all_contents().back() == contents_of(tree_));
}

// ---- cut at every call

class StageCut : public Stage {
 protected:
  void SetUp() override {
    Stage::SetUp();
    threads_ = repo::World::Threads::kCallersOnly;
    stage_two();
    before_ = {memory_.objects(), staged_.objects()};
  }
  enum class Where : std::uint8_t { kRemote, kStage };

  // What was staged is in the stage or in the repository, and the next sending ends it.
  void expect_nothing_lost(const std::string& cut) {
    SCOPED_TRACE(cut);
    EXPECT_GE(names_in(memory_, "snapshots/").size() + names_in(staged_, "snapshots/").size(), 3U);
    EXPECT_EQ(problems_of_remote(), "");
    const auto report = send_well();
    EXPECT_EQ(report.kept, 0U);
    EXPECT_TRUE(all_contents() == contents_);
    EXPECT_TRUE(names_in(staged_, "snapshots/").empty());
    EXPECT_TRUE(names_in(staged_, "data/").empty());
  }

  void cut_everywhere(Where where, backend::FaultBackend::Effect effect) {
    std::uint64_t number = 1;
    for (;; ++number) {
      memory_.set_objects(before_.first);
      staged_.set_objects(before_.second);
      backend::FaultBackend remote(memory_, backend::FaultBackend::Numbered::kChanges);
      backend::FaultBackend stage(staged_, backend::FaultBackend::Numbered::kChanges);
      backend::FaultBackend& cut = where == Where::kRemote ? remote : stage;
      cut.crash_at(number, effect);
      const auto report = try_send(stage, remote);
      if (!cut.crashed()) {
        EXPECT_EQ(problem(report), "");
        break;
      }
      expect_nothing_lost("cut at change " + std::to_string(number) + ", " + cut.crashed_in());
      if (HasFailure()) break;
    }
    EXPECT_GT(number, 4U);
  }

  std::pair<backend::MemoryBackend::Objects, backend::MemoryBackend::Objects> before_;
};

TEST_F(StageCut, AtAnyChangeOfTheRepositoryLosesNothing) {
  cut_everywhere(Where::kRemote, backend::FaultBackend::Effect::kLost);
}

TEST_F(StageCut, AfterAnyChangeOfTheRepositoryLosesNothing) {
  cut_everywhere(Where::kRemote, backend::FaultBackend::Effect::kApplied);
}

TEST_F(StageCut, AtAnyChangeOfTheStageLosesNothing) {
  cut_everywhere(Where::kStage, backend::FaultBackend::Effect::kLost);
  cut_everywhere(Where::kStage, backend::FaultBackend::Effect::kApplied);
}

// A collection frees what nothing refers to, before a call that the sending makes.
class PrunesBefore final : public backend::ForwardingBackend {
 public:
  PrunesBefore(backend::Backend& inner, int number, std::function<void()> prune)
      : ForwardingBackend(inner), left_(number), prune_(std::move(prune)) {}
  using Backend::put;
  Result<void> put(std::string_view name, std::span<const ByteView> pieces) override {
    count();
    return inner_.put(name, pieces);
  }
  Result<void> barrier() override {
    count();
    return inner_.barrier();
  }
  Result<void> list(std::string_view prefix,
                    const std::function<Result<void>(const backend::ObjectInfo&)>& each) override {
    count();
    return inner_.list(prefix, each);
  }
  Result<backend::ObjectInfo> head(std::string_view name) override {
    count();
    return inner_.head(name);
  }
  [[nodiscard]] bool pruned() const { return left_ <= 0; }

 private:
  void count() {
    const int before = left_--;
    if (before == 1) prune_();
  }
  std::atomic<int> left_;
  const std::function<void()> prune_;
};

class StageBesideACollection : public StageCut, public testing::WithParamInterface<int> {};

// One that comes at once and heeds the lease of the sending, and one that finds it dead.
INSTANTIATE_TEST_SUITE_P(After, StageBesideACollection, testing::Values(0, 24));

TEST_P(StageBesideACollection, LeavesNothingThatDoesNotRestore) {
  int number = 1;
  for (bool pruned = true; pruned; ++number) {
    SCOPED_TRACE(number);
    memory_.set_objects(before_.first);
    staged_.set_objects(before_.second);
    // Nothing keeps what the stage relies on.
    for (const std::string& name : names_in(memory_, "snapshots/")) remove(name);
    PrunesBefore remote(memory_, number, [&] { prune_well(std::chrono::hours(GetParam())); });
    const auto report = try_send(staged_, remote);
    pruned = remote.pruned();
    EXPECT_EQ(problems_of_remote(), "");
    // One that was stored and not confirmed may count; the next sending finds out.
    EXPECT_GE(all_contents().size() + names_in(staged_, "snapshots/").size(), 2U)
        << problem(report);
    send_well();
    EXPECT_EQ(all_contents().size() + names_in(staged_, "snapshots/").size(), 2U);
    EXPECT_EQ(problems_of_remote(), "");
    if (HasFailure()) break;
  }
  EXPECT_GT(number, 8);
}

}  // namespace
}  // namespace backstay::engine
