// Packs against the index: lost ones, marked ones, and those that no run names.
#include "repo/pack_recovery.h"

#include <gtest/gtest.h>

#include "repo/damage_mark.h"
#include "repo/pack_survey.h"
#include "repo/testing/fixture.h"

namespace backstay::repo {
namespace {

class PackRecovery : public RepositoryFixture {
 protected:
  void SetUp() override { make(); }

  // Stores the plaintexts in packs of their own, past whatever is stored already.
  std::vector<chunk::ChunkRef> store_in(Repository& repository,
                                        const std::vector<Bytes>& plaintexts) {
    StoreSession session(repository, StoreSession::Options{}, StoreSession::Mode::kStore);
    FrameEncoder encoder;
    std::vector<chunk::ChunkRef> refs;
    for (const Bytes& plaintext : plaintexts) {
      refs.push_back(ref_of(repository, plaintext));
      EXPECT_EQ(problem(session.add({PackKind::kData, plaintext, {refs.back()}}, encoder)), "");
    }
    EXPECT_EQ(problem(session.flush()), "");
    return refs;
  }
  void forget_the_index() {
    for (const std::string& name : names("index/")) remove(name);
  }
  PackSurvey survey(const Repository& repository) {
    auto surveyed = survey_packs(memory_, repository.index());
    EXPECT_EQ(problem(surveyed), "");
    return surveyed ? std::move(*surveyed) : PackSurvey{};
  }
  RecoveredPacks recover(const Repository& repository, const std::vector<Index::Pack>& packs,
                         PackDepth depth) {
    auto recovered = recover_packs(memory_, repository.keyring(), repository.config().id, packs,
                                   {depth}, [](const auto&) -> Result<void> { return {}; });
    EXPECT_EQ(problem(recovered), "");
    return recovered ? std::move(*recovered) : RecoveredPacks{};
  }

