#include "repo/index.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <set>
#include <thread>

#include "backend/forwarding_backend.h"
#include "io/testing/temporary_folder.h"
#include "repo/testing/runs.h"

namespace backstay::repo {
namespace {

class IndexOfRuns : public ::testing::Test {
 protected:
  static void no_damage(const ObjectId& id, const Error& error) {
    ADD_FAILURE() << "run " << id.short_hex() << ": " << error.describe();
  }
  Index::Options options() {
    Index::Options options;
    options.cache_directory = cache_directory_;
    return options;
  }
  std::unique_ptr<Index> make(backend::Backend& store, Index::Options options) {
    return std::make_unique<Index>(store, maker_.keyring, maker_.config, maker_.rng,
                                   std::move(options));
  }
  std::unique_ptr<Index> make() { return make(memory_, options()); }
  // A second process: nothing shared but the store.
  std::unique_ptr<Index> fresh() {
    auto index = make(memory_, {});
    EXPECT_EQ(problem(index->load(no_damage)), "");
    return index;
  }
  static void add(Index& index, std::uint64_t pack, std::size_t chunks) {
    const auto added = index.add({some_pack(pack, chunks, pack * 1000)});
    EXPECT_EQ(problem(added), "");
  }
  // Chunks of these packs that the index does not find at their place.
  static std::size_t missing(const Index& index, std::uint64_t first, std::uint64_t last,
                             std::size_t chunks) {
    std::size_t missing = 0;
    for (std::uint64_t pack = first; pack <= last; ++pack) {
      for (std::size_t i = 0; i < chunks; ++i) {
        const auto found = index.find(id_with(some_prefix(pack * 1000 + i)));
        if (!found || found->frame.pack != numbered_pack(pack)) ++missing;
      }
    }
    return missing;
  }
  [[nodiscard]] std::vector<std::string> stored_runs() const {
    std::vector<std::string> names;
    for (const auto& [name, bytes] : memory_.objects()) names.push_back(name);
    return names;
  }

