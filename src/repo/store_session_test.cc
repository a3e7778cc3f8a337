#include "repo/store_session.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <latch>
#include <map>
#include <set>
#include <thread>

#include "backend/forwarding_backend.h"
#include "repo/pack.h"
#include "repo/testing/fixture.h"

namespace backstay::repo {
namespace {

using backend::FaultBackend;

class Session : public RepositoryFixture {
 protected:
  void SetUp() override {
    make();
    repository_ = open();
  }
  static StoreSession::Options options() {
    StoreSession::Options options;
    options.pack_bytes = 64 * 1024;
    options.checkpoint_interval = std::chrono::hours(1000);
    return options;
  }
  std::unique_ptr<StoreSession> begin(const StoreSession::Options& options = Session::options(),
                                      StoreSession::Mode mode = StoreSession::Mode::kStore) {
    return std::make_unique<StoreSession>(*repository_, options, mode);
  }
  static std::vector<Bytes> plaintexts(std::size_t count, std::size_t size,
                                       std::uint64_t seed = 0) {
    std::vector<Bytes> all;
    for (std::size_t i = 0; i < count; ++i) all.push_back(noise(size, seed * 1'000'003 + i));
    return all;
  }
  // How many of the chunks a repository that is opened now gives back.
  std::size_t found(const std::vector<Bytes>& plaintexts) {
    const auto fresh = open();
    std::size_t count = 0;
    for (const Bytes& plaintext : plaintexts) {
      const auto read = fresh->read(ref_of(*fresh, plaintext));
      if (!read) {
        EXPECT_EQ(code_of(read), "not_found");
        continue;
      }
      EXPECT_EQ(*read, plaintext);
      ++count;
    }
    return count;
  }
  // How often each chunk stands in the directory of a pack.
  std::map<chunk::ChunkId, std::size_t> stored_chunks() {
    std::map<chunk::ChunkId, std::size_t> chunks;
    for (const auto& [name, bytes] : memory_.objects()) {
      for (const PackKind kind : {PackKind::kData, PackKind::kMeta}) {
        if (!name.starts_with(name_prefix(object_kind(kind)))) continue;
        const auto view = open_pack(bytes, kind, repository_->keyring(), repository_->config().id);
        EXPECT_EQ(problem(view), "");
        for (const FrameRecord& frame : view->directory.frames) {
          for (const chunk::ChunkRef& ref : frame.chunks) ++chunks[ref.id];
        }
      }
    }
    return chunks;
  }

