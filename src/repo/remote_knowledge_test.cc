#include "repo/remote_knowledge.h"

#include <gtest/gtest.h>

#include "repo/testing/fixture.h"

namespace backstay::repo {
namespace {

class RemoteKnowledge : public RepositoryFixture {
 protected:
  void SetUp() override {
    make();
    add_chunk(noise(3000, 1));
  }
  void add_chunk(const Bytes& bytes) {
    const auto repository = open();
    StoreSession session(*repository, {}, StoreSession::Mode::kStore);
    refs_.push_back(store(*repository, session, {bytes}).front());
    ASSERT_EQ(problem(session.flush()), "");
  }
  std::unique_ptr<Repository> open_kept() {
    auto opened = Repository::open(std::make_unique<backend::FaultBackend>(kept_),
                                   test_credential(), {}, {.clock = clock_, .rng = rng_});
    EXPECT_EQ(problem(opened), "");
    EXPECT_EQ(problem((*opened)->load_index(
                  [](const auto&, const Error& error) { ADD_FAILURE() << error.describe(); })),
              "");
    return *std::move(opened);
  }
  [[nodiscard]] std::size_t kept_objects() {
    std::size_t count = 0;
    EXPECT_TRUE(kept_.list("", [&](const backend::ObjectInfo&) {
      ++count;
      return Result<void>();
    }));
    return count;
  }

  backend::MemoryBackend kept_{clock_};
  std::vector<chunk::ChunkRef> refs_;
};

TEST_F(RemoteKnowledge, SaysWhichChunksTheRepositoryHadWithoutIt) {
  ASSERT_EQ(problem(keep_knowledge(memory_, kept_)), "");
  const auto kept = open_kept();
  EXPECT_TRUE(kept->index().contains(refs_.front().id));
  EXPECT_EQ(code_of(kept->read(refs_.front())), "not_found");
  EXPECT_FALSE(kept->index().contains(ref_of(*kept, noise(3000, 2)).id));
}

TEST_F(RemoteKnowledge, FollowsWhatCameAndWhatWent) {
  ASSERT_EQ(problem(keep_knowledge(memory_, kept_)), "");
  const std::string run = only_name("index/");
  add_chunk(noise(3000, 2));
  ASSERT_EQ(problem(keep_knowledge(memory_, kept_)), "");
  EXPECT_TRUE(open_kept()->index().contains(refs_.back().id));
  remove(run);
  ASSERT_EQ(problem(keep_knowledge(memory_, kept_)), "");
  EXPECT_FALSE(open_kept()->index().contains(refs_.front().id));
}

TEST_F(RemoteKnowledge, OfKeysHoldsNothingButWhatOpensTheRepository) {
  ASSERT_EQ(problem(keep_keys(memory_, kept_)), "");
  EXPECT_EQ(kept_objects(), 2U);
  EXPECT_TRUE(kept_.head("config"));
  EXPECT_EQ(open_kept()->config().id, open()->config().id);
}

TEST_F(RemoteKnowledge, IsNeverMixedWithThatOfAnotherRepository) {
  ASSERT_EQ(problem(keep_knowledge(memory_, kept_)), "");
  memory_.set_objects({});
  make();
  EXPECT_EQ(code_of(keep_knowledge(memory_, kept_)), "permission_denied");
  EXPECT_EQ(code_of(keep_keys(memory_, kept_)), "permission_denied");
}

TEST_F(RemoteKnowledge, IsMadeWholeByTheNextTimeAfterAnyInterruption) {
  for (std::uint64_t call = 1;; ++call) {
    SCOPED_TRACE(call);
    kept_.set_objects({});
    backend::FaultBackend cut(kept_);
    cut.fail_at(call, ErrorCode::kUnavailable);
    const auto first = keep_knowledge(memory_, cut);
    ASSERT_EQ(problem(keep_knowledge(memory_, kept_)), "");
    EXPECT_TRUE(open_kept()->index().contains(refs_.front().id));
    if (first) break;
  }
}

}  // namespace
}  // namespace backstay::repo