  RunMaker maker_;
  ManualClock clock_;
  backend::MemoryBackend memory_{clock_};
  io::TemporaryFolder folder_;
  std::string cache_directory_;
};

TEST_F(IndexOfRuns, FindsWhatWasAddedAtOnceAndAfterALoad) {
  const auto index = make();
  EXPECT_EQ(index->totals().runs, 0U);
  EXPECT_FALSE(index->contains(id_with(some_prefix(1000))));
  add(*index, 1, 10);
  add(*index, 2, 10);
  EXPECT_EQ(missing(*index, 1, 2, 10), 0U);
  EXPECT_EQ(missing(*fresh(), 1, 2, 10), 0U);
  EXPECT_EQ(index->totals().entries, 20U);
}

TEST_F(IndexOfRuns, KeepsFewRunsOverThousandsOfAdds) {
  const auto index = make();
  constexpr std::uint64_t kAdds = 3000;
  std::uint64_t most = 0;
  std::size_t longest = 0;
  for (std::uint64_t pack = 1; pack <= kAdds; ++pack) {
    add(*index, pack, 1 + pack % 3);
    most = std::max(most, index->totals().runs);
  }
  for (const auto& [name, bytes] : memory_.objects()) longest = std::max(longest, bytes.size());
  EXPECT_LE(most, 64U);
  EXPECT_EQ(stored_runs().size(), index->totals().runs);
  EXPECT_EQ(missing(*index, 1, kAdds, 1), 0U);
  EXPECT_EQ(missing(*fresh(), 1, kAdds, 1), 0U);
  // Names of runs that are gone are not dragged along.
  EXPECT_LT(longest, kAdds * (48 + 2 * 40) + 10'000);
}

// Longer than what is read of a stored run at once.
TEST_F(IndexOfRuns, TakesInALargeRunInPiecesAndNoneThatIsDamagedAnywhere) {
  constexpr std::size_t kMany = 230'000;
  cache_directory_ = folder_ / "writer";
  add(*make(), 1, kMany);
  const std::string name = stored_runs().front();
  ASSERT_GT(memory_.objects().at(name).size(), 8U << 20);
  for (const std::string& cache : {folder_ / "reader", std::string()}) {
    cache_directory_ = cache;
    const auto index = make();
    ASSERT_EQ(problem(index->load(no_damage)), "");
    EXPECT_EQ(index->totals().entries, kMany);
    EXPECT_EQ(missing(*index, 1, 1, 2000), 0U);
  }
  Bytes whole = memory_.objects().at(name);
  for (const std::size_t at : {whole.size() / 2, whole.size() - 1, std::size_t{20}, std::size_t{5},
                               std::size_t{9}, std::size_t{13}}) {
    Bytes damaged = whole;
    damaged[at] ^= 1;
    ASSERT_EQ(problem(memory_.remove(name)), "");
    ASSERT_EQ(problem(memory_.put(name, damaged)), "");
    cache_directory_ = folder_ / std::to_string(at);
    const auto index = make();
    std::size_t refused = 0;
    EXPECT_EQ(problem(index->load([&](const ObjectId&, const Error& error) {
                EXPECT_EQ(error.code(), ErrorCode::kCorruption) << error.describe();
                ++refused;
              })),
              "");
    EXPECT_EQ(refused, 1U);
    EXPECT_EQ(index->totals().runs, 0U);
    EXPECT_TRUE(std::filesystem::is_empty(cache_directory_));
  }
}

TEST_F(IndexOfRuns, TakesNoLargeRunForAnotherWhoseNameItHas) {
  constexpr std::size_t kMany = 120'000;
  add(*make(), 1, kMany);
  const std::string name = stored_runs().front();
  backend::MemoryBackend elsewhere(clock_);
  const auto other = make(elsewhere, {});
  add(*other, 2, kMany);
  const Bytes foreign = elsewhere.objects().begin()->second;
  ASSERT_GT(foreign.size(), (4U << 20) + 4096);
  ASSERT_EQ(problem(memory_.remove(name)), "");
  ASSERT_EQ(problem(memory_.put(name, foreign)), "");
  for (const std::string& cache : {folder_ / "reader", std::string()}) {
    cache_directory_ = cache;
    const auto index = make();
    std::vector<ErrorCode> refused;
    EXPECT_EQ(problem(index->load(
                  [&](const ObjectId&, const Error& error) { refused.push_back(error.code()); })),
              "");
    EXPECT_EQ(refused, std::vector{ErrorCode::kCorruption});
    EXPECT_EQ(index->totals().runs, 0U);
  }
}

// The file is found as this process has it open: it has no name.
bool damage_nameless_file_in(const std::string& folder) {
  for (const auto& link : std::filesystem::directory_iterator("/proc/self/fd")) {
    std::error_code ignored;
    const std::string target = std::filesystem::read_symlink(link.path(), ignored);
    if (!target.starts_with(folder) || !target.ends_with(" (deleted)")) continue;
    std::fstream file(link.path(), std::ios::in | std::ios::out | std::ios::binary);
    file.seekp(1'500'000);
    file.put('!');
    return file.good();
  }
  return false;
}

TEST_F(IndexOfRuns, StoresNoRunThatReadsOtherwiseThanItWasVerified) {
  class Damaging final : public backend::ForwardingBackend {
   public:
    using ForwardingBackend::ForwardingBackend;
    Result<void> put_streamed(std::string_view name, const StreamedBytes& bytes) override {
      if (!damage_nameless_file_in(cache)) return fail(ErrorCode::kInternal, "no such file");
      return ForwardingBackend::put_streamed(name, bytes);
    }
    std::string cache;
  } damaging(memory_);
  cache_directory_ = folder_ / "cache";
  damaging.cache = cache_directory_;
  const auto index = make(damaging, options());
  const auto added = index->add({some_pack(1, 60'000, 1000)});
  ASSERT_FALSE(added.has_value());
  EXPECT_NE(problem(added).find("reads otherwise than it was written"), std::string::npos)
      << problem(added);
  EXPECT_TRUE(stored_runs().empty());
}

TEST_F(IndexOfRuns, LeavesNothingInTheCacheOfARunThatCouldNotBeStored) {
  class Full final : public backend::ForwardingBackend {
   public:
    using ForwardingBackend::ForwardingBackend;
    Result<void> put(std::string_view, std::span<const ByteView>) override {
      return fail(ErrorCode::kNoSpace, "full");
    }
  } full(memory_);
  cache_directory_ = folder_ / "cache";
  const auto index = make(full, options());
  EXPECT_EQ(code_of(index->add({some_pack(1, 10, 10)})), "no_space");
  EXPECT_EQ(index->totals().runs, 0U);
  EXPECT_TRUE(std::filesystem::is_empty(cache_directory_));
}

TEST_F(IndexOfRuns, KeepsFewRunsWhereTheyMayNotGrow) {
  Index::Options options;
  options.merged_entries_max = 20;
  const auto index = make(memory_, options);
  for (std::uint64_t pack = 1; pack <= 400; ++pack) {
    add(*index, pack, 3);
    ASSERT_LE(index->totals().runs, 64U) << pack;
  }
  EXPECT_EQ(missing(*fresh(), 1, 400, 3), 0U);
}

TEST_F(IndexOfRuns, IsReadByOthersWhileRunsAreAddedAndMerged) {
  const auto index = make();
  std::atomic<bool> done{false};
  std::jthread reader([&] {
    while (!done) {
      index->forget_pages();
      std::uint64_t entries = 0;
      index->for_each_entry([&](const IdPrefix&, const ChunkLocation&) { ++entries; });
      EXPECT_LE(entries, 600U);
      EXPECT_LE(index->packs().size(), 300U);
      EXPECT_LE(index->totals().entries, 600U);
    }
  });
  for (std::uint64_t pack = 1; pack <= 300; ++pack) add(*index, pack, 2);
  done = true;
  reader.join();
  EXPECT_EQ(missing(*index, 1, 300, 2), 0U);
}

// Seven large runs that must not be merged do not keep the smaller ones of their class from it.
TEST_F(IndexOfRuns, MergesTheEightSmallestOfAClassAlsoWhereAllOfItWouldBeTooMany) {
  Index::Options options;
  options.merged_entries_max = 80;
  const auto index = make(memory_, options);
  for (std::uint64_t pack = 1; pack <= 7; ++pack) add(*index, pack, 60);
  for (std::uint64_t pack = 8; pack <= 14; ++pack) add(*index, pack, 9);
  EXPECT_EQ(index->totals().runs, 14U);
  add(*index, 15, 9);
  EXPECT_EQ(index->totals().runs, 8U);
  EXPECT_EQ(index->totals().entries, 7U * 60 + 8 * 9);
}

TEST_F(IndexOfRuns, OfOneWriterLoadsWhileAnotherMerges) {
  std::atomic<bool> done{false};
  std::jthread writer([&] {
    const auto index = make(memory_, {});
    for (std::uint64_t pack = 1; pack <= 300; ++pack) add(*index, pack, 2);
    done = true;
  });
  std::size_t loads = 0;
  std::size_t most = 0;
  while (!done || loads == 0) {
    const auto index = make(memory_, {});
    // A listing may be overtaken by so many merges that a run in it is not there any more.
    const auto loaded = index->load([](const ObjectId&, const Error& error) {
      EXPECT_EQ(to_string(error.code()), "not_found");
    });
    ASSERT_EQ(problem(loaded), "");
    ++loads;
    // What was there before is there for ever.
    const std::size_t found = 600 - missing(*index, 1, 300, 2);
    EXPECT_GE(found, most);
    most = std::max(most, found);
  }
  writer.join();
  EXPECT_EQ(missing(*fresh(), 1, 300, 2), 0U);
}

TEST_F(IndexOfRuns, OfTwoWritersLosesNothingOfEither) {
  const auto write = [&](std::uint64_t first) {
    const auto index = make(memory_, {});
    EXPECT_EQ(problem(index->load([](const ObjectId&, const Error&) {})), "");
    for (std::uint64_t pack = first; pack < first + 200; ++pack) add(*index, pack, 2);
  };
  {
    std::jthread one(write, 1);
    std::jthread two(write, 1001);
  }
  const auto index = fresh();
  EXPECT_EQ(missing(*index, 1, 200, 2), 0U);
  EXPECT_EQ(missing(*index, 1001, 1200, 2), 0U);
}

// Answers the first listing from a time when other runs were there.
class OldListing final : public backend::ForwardingBackend {
 public:
  OldListing(backend::Backend& inner, std::vector<std::string> gone, int times)
      : ForwardingBackend(inner), gone_(std::move(gone)), times_(times) {}
  Result<void> list(std::string_view prefix,
                    const std::function<Result<void>(const backend::ObjectInfo&)>& each) override {
    ++listings;
    if (times_-- <= 0) return inner_.list(prefix, each);
    for (const std::string& name : gone_) {
      auto done = each({.name = name, .size_bytes = 1, .modified = {}});
      if (!done) return done;
    }
    return {};
  }

  int listings = 0;

 private:
  std::vector<std::string> gone_;
  int times_;
};

TEST_F(IndexOfRuns, ListsAgainWhenARunIsGoneAfterItWasListed) {
  const auto writer = make(memory_, {});
  for (std::uint64_t pack = 1; pack <= 7; ++pack) add(*writer, pack, 1);
  const std::vector<std::string> before = stored_runs();
  add(*writer, 8, 1);  // the eighth: they are merged, and those before are gone
  ASSERT_EQ(stored_runs().size(), 1U);
  OldListing old(memory_, before, 1);
  const auto index = make(old, {});
  EXPECT_EQ(problem(index->load(no_damage)), "");
  EXPECT_EQ(missing(*index, 1, 8, 1), 0U);
  EXPECT_EQ(old.listings, 2);
}

// Who merged was killed before he could remove what he had merged.
TEST_F(IndexOfRuns, TidiesAwayRunsThatWereSuperseded) {
  const auto writer = make();
  for (std::uint64_t pack = 1; pack <= 7; ++pack) add(*writer, pack, 1);
  const std::map<std::string, Bytes, std::less<>> before = memory_.objects();
  add(*writer, 8, 1);
  for (const auto& [name, bytes] : before) ASSERT_EQ(problem(memory_.put(name, bytes)), "");
  ASSERT_EQ(stored_runs().size(), 8U);
  const auto index = fresh();
  EXPECT_EQ(index->totals().runs, 1U);
  EXPECT_EQ(problem(index->tidy()), "");
  EXPECT_EQ(stored_runs().size(), 1U);
  EXPECT_EQ(missing(*fresh(), 1, 8, 1), 0U);
}

TEST_F(IndexOfRuns, KeepsInTheCacheWhichRunsSupersedeOthers) {
  cache_directory_ = folder_ / "cache";
  const auto writer = make();
  for (std::uint64_t pack = 1; pack <= 7; ++pack) add(*writer, pack, 1);
  const std::map<std::string, Bytes, std::less<>> before = memory_.objects();
  add(*writer, 8, 1);
  for (const auto& [name, bytes] : before) ASSERT_EQ(problem(memory_.put(name, bytes)), "");
  EXPECT_EQ(fresh()->totals().runs, 1U);
  EXPECT_EQ(fresh()->totals().runs, 1U);
}

TEST_F(IndexOfRuns, SaysOfAPackWhatReplacesWhatRunsSaidOfIt) {
  const auto index = make();
  add(*index, 1, 10);
  PackEntries lie = some_pack(2, 10, 1000);  // chunks of the first pack
  ASSERT_EQ(problem(index->add({lie, some_pack(3, 10, 3000)})), "");
  const chunk::ChunkId id = id_with(some_prefix(1000));
  EXPECT_EQ(index->find_all(id).size(), 2U);
  ASSERT_EQ(problem(index->replace_packs({some_pack(2, 10, 2000)})), "");
  for (const auto& one : {fresh(), make()}) {
    ASSERT_EQ(problem(one->load(no_damage)), "");
    ASSERT_EQ(one->find_all(id).size(), 1U);
    EXPECT_EQ(one->find(id)->frame.pack, numbered_pack(1));
    EXPECT_EQ(missing(*one, 1, 3, 10), 0U);
  }
}

TEST_F(IndexOfRuns, SaysSoWhenARunStaysGone) {
  const auto writer = make(memory_, {});
  add(*writer, 1, 1);
  const std::vector<std::string> names = stored_runs();
  ASSERT_EQ(problem(memory_.remove(names[0])), "");
  OldListing old(memory_, names, 1000);
  const auto index = make(old, {});
  std::size_t damaged = 0;
  EXPECT_EQ(problem(index->load([&](const ObjectId&, const Error&) { ++damaged; })), "");
  EXPECT_EQ(damaged, 1U);
}

TEST_F(IndexOfRuns, NamesADamagedRunAndServesTheOthers) {
  const auto writer = make(memory_, {});
  add(*writer, 1, 2);
  const std::string first = stored_runs()[0];
  add(*writer, 2, 2);
  auto objects = memory_.objects();
  for (const std::size_t at : {0U, 40U, 100U}) {
    auto damaged_objects = objects;
    damaged_objects[first][at] ^= 1;
    memory_.set_objects(damaged_objects);
    std::vector<std::string> damaged;
    const auto index = make(memory_, {});
    EXPECT_EQ(problem(index->load([&](const ObjectId& id, const Error& error) {
                damaged.push_back(object_name(ObjectKind::kIndexRun, id));
                EXPECT_EQ(to_string(error.code()), "corruption");
              })),
              "");
    EXPECT_EQ(damaged, std::vector<std::string>{first});
    EXPECT_EQ(missing(*index, 1, 1, 2), 2U);
    EXPECT_EQ(missing(*index, 2, 2, 2), 0U);
  }
}

TEST_F(IndexOfRuns, IsNotKeptFromOpeningByARunOfAStranger) {
  const auto writer = make(memory_, {});
  add(*writer, 1, 2);
  Header header{.kind = ObjectKind::kIndexRun,
                .suite = crypto::Suite::kAes256Gcm,
                .key_mode = KeyMode::kDerived,
                .epoch = 99,
                .repository = maker_.config.id,
                .salt = {}};
  Bytes stranger(200);
  encode_header(header, stranger);
  ASSERT_EQ(problem(memory_.put(object_name(ObjectKind::kIndexRun, id_of(stranger)), stranger)),
            "");
  ASSERT_EQ(problem(memory_.put("index/notes", as_bytes("x"))), "");
  std::size_t damaged = 0;
  const auto index = make(memory_, {});
  EXPECT_EQ(problem(index->load([&](const ObjectId&, const Error&) { ++damaged; })), "");
  EXPECT_EQ(damaged, 1U);
  EXPECT_EQ(missing(*index, 1, 1, 2), 0U);
}

TEST_F(IndexOfRuns, FailsWhenTheStoreFails) {
  add(*make(memory_, {}), 1, 1);
  for (std::uint64_t call = 1; call <= 2; ++call) {
    backend::FaultBackend faults(memory_);
    faults.fail_at(call, ErrorCode::kUnavailable);
    const auto index = make(faults, {});
    EXPECT_EQ(code_of(index->load(no_damage)), "unavailable") << "call " << call;
  }
}

TEST_F(IndexOfRuns, DoesNotMindWhatCannotBeRemoved) {
  backend::FaultBackend faults(memory_, backend::FaultBackend::Numbered::kChanges);
  // Eight times put and barrier, put and barrier of the merged run, then the removals.
  for (std::uint64_t call = 19; call <= 22; ++call) faults.fail_at(call, ErrorCode::kUnavailable);
  const auto index = make(faults, {});
  for (std::uint64_t pack = 1; pack <= 8; ++pack) add(*index, pack, 1);
  EXPECT_EQ(stored_runs().size(), 5U);
  EXPECT_EQ(index->totals().runs, 1U);
  EXPECT_EQ(fresh()->totals().runs, 1U);
  // The next merge tries again: 7 more runs and the merged one are of one class at 8 chunks each.
  for (std::uint64_t pack = 9; pack <= 15; ++pack) add(*index, pack, 8);
  EXPECT_EQ(stored_runs().size(), 1U);
  EXPECT_EQ(missing(*fresh(), 1, 8, 1), 0U);
}

TEST_F(IndexOfRuns, DropsPacksWithAllTheirEntriesAndNothingElse) {
  const auto writer = make(memory_, {});
  add(*writer, 1, 3);
  add(*writer, 2, 3);
  ASSERT_EQ(problem(writer->add({some_pack(3, 3, 1000), some_pack(4, 2, 4000)})), "");
  ASSERT_EQ(problem(writer->drop_packs({numbered_pack(1), numbered_pack(2)})), "");
  EXPECT_EQ(stored_runs().size(), 2U);
  for (const auto& index : {fresh(), make(memory_, {})}) {
    ASSERT_EQ(problem(index->load(no_damage)), "");
    EXPECT_EQ(index->packs().size(), 2U);
    EXPECT_EQ(index->totals().entries, 5U);
    EXPECT_EQ(index->find(id_with(some_prefix(1000)))->frame.pack, numbered_pack(3));
    EXPECT_FALSE(index->find(id_with(some_prefix(2000))));
  }
  ASSERT_EQ(problem(writer->drop_packs({numbered_pack(3), numbered_pack(4)})), "");
  EXPECT_EQ(writer->totals().entries, 0U);
  ASSERT_EQ(problem(writer->drop_packs({numbered_pack(3)})), "");
}

TEST_F(IndexOfRuns, TakesCondemnedPacksAsAbsentForWritersAndLastForReaders) {
  const auto writer = make(memory_, {});
  add(*writer, 1, 3);
  add(*writer, 2, 3);
  // Chunks of pack 1 are in pack 3 too.
  ASSERT_EQ(problem(writer->add({some_pack(3, 3, 1000)})), "");
  const auto index = make(memory_, {});
  index->condemn(2, {numbered_pack(1), numbered_pack(2)});
  ASSERT_EQ(problem(index->load(no_damage)), "");
  EXPECT_FALSE(index->contains(id_with(some_prefix(2000))));
  EXPECT_EQ(index->find(id_with(some_prefix(2000)))->frame.pack, numbered_pack(2));
  EXPECT_EQ(index->find_all(id_with(some_prefix(1000))).back().frame.pack, numbered_pack(1));
  EXPECT_EQ(index->condemned_packs().size(), 2U);
  const auto other = index->find(id_with(some_prefix(1000)));
  ASSERT_TRUE(other);
  EXPECT_EQ(other->frame.pack, numbered_pack(3));
  ASSERT_EQ(index->packs().size(), 1U);
  EXPECT_EQ(index->packs()[0].id, numbered_pack(3));
}

TEST_F(IndexOfRuns, GivesEveryEntryAndEveryPack) {
  const auto index = make();
  add(*index, 1, 3);
  add(*index, 2, 2);
  ASSERT_EQ(problem(index->add({some_pack(1, 3, 1000)})), "");  // once more
  std::size_t entries = 0;
  index->for_each_entry([&](const IdPrefix&, const ChunkLocation&) { ++entries; });
  EXPECT_EQ(entries, 8U);
  EXPECT_EQ(index->packs().size(), 2U);
}

// ---- the cache

class CachedIndex : public IndexOfRuns {
 protected:
  CachedIndex() { cache_directory_ = folder_ / "cache"; }
  [[nodiscard]] std::vector<std::string> files() const {
    std::vector<std::string> files;
    for (const auto& file : std::filesystem::directory_iterator(cache_directory_)) {
      files.push_back(file.path());
    }
    return files;
  }
  // How many runs a new index with this cache reads from the store.
  std::uint64_t runs_fetched() {
    backend::FaultBackend counting(memory_);
    const auto index = make(counting, options());
    EXPECT_EQ(problem(index->load(no_damage)), "");
    EXPECT_EQ(missing(*index, 1, 2, 5), 0U);
    return counting.calls() - 1;
  }
};

TEST_F(CachedIndex, FetchesNothingThatItHas) {
  const auto index = make();
  add(*index, 1, 5);
  add(*index, 2, 5);
  EXPECT_EQ(files().size(), 2U);
  EXPECT_EQ(runs_fetched(), 0U);
  std::filesystem::remove_all(cache_directory_);
  EXPECT_EQ(runs_fetched(), 2U);
  EXPECT_EQ(runs_fetched(), 0U);
}

TEST_F(CachedIndex, FetchesADamagedFileAgain) {
  const auto index = make();
  add(*index, 1, 5);
  add(*index, 2, 5);
  const std::string file = files()[0];
  const auto size = std::filesystem::file_size(file);
  for (const std::uintmax_t at : {std::uintmax_t{0}, size / 2, size - 1}) {
    {
      std::fstream stream(file, std::ios::in | std::ios::out | std::ios::binary);
      stream.seekg(static_cast<std::streamoff>(at));
      const char byte = static_cast<char>(stream.get() ^ 1);
      stream.seekp(static_cast<std::streamoff>(at));
      stream.put(byte);
    }
    EXPECT_EQ(runs_fetched(), 1U) << "byte " << at;
    EXPECT_EQ(runs_fetched(), 0U);
  }
  for (const std::uintmax_t left : {std::uintmax_t{0}, std::uintmax_t{31}, size - 1}) {
    std::filesystem::resize_file(file, left);
    EXPECT_EQ(runs_fetched(), 1U) << "cut to " << left;
    EXPECT_EQ(runs_fetched(), 0U);
  }
}

TEST_F(CachedIndex, DoesNotTakeOneRunForAnother) {
  const auto index = make();
  add(*index, 1, 5);
  add(*index, 2, 5);
  const auto all = files();
  std::filesystem::copy_file(all[0], all[1], std::filesystem::copy_options::overwrite_existing);
  EXPECT_EQ(runs_fetched(), 1U);
}

TEST_F(CachedIndex, DropsWhatIsNoLongerLive) {
  const auto index = make();
  for (std::uint64_t pack = 1; pack <= 7; ++pack) add(*index, pack, 1);
  const auto other = make(memory_, {});
  ASSERT_EQ(problem(other->load(no_damage)), "");
  add(*other, 8, 1);
  const auto again = make();
  ASSERT_EQ(problem(again->load(no_damage)), "");
  EXPECT_EQ(files().size(), 1U);
  EXPECT_EQ(missing(*index, 1, 7, 1), 0U);  // who has the old runs open may go on
}

TEST_F(CachedIndex, GoesOnWithoutACacheThatCannotBeMade) {
  std::ofstream(folder_ / "file") << "x";
  cache_directory_ = folder_ / "file/cache";
  const auto index = make();
  add(*index, 1, 5);
  EXPECT_EQ(missing(*index, 1, 1, 5), 0U);
}

}  // namespace
}  // namespace backstay::repo
