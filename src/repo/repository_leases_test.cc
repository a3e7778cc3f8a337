// Leases of an open repository, and what they mean for what is committed.
#include <gtest/gtest.h>

#include "repo/generation.h"
#include "repo/repository.h"
#include "repo/testing/fixture.h"

namespace backstay::repo {
namespace {

snapshot::Snapshot snapshot_of(std::int64_t started) {
  snapshot::Snapshot snapshot;
  snapshot.started = {.seconds = started, .nanos = 1};
  snapshot.finished = {.seconds = started + 1, .nanos = 2};
  snapshot.paths = {"/a"};
  snapshot.tree.page.length = 100;
  return snapshot;
}

class RepositoryWithLeases : public RepositoryFixture {
 protected:
  void SetUp() override {
    make();
    threads_ = World::Threads::kCallersOnly;
    repository_ = open();
  }
  std::unique_ptr<Lease> lease(LeaseUse use = LeaseUse::kWriting) {
    auto taken = repository_->take_lease(
        {.id = {}, .operation = "backup", .host = {}, .user = {}, .started = {}}, use);
    EXPECT_EQ(problem(taken), "");
    return std::move(*taken);
  }
  void generate(std::uint64_t number, std::vector<ObjectId> condemned,
                std::vector<LeaseId> ended = {}, std::vector<ObjectId> kept = {}) {
    const Generation generation{.number = number,
                                .condemned = std::move(condemned),
                                .time = {},
                                .ended_leases = std::move(ended),
                                .kept_snapshots = std::move(kept)};
    ASSERT_EQ(problem(create_generation(memory_, generation, repository_->config().id,
                                        repository_->keyring())),
              "");
  }
  [[nodiscard]] std::vector<ListedLease> listed() const {
    return list_leases(repository_->store(), repository_->config().id).value();
  }
  [[nodiscard]] std::size_t counted() const {
    return open_again_->snapshots([](const auto&, const auto&) {})->size();
  }
  std::unique_ptr<Repository> repository_;
  std::unique_ptr<Repository> open_again_;
};

TEST_F(RepositoryWithLeases, NamesTheGenerationBeforeAndKnowsTheOneAfter) {
  const ObjectId pack{{1}};
  generate(2, {pack});
  const auto writer = lease();
  EXPECT_EQ(listed().front().record.generation, 1U) << "known when it was opened";
  EXPECT_EQ(repository_->generation(), 2U);
  EXPECT_TRUE(repository_->index().is_condemned(pack));
}

TEST_F(RepositoryWithLeases, ProtectsAllThatMayBeThereForReaders) {
  generate(2, {});
  generate(3, {ObjectId{{1}}});
  generate(4, {});
  ASSERT_EQ(problem(repository_->refresh_generations()), "");
  {
    const auto reader = lease(LeaseUse::kReading);
    EXPECT_EQ(listed().front().record.generation, 2U);
  }
  const auto writer = lease(LeaseUse::kWriting);
  EXPECT_EQ(listed().front().record.generation, 4U);
}

TEST_F(RepositoryWithLeases, CommitsUnderALeaseThatStands) {
  const auto held = lease();
  const auto id = repository_->commit_snapshot(snapshot_of(1), *held);
  ASSERT_EQ(problem(id), "");
  EXPECT_EQ(repository_->read_snapshot(*id)->lease->bytes, held->id().bytes);
}

TEST_F(RepositoryWithLeases, TakesBackWhatWasCommittedUnderALeaseThatIsGone) {
  const auto held = lease();
  for (const std::string& name : names("leases/")) ASSERT_EQ(problem(memory_.remove(name)), "");
  EXPECT_EQ(code_of(repository_->commit_snapshot(snapshot_of(1), *held)), "conflict");
  EXPECT_TRUE(names("snapshots/").empty());
}

// Else a forget that chose this one, because the collection counted it, would have chosen nothing.
TEST_F(RepositoryWithLeases, LeavesToTheCollectionThatEndedItsLeaseWhatItCommitted) {
  const auto held = lease();
  ASSERT_TRUE(*end_lease(memory_, repository_->config().id, listed().front()));
  EXPECT_EQ(code_of(repository_->commit_snapshot(snapshot_of(1), *held)), "conflict");
  ASSERT_EQ(names("snapshots/").size(), 1U);
  const auto id = repo::parse_object_name(ObjectKind::kSnapshot, names("snapshots/").front());
  generate(2, {}, {held->id()}, {*id});
  EXPECT_EQ(code_of(repository_->commit_snapshot(snapshot_of(2), *held)), "conflict");
  EXPECT_EQ(names("snapshots/").size(), 1U);
  open_again_ = open();
  EXPECT_EQ(counted(), 1U);
}

TEST_F(RepositoryWithLeases, TakesBackWhatAGenerationSaysDoesNotCount) {
  const auto held = lease();
  // By mistake or malice: nothing ended the lease.
  generate(2, {}, {held->id()}, {});
  EXPECT_EQ(code_of(repository_->commit_snapshot(snapshot_of(1), *held)), "conflict");
  EXPECT_TRUE(names("snapshots/").empty());
}

TEST_F(RepositoryWithLeases, OpensForReadersOnlyWhenAGenerationIsNotWhole) {
  const auto held = lease();
  ASSERT_EQ(problem(repository_->commit_snapshot(snapshot_of(1), *held)), "");
  // Whoever can store an object, but has no key, says that nothing counts.
  ASSERT_EQ(problem(memory_.put("generations/00000000000000000002", as_bytes("planted"))), "");
  open_again_ = open();
  EXPECT_TRUE(open_again_->generation_trouble());
  EXPECT_EQ(counted(), 1U);
  EXPECT_EQ(problem(open_again_->take_lease({}, LeaseUse::kReading)), "");
  EXPECT_EQ(code_of(open_again_->take_lease({}, LeaseUse::kWriting)), "corruption");
  EXPECT_EQ(code_of(open_again_->refresh_generations()), "corruption");
}

TEST_F(RepositoryWithLeases, DoesNotCountSnapshotsOfEndedLeasesUnlessTheyWereSeen) {
  const auto held = lease();
  const auto seen = repository_->commit_snapshot(snapshot_of(1), *held);
  const auto late = repository_->commit_snapshot(snapshot_of(2), *held);
  ASSERT_EQ(problem(late), "");
  open_again_ = open();
  EXPECT_EQ(counted(), 2U);
  generate(2, {}, {held->id()}, {ObjectId{seen->bytes}});
  open_again_ = open();
  EXPECT_EQ(counted(), 1U);
  EXPECT_TRUE(open_again_->counts(*seen, *open_again_->read_snapshot(*seen)));
  EXPECT_FALSE(open_again_->counts(*late, *open_again_->read_snapshot(*late)));
}

TEST_F(RepositoryWithLeases, LeavesNoForeignLeaseInARewrittenSnapshot) {
  snapshot::Snapshot rewritten = snapshot_of(1);
  rewritten.lease = snapshot::CommitLease{{9}};
  const auto id = repository_->commit_snapshot(rewritten);
  EXPECT_FALSE(repository_->read_snapshot(*id)->lease);
}

}  // namespace
}  // namespace backstay::repo