  const std::vector<Bytes> plaintexts_{noise(3000, 1), noise(4000, 2), noise(5000, 3)};
};

TEST_F(PackRecovery, OfAWholeRepositoryHasNothingToDo) {
  store_in(*open(), plaintexts_);
  const PackSurvey surveyed = survey(*open());
  EXPECT_TRUE(surveyed.lost.empty() && surveyed.marked.empty() && surveyed.strays.empty());
}

TEST_F(PackRecovery, SurveyFindsPacksThatAreGoneOrOfAnotherLength) {
  store_in(*open(), plaintexts_);
  const std::string name = names("data/").front();
  replace(name, [](Bytes& bytes) { bytes.pop_back(); });
  EXPECT_EQ(survey(*open()).lost.size(), 1U);
  remove(name);
  EXPECT_EQ(survey(*open()).lost.size(), 1U);
}

TEST_F(PackRecovery, ChunksOfDistrustedPacksAreNotStoredButStillFound) {
  const auto refs = store_in(*open(), plaintexts_);
  const auto repository = open();
  std::vector<ObjectId> packs;
  for (const Index::Pack& pack : repository->index().packs()) packs.push_back(pack.id);
  repository->index().distrust(packs);
  for (const chunk::ChunkRef& ref : refs) {
    EXPECT_FALSE(repository->index().contains(ref.id));
    EXPECT_TRUE(repository->index().find(ref.id));
    EXPECT_EQ(problem(repository->read(ref)), "");
  }
}

TEST_F(PackRecovery, ATrustedPlaceIsPreferredWhereverItIs) {
  const auto refs = store_in(*open(), plaintexts_);
  store_in(*open(), plaintexts_);
  const auto packs = open()->index().packs();
  for (const Index::Pack& bad : packs) {
    const auto repository = open();
    repository->index().distrust({bad.id});
    for (const chunk::ChunkRef& ref : refs) {
      const auto places = repository->index().find_all(ref.id);
      ASSERT_EQ(places.size(), 2U);
      if (places.front().frame.pack == places.back().frame.pack) continue;
      EXPECT_TRUE(repository->index().contains(ref.id));
      EXPECT_NE(repository->index().find(ref.id)->frame.pack, bad.id);
      EXPECT_NE(places.front().frame.pack, bad.id);
    }
  }
}

TEST_F(PackRecovery, AChunkWithADamagedPlaceIsReadFromAnother) {
  const auto refs = store_in(*open(), plaintexts_);
  store_in(*open(), plaintexts_);
  const auto whole = memory_.objects();
  for (const std::string& name : names("data/")) {
    for (const bool gone : {false, true}) {
      if (gone) {
        remove(name);
      } else {
        replace(name, [](Bytes& bytes) {
          for (std::size_t at = kHeaderSize; at < bytes.size(); at += 50) bytes[at] ^= 1;
        });
      }
      const auto repository = open();
      for (std::size_t i = 0; i < refs.size(); ++i) {
        const auto places = repository->index().find_all(refs[i].id);
        if (places.front().frame.pack == places.back().frame.pack) continue;
        const auto read = repository->read(refs[i]);
        ASSERT_EQ(problem(read), "") << name;
        EXPECT_EQ(*read, plaintexts_[i]);
      }
      memory_.set_objects(whole);
    }
  }
}

TEST_F(PackRecovery, DirectoriesSayWhatALostIndexSaid) {
  const auto refs = store_in(*open(), plaintexts_);
  std::vector<ChunkLocation> before;
  {
    const auto repository = open();
    for (const chunk::ChunkRef& ref : refs) before.push_back(*repository->index().find(ref.id));
  }
  forget_the_index();
  const auto repository = open();
  EXPECT_FALSE(repository->locate(refs[0].id).value());  // nobody asked for more than the index
  std::size_t told = 0;
  repository->recover_when_needed([&](const RecoveredPacks& recovered) {
    told += recovered.packs.size();
    EXPECT_EQ(recovered.chunks, refs.size());
  });
  for (std::size_t i = 0; i < refs.size(); ++i) {
    const auto location = repository->locate(refs[i].id);
    ASSERT_TRUE(location && *location);
    EXPECT_EQ((*location)->frame, before[i].frame);
    EXPECT_EQ((*location)->offset_in_frame, before[i].offset_in_frame);
    EXPECT_EQ(repository->read(refs[i]).value(), plaintexts_[i]);
  }
  EXPECT_EQ(told, names("data/").size());
  EXPECT_FALSE(repository->locate(ref_of(*repository, noise(10, 99)).id).value());
  EXPECT_TRUE(names("index/").empty());
}

TEST_F(PackRecovery, TornPacksAreNotTakenForWhole) {
  store_in(*open(), plaintexts_);
  forget_the_index();
  const auto repository = open();
  const auto strays = survey(*repository).strays;
  ASSERT_FALSE(strays.empty());
  EXPECT_EQ(recover(*repository, strays, PackDepth::kWhole).packs.size(), strays.size());
  replace(names("data/").front(), [](Bytes& bytes) { bytes[kHeaderSize] = ~bytes[kHeaderSize]; });
  const RecoveredPacks torn = recover(*repository, strays, PackDepth::kWhole);
  EXPECT_EQ(torn.packs.size() + 1, strays.size());
  EXPECT_EQ(torn.unreadable.size(), 1U);
  replace(names("data/").front(), [](Bytes& bytes) { bytes[bytes.size() - 20] ^= 1; });
  EXPECT_EQ(recover(*repository, strays, PackDepth::kDirectory).unreadable.size(), 1U);
}

TEST_F(PackRecovery, OfDamagedPacksNeverCrashes) {
  store_in(*open(), {plaintexts_[0]});
  forget_the_index();
  const auto repository = open();
  const std::string name = names("data/").front();
  const Bytes whole = memory_.objects().at(name);
  const auto try_it = [&](Bytes bytes) {
    replace(name, [&](Bytes& stored) { stored = std::move(bytes); });
    for (const Index::Pack& stray : survey(*repository).strays)
      recover(*repository, {stray}, PackDepth::kDirectory);
  };
  for (std::size_t at = 0; at < whole.size(); at += at < kHeaderSize ? 1 : 37) {
    Bytes flipped = whole;
    flipped[at] ^= 0xff;
    try_it(std::move(flipped));
  }
  for (std::size_t at = whole.size() - 150; at < whole.size(); ++at) {
    Bytes flipped = whole;
    flipped[at] ^= 0x01;
    try_it(std::move(flipped));
    try_it(to_owned(ByteView(whole).first(at)));
  }
  for (const std::size_t size : {0U, 1U, 16U, 63U, 64U, 79U, 80U, 96U})
    try_it(to_owned(ByteView(whole).first(size)));
}

TEST_F(PackRecovery, MarksAreKeptByNameAndTakenBack) {
  store_in(*open(), plaintexts_);
  const auto repository = open();
  const Index::Pack pack = repository->index().packs().front();
  for (int i = 0; i < 2; ++i) {
    EXPECT_EQ(
        problem(mark_damaged(memory_, repository->config().id, pack.id, pack.kind, clock_.now())),
        "");
  }
  EXPECT_EQ(survey(*repository).marked, std::vector<ObjectId>{pack.id});
  const Bytes mark = memory_.objects().at(only_name("damaged/"));
  EXPECT_EQ(problem(decode_plain_object(ObjectKind::kDamageMark, mark)), "");
  EXPECT_EQ(problem(remove_mark(memory_, pack.id)), "");
  EXPECT_TRUE(survey(*repository).marked.empty());
}

TEST_F(PackRecovery, ADamagedRunIsReplacedByWhatThePacksSay) {
  store_in(*open(), plaintexts_);
  const std::string damaged = only_name("index/");
  replace(damaged, [](Bytes& bytes) { bytes.back() ^= 1; });
  auto opened = try_open();
  ASSERT_EQ(problem(opened), "");
  std::vector<ObjectId> runs;
  ASSERT_EQ(
      problem((*opened)->load_index([&](const ObjectId& id, const Error&) { runs.push_back(id); })),
      "");
  ASSERT_EQ(runs.size(), 1U);
  ASSERT_EQ(problem((*opened)->index().add({}, runs)), "");
  EXPECT_FALSE(memory_.objects().contains(damaged));
  open();  // which fails the test when a run is damaged
}

}  // namespace
}  // namespace backstay::repo
