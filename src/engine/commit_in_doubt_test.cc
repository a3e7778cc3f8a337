// A backup whose last put gets no answer: its snapshot may be there, appear much later, or never.
#include "backend/forwarding_backend.h"
#include "engine/testing/prune_fixture.h"

namespace backstay::engine {
namespace {

// Answers no put of a snapshot, and keeps what was to be put.
class LateSnapshots final : public backend::ForwardingBackend {
 public:
  LateSnapshots(backend::Backend& inner, ErrorCode answer)
      : ForwardingBackend(inner), answer_(answer) {}
  using Backend::put;
  Result<void> put(std::string_view name, std::span<const ByteView> pieces) override {
    if (!name.starts_with("snapshots/")) return inner_.put(name, pieces);
    name_ = name;
    for (const ByteView piece : pieces) append(bytes_, piece);
    return fail(answer_, "no good answer");
  }
  Result<void> let_it_appear() { return inner_.put(name_, bytes_); }

 private:
  const ErrorCode answer_;
  std::string name_;
  Bytes bytes_;
};

class CommitInDoubt : public PruneFixture {
 protected:
  // Refers to what only a forgotten snapshot had.
  void back_up_by(LateSnapshots& store) {
    forget(older_);
    for (int i = 0; i < 12; ++i)
      tree_.add_file("/old/" + std::to_string(i), noise(30'000, static_cast<std::uint64_t>(i)));
    clock_.advance(std::chrono::seconds(60));
    backend::Backend& inner = store;
    const auto repository =
        repo::Repository::open(std::make_unique<backend::ForwardingBackend>(inner),
                               repo::test_credential(), {}, {.clock = clock_, .rng = rng_});
    ASSERT_EQ(problem(repository), "");
    Watch watch;
    EXPECT_FALSE(back_up(**repository, tree_, backup_options(), watch).has_value());
  }
  std::vector<std::map<std::string, Bytes>> all_contents() {
    const auto repository = open_past_faults();
    const auto snapshots = repository->snapshots(
        [](const auto&, const Error& error) { ADD_FAILURE() << error.describe(); });
    EXPECT_EQ(problem(snapshots), "");
    std::vector<std::map<std::string, Bytes>> all;
    for (const repo::StoredSnapshot& stored : *snapshots)
      all.push_back(contents_of_stored(stored.id));
    return all;
  }
};

TEST_F(CommitInDoubt, WhatAppearsWhileItsLeaseStandsIsWhole) {
  LateSnapshots store(memory_, ErrorCode::kUnavailable);
  back_up_by(store);
  EXPECT_EQ(names("leases/").size(), 1U);
  for (int i = 0; i < 3; ++i) prune_well(thorough());
  ASSERT_EQ(problem(store.let_it_appear()), "");
  expect_whole();
  ASSERT_EQ(all_contents().size(), 2U);
  EXPECT_TRUE(all_contents().back() == contents_of(tree_));
  clock_.advance(std::chrono::hours(24));
  for (int i = 0; i < 3; ++i) prune_well(thorough());
  expect_whole();
  EXPECT_TRUE(all_contents().back() == contents_of(tree_));
  EXPECT_TRUE(names("leases/").empty());
}

TEST_F(CommitInDoubt, WhatAppearsAfterItsLeaseWasEndedDoesNotCount) {
  LateSnapshots store(memory_, ErrorCode::kUnavailable);
  back_up_by(store);
  clock_.advance(std::chrono::hours(24));
  const std::uint64_t before = stored_bytes();
  for (int i = 0; i < 3; ++i) prune_well(thorough());
  EXPECT_LT(stored_bytes() + 300'000, before) << "what nothing needs is freed";
  EXPECT_TRUE(names("leases/").empty());
  ASSERT_EQ(problem(store.let_it_appear()), "");
  EXPECT_EQ(all_contents().size(), 1U);
  expect_whole();
  prune_well(thorough());
  EXPECT_EQ(names("snapshots/").size(), 1U) << "a collection removes what does not count";
  expect_holds_the_tree(backup_well());
}

TEST_F(CommitInDoubt, WhatTheStoreRefusedLeavesNoLease) {
  for (const ErrorCode refused : {ErrorCode::kNoSpace, ErrorCode::kPermissionDenied}) {
    LateSnapshots store(memory_, refused);
    back_up_by(store);
    EXPECT_TRUE(names("leases/").empty());
  }
}

}  // namespace
}  // namespace backstay::engine