  std::unique_ptr<Repository> repository_;
};

TEST_F(Session, MakesEverythingFindableThatWasAdded) {
  const auto all = plaintexts(200, 3000);
  const auto session = begin();
  store(*repository_, *session, all);
  ASSERT_EQ(problem(session->flush()), "");
  EXPECT_EQ(found(all), all.size());
  EXPECT_EQ(session->totals().chunks_added, all.size());
  EXPECT_EQ(session->totals().bytes_added, all.size() * 3000);
  EXPECT_EQ(session->totals().packs, names("data/").size());
  std::uint64_t stored = 0;
  for (const char* prefix : {"data/", "index/"}) {
    for (const std::string& name : names(prefix)) stored += memory_.objects().at(name).size();
  }
  EXPECT_EQ(session->totals().bytes_stored, stored);
}

TEST_F(Session, StoresNothingOfWhatIsThereAlready) {
  const auto all = plaintexts(50, 3000);
  {
    const auto session = begin();
    store(*repository_, *session, all);
    ASSERT_EQ(problem(session->flush()), "");
  }
  const auto before = memory_.objects();
  const auto session = begin();
  store(*repository_, *session, all);
  ASSERT_EQ(problem(session->flush()), "");
  EXPECT_EQ(memory_.objects(), before);
  EXPECT_EQ(session->totals().bytes_stored, 0U);
}

TEST_F(Session, WithNothingToStoreStoresNothing) {
  const auto before = memory_.objects();
  EXPECT_EQ(problem(begin()->flush()), "");
  begin();
  EXPECT_EQ(memory_.objects(), before);
}

// Small packs and a checkpoint after each, so that chunks go from claimed to indexed all the time.
TEST_F(Session, StoresEachChunkOnceHoweverManyBringIt) {
  StoreSession::Options small = options();
  small.pack_bytes = 64 * 1024;
  small.checkpoint_entries = 1;
  const auto all = plaintexts(400, 4000);
  const auto session = begin(small);
  std::latch start(8);
  {
    std::vector<std::jthread> threads;
    for (std::size_t thread = 0; thread < 8; ++thread) {
      threads.emplace_back([&, thread] {
        FrameEncoder encoder;
        start.arrive_and_wait();
        for (std::size_t i = 0; i < all.size(); ++i) {
          const Bytes& plaintext = all[(i + thread * 50) % all.size()];
          const chunk::ChunkRef ref = ref_of(*repository_, plaintext);
          if (!session->claim(ref.id)) continue;
          EXPECT_EQ(problem(session->add({PackKind::kData, plaintext, {ref}}, encoder)), "");
        }
      });
    }
  }
  ASSERT_EQ(problem(session->flush()), "");
  EXPECT_EQ(session->totals().chunks_added, all.size());
  const auto stored = stored_chunks();
  EXPECT_EQ(stored.size(), all.size());
  for (const auto& [id, times] : stored) EXPECT_EQ(times, 1U) << id.hex();
  EXPECT_EQ(found(all), all.size());
}

TEST_F(Session, KeepsDataAndMetadataApartAndFramesWhole) {
  const Bytes one = noise(500, 1);
  const Bytes two = noise(700, 2);
  Bytes both = one;
  append(both, two);
  const auto session = begin();
  FrameEncoder encoder;
  const std::vector<chunk::ChunkRef> refs{ref_of(*repository_, one), ref_of(*repository_, two)};
  ASSERT_EQ(problem(session->add({PackKind::kMeta, both, refs}, encoder)), "");
  ASSERT_EQ(problem(session->flush()), "");
  EXPECT_TRUE(names("data/").empty());
  EXPECT_EQ(names("meta/").size(), 1U);
  EXPECT_EQ(found({one, two}), 2U);
}

TEST_F(Session, WritesIndexRunsAfterSoManyBytes) {
  StoreSession::Options often = options();
  often.checkpoint_bytes = 1;
  often.uploads = 1;  // with more, one may write a run for many packs of another
  const auto session = begin(often);
  store(*repository_, *session, plaintexts(300, 4000));
  ASSERT_EQ(problem(session->flush()), "");
  EXPECT_GE(session->totals().packs, 10U);
  // Merging keeps them few; what shows that there were many is what was stored in vain.
  std::uint64_t live = 0;
  for (const char* prefix : {"data/", "index/"}) {
    for (const std::string& name : names(prefix)) live += memory_.objects().at(name).size();
  }
  EXPECT_GT(session->totals().bytes_stored, live);
}

TEST_F(Session, WritesAnIndexRunAfterSoMuchTime) {
  StoreSession::Options timed = options();
  timed.checkpoint_interval = std::chrono::seconds(20);
  timed.uploads = 1;
  const auto session = begin(timed);
  store(*repository_, *session, plaintexts(60, 4000, 1));
  while (names("data/").size() < 2) std::this_thread::yield();
  EXPECT_TRUE(names("index/").empty());
  clock_.advance(std::chrono::seconds(21));
  store(*repository_, *session, plaintexts(60, 4000, 2));
  while (names("index/").empty()) std::this_thread::yield();
  ASSERT_EQ(problem(session->flush()), "");
}

TEST_F(Session, NamesPacksInTheIndexOnlyWhenTheyAreDurable) {
  // With one uploader nothing is put between the barrier and the run that it precedes.
  class Watching final : public backend::ForwardingBackend {
   public:
    using ForwardingBackend::ForwardingBackend;
    Result<void> put(std::string_view name, std::span<const ByteView> pieces) override {
      if (name.starts_with("index/")) {
        EXPECT_EQ(unsynced, 0);
        ++runs;
      } else {
        ++unsynced;
      }
      return inner_.put(name, pieces);
    }
    Result<void> barrier() override {
      unsynced = 0;
      return inner_.barrier();
    }

    std::atomic<int> unsynced{0};
    std::atomic<int> runs{0};
  };
  Watching watching(memory_);
  backend::Backend& way = watching;
  auto opened = Repository::open(std::make_unique<FaultBackend>(way), test_credential(), {},
                                 {.clock = clock_, .rng = rng_});
  ASSERT_EQ(problem(opened), "");
  StoreSession::Options often = options();
  often.checkpoint_bytes = 1;
  often.uploads = 1;
  StoreSession session(**opened, often, StoreSession::Mode::kStore);
  store(**opened, session, plaintexts(200, 4000));
  EXPECT_EQ(problem(session.flush()), "");
  EXPECT_GT(watching.runs, 3);
}

TEST_F(Session, InADryRunStoresNothingAndCountsTheSame) {
  const auto all = plaintexts(50, 3000);
  const auto before = memory_.objects();
  const auto dry = begin(options(), StoreSession::Mode::kDryRun);
  store(*repository_, *dry, all);
  store(*repository_, *dry, all);
  ASSERT_EQ(problem(dry->flush()), "");
  EXPECT_EQ(memory_.objects(), before);
  EXPECT_EQ(dry->totals().chunks_added, all.size());
  EXPECT_EQ(dry->totals().bytes_added, all.size() * 3000);
  EXPECT_GE(dry->totals().bytes_stored, all.size() * 3000);
}

TEST_F(Session, TakesNothingAfterItsEnd) {
  const auto session = begin();
  store(*repository_, *session, plaintexts(1, 100));
  ASSERT_EQ(problem(session->flush()), "");
  const Bytes late = noise(100, 77);
  FrameEncoder encoder;
  EXPECT_EQ(code_of(session->add({PackKind::kData, late, {ref_of(*repository_, late)}}, encoder)),
            "internal");
  EXPECT_EQ(problem(session->flush()), "");
}

TEST_F(Session, CompressesAsItIsTold) {
  const Bytes dull(100'000, 'x');
  std::map<std::string, std::uint64_t> stored;
  for (const char* how : {"off", "auto", "19"}) {
    StoreSession::Options compressing = options();
    compressing.compression = *parse_compression(how);
    const auto dry = begin(compressing, StoreSession::Mode::kDryRun);
    store(*repository_, *dry, {dull});
    stored[how] = dry->totals().bytes_stored;
  }
  EXPECT_GT(stored["off"], 100'000U);
  EXPECT_LT(stored["auto"], 1000U);
  EXPECT_LT(stored["19"], 1000U);
}

TEST_F(Session, PutsAFrameLargerThanAPackIntoOneOfItsOwn) {
  const Bytes large = noise(300'000, 1);
  const auto session = begin();
  store(*repository_, *session, {noise(1000, 2), large, noise(1000, 3)});
  ASSERT_EQ(problem(session->flush()), "");
  EXPECT_EQ(found({noise(1000, 2), large, noise(1000, 3)}), 3U);
}

// Sizes and order of packs tell little about cut points (docs/format.md section 5.4).
TEST_F(Session, SpreadsFramesOverTwoOpenPacks) {
  const auto session = begin();
  const auto all = plaintexts(28, 2000);
  store(*repository_, *session, all);  // two packs hold them all
  ASSERT_EQ(problem(session->flush()), "");
  EXPECT_EQ(names("data/").size(), 2U);
}

// ---- failures

// Runs threads that store chunks until everything is stored or one of them is told of a failure.
// Returns what each was told, flush() last.
std::vector<std::string> run_threads(Repository& repository, StoreSession& session,
                                     std::size_t threads_count) {
  std::vector<std::string> told(threads_count);
  {
    std::vector<std::jthread> threads;
    for (std::size_t thread = 0; thread < threads_count; ++thread) {
      threads.emplace_back([&, thread] {
        FrameEncoder encoder;
        for (std::uint64_t i = 0; i < 100 && told[thread].empty(); ++i) {
          const Bytes plaintext = noise(4000, thread * 10'000 + i);
          const chunk::ChunkRef ref{.id = repository.chunk_id(plaintext), .length = 4000};
          if (!session.claim(ref.id)) continue;
          told[thread] = problem(session.add({PackKind::kData, plaintext, {ref}}, encoder));
        }
      });
    }
  }
  told.push_back(problem(session.flush()));
  return told;
}

TEST_F(Session, TellsTheFirstFailureToEverybody) {
  StoreSession::Options often = options();
  often.checkpoint_bytes = 200'000;
  // Whatever call it is that fails.
  const auto objects = memory_.objects();
  const std::uint64_t opened = faults_.calls();
  {
    const auto whole = begin(often);
    for (const std::string& told : run_threads(*repository_, *whole, 4)) ASSERT_EQ(told, "");
  }
  const std::uint64_t calls = faults_.calls() - opened;
  ASSERT_GT(calls, 20U);
  for (std::uint64_t call = 1; call < calls; call += 3) {
    memory_.set_objects(objects);
    repository_ = open();
    const auto session = begin(often);
    faults_.fail_at(faults_.calls() + call, ErrorCode::kNoSpace);
    const auto told = run_threads(*repository_, *session, 4);
    // Removing what a merge superseded may fail unheard.
    if (told.back().empty()) continue;
    EXPECT_NE(told.back().find("failing on purpose"), std::string::npos) << told.back();
    for (const std::string& one : told) EXPECT_TRUE(one.empty() || one == told.back()) << one;
    EXPECT_EQ(problem(session->flush()), told.back());
    FrameEncoder encoder;
    const Bytes late = noise(10, 1);
    EXPECT_EQ(problem(session->add({PackKind::kData, late, {ref_of(*repository_, late)}}, encoder)),
              told.back());
  }
}

TEST_F(Session, EndsWhenItIsDroppedInTheMiddle) {
  for (int round = 0; round < 20; ++round) {
    const auto session = begin();
    store(*repository_, *session, plaintexts(60, 4000, 100 + static_cast<std::uint64_t>(round)));
  }
  for (int round = 0; round < 5; ++round) {
    const auto session = begin();
    faults_.fail_at(faults_.calls() + 1, ErrorCode::kUnavailable);
    const auto told = run_threads(*repository_, *session, 2);
    EXPECT_NE(told.back(), "");
  }
}

TEST_F(Session, LeavesOfARunThatFailedOnlyWhatIsWhole) {
  StoreSession::Options often = options();
  often.checkpoint_bytes = 1;
  const auto all = plaintexts(200, 4000);
  for (std::uint64_t call = 3; call < 60; call += 7) {
    const auto before = memory_.objects();
    repository_ = open();
    {
      const auto session = begin(often);
      const std::uint64_t failing = faults_.calls() + call;
      faults_.fail_at(failing, ErrorCode::kUnavailable);
      FrameEncoder encoder;
      for (const Bytes& plaintext : all) {
        const chunk::ChunkRef ref = ref_of(*repository_, plaintext);
        if (!session->claim(ref.id)) continue;
        if (!session->add({PackKind::kData, plaintext, {ref}}, encoder)) break;
      }
      (void)session->flush();
      // A run of fewer calls leaves the fault for whoever comes next.
      while (faults_.calls() < failing) (void)faults_.store_time();
    }
    found(all);  // every chunk that the index names is readable and right
    memory_.set_objects(before);
  }
}

TEST_F(Session, IsNotConfusedByAPutWhoseAnswerWasLost) {
  FaultBackend lossy(memory_, FaultBackend::Numbered::kChanges);
  // A store whose wrapper tries again: the second attempt finds the name taken.
  class Retrying final : public backend::ForwardingBackend {
   public:
    using ForwardingBackend::ForwardingBackend;
    Result<void> put(std::string_view name, std::span<const ByteView> pieces) override {
      auto done = inner_.put(name, pieces);
      if (!done && done.error().retryable()) return inner_.put(name, pieces);
      return done;
    }
  };
  Retrying retrying(lossy);
  backend::Backend& way = retrying;
  auto opened = Repository::open(std::make_unique<FaultBackend>(way), test_credential(), {},
                                 {.clock = clock_, .rng = rng_});
  ASSERT_EQ(problem(opened), "");
  for (std::uint64_t call = 1; call < 20; call += 2) {
    lossy.fail_at(call, ErrorCode::kUnavailable, FaultBackend::Effect::kApplied);
  }
  const auto all = plaintexts(15, 4000);
  StoreSession session(**opened, options(), StoreSession::Mode::kStore);
  store(**opened, session, all);
  // A barrier is not tried again by this wrapper, so only puts may have failed unheard.
  const auto flushed = session.flush();
  EXPECT_TRUE(flushed || flushed.error().code() == ErrorCode::kUnavailable);
  EXPECT_TRUE(!flushed || found(all) == all.size());
}

TEST_F(Session, OfAnyNumberOfUploadsStoresTheSame) {
  const auto all = plaintexts(150, 4000);
  const auto empty = memory_.objects();
  for (const std::size_t uploads : {0U, 1U, 5U}) {
    memory_.set_objects(empty);
    repository_ = open();
    StoreSession::Options with = options();
    with.uploads = uploads;
    const auto session = begin(with);
    store(*repository_, *session, all);
    ASSERT_EQ(problem(session->flush()), "");
    EXPECT_EQ(found(all), all.size());
  }
}

TEST(StoreSessionMemory, GrowsWithPacksAndUploads) {
  StoreSession::Options options;
  const std::uint64_t usual = StoreSession::memory_bound(options);
  EXPECT_GE(usual, 4ULL * options.pack_bytes);
  options.uploads += 1;
  EXPECT_GT(StoreSession::memory_bound(options), usual);
}

}  // namespace
}  // namespace backstay::repo
