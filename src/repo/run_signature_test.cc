#include "repo/run_signature.h"

#include <gtest/gtest.h>

#include <algorithm>

#include "repo/index_object.h"
#include "repo/run_layout.h"
#include "repo/testing/runs.h"

namespace backstay::repo {
namespace {

class RunSignature : public ::testing::Test {
 protected:
  RunSigner signer() const {
    return {.key = maker_.keyring.current().signer, .repository = maker_.config.id};
  }
  Bytes body_of(ByteView object) const {
    return open_index_object(object, maker_.keyring, maker_.config.id).value();
  }

  RunMaker maker_;
  const std::vector<ObjectId> older_{numbered_pack(77), numbered_pack(78)};
  const Bytes object_ = maker_.object({some_pack(1, 5, 0)}, older_);
};

TEST_F(RunSignature, AFullKeyTakesRunsAwayAlsoForClientsThatOnlyWrite) {
  EXPECT_EQ(maker_.open(object_)->supersedes(), older_);
  const auto run = open_index_run(object_, maker_.keyring.write_only(), maker_.config.id);
  ASSERT_EQ(problem(run), "");
  EXPECT_EQ((*run)->supersedes(), older_);
  EXPECT_EQ((*run)->size(), 5U);
}

TEST_F(RunSignature, ARunThatOnlyAddsIsNotSigned) {
  const Bytes body = body_of(maker_.object({some_pack(1, 5, 0)}));
  EXPECT_EQ(body.size(), kRunHeadSize + kPackRowSize + 5 * kIndexEntrySize);
  EXPECT_EQ(trust_in(signer(), body), RunTrust::kAddsOnly);
}

TEST_F(RunSignature, AWriteOnlyKeyCannotSign) {
  const IndexRunWriter::Head head{.entries = 0, .generation = 1, .supersedes = older_, .packs = {}};
  EXPECT_EQ(
      code_of(IndexRunWriter::create(maker_.keyring.write_only(), maker_.config, maker_.rng, head)),
      "wrong_key");
}

TEST_F(RunSignature, ThatIsMissingOrWrongTakesNothingAway) {
  const Bytes body = body_of(object_);
  ASSERT_EQ(trust_in(signer(), body), RunTrust::kSupersedes);
  for_each_flip(body, [&](const Bytes& changed, std::size_t at) {
    EXPECT_EQ(trust_in(signer(), changed), RunTrust::kAddsOnly) << at;
  });
  for_each_prefix(body, [&](ByteView prefix) {
    EXPECT_EQ(trust_in(signer(), prefix), RunTrust::kAddsOnly) << prefix.size();
  });
  // What was said unsigned, as by a program of before.
  Bytes plain(body.begin(), body.end() - static_cast<std::ptrdiff_t>(kRunSignatureSize));
  plain[kRunSignedAt] = 0;
  const auto run = IndexRun::open(ObjectId{}, plain, trust_in(signer(), plain));
  ASSERT_EQ(problem(run), "");
  EXPECT_TRUE((*run)->supersedes().empty());
  EXPECT_EQ((*run)->size(), 5U);
}

TEST_F(RunSignature, OfAnotherEpochOrRepositoryTakesNothingAway) {
  const Bytes body = body_of(object_);
  const KeyEpoch other = KeyEpoch::from_secret(2, crypto::Secret::random(maker_.rng));
  EXPECT_EQ(trust_in({.key = other.signer, .repository = maker_.config.id}, body),
            RunTrust::kAddsOnly);
  EXPECT_EQ(trust_in({.key = signer().key, .repository = {}}, body), RunTrust::kAddsOnly);
}

TEST_F(RunSignature, IsSeenInWhateverPiecesTheBodyComes) {
  const Bytes body = body_of(object_);
  for (std::size_t piece = kRunHeadSize; piece <= body.size(); ++piece) {
    RunConfirmation confirmation(signer(), body.size());
    for (ByteView rest = body; !rest.empty(); rest = rest.subspan(std::min(piece, rest.size())))
      confirmation.take(rest.first(std::min(piece, rest.size())));
    EXPECT_EQ(confirmation.verdict(), RunTrust::kSupersedes) << piece;
  }
}

}  // namespace
}  // namespace backstay::repo
