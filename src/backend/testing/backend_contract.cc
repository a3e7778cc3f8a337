#include "backend/testing/backend_contract.h"

#include <fmt/format.h>

#include <algorithm>
#include <atomic>
#include <thread>

#include "base/rng.h"
#include "base/try.h"

namespace backstay::backend {
namespace {

using Names = std::vector<std::string>;

Bytes random_bytes(std::size_t size) {
  Bytes bytes(size);
  SeededRng(size).fill(bytes);
  return bytes;
}

}  // namespace

Timestamp TurnedClock::now() const {
  Timestamp time = clock_.now();
  time.seconds += offset_seconds_;
  return time;
}

std::string BackendContract::text_of(std::string_view name) {
  const Result<Bytes> bytes = backend().get(name, 1 << 20);
  return bytes ? std::string(as_text(*bytes)) : bytes.error().describe();
}

Names BackendContract::names_below(std::string_view prefix) {
  Names names;
  const Result<void> listed = backend().list(prefix, [&](const ObjectInfo& info) -> Result<void> {
    names.push_back(info.name);
    return {};
  });
  EXPECT_TRUE(listed.has_value()) << listed.error().describe();
  std::ranges::sort(names);
  return names;
}

TEST_P(BackendContract, GivesBackWhatWasPut) {
  ASSERT_TRUE(put("config", "bytes of the config").has_value());
  EXPECT_EQ(text_of("config"), "bytes of the config");
}

TEST_P(BackendContract, PutsWhatIsStreamedToItAsAnyOtherObject) {
  const Bytes bytes = random_bytes(1'000'000);
  const StreamedBytes streamed{
      .size = bytes.size(), .piece_at = [&](std::uint64_t offset) -> Result<ByteView> {
        const ByteView left = ByteView(bytes).subspan(static_cast<std::size_t>(offset));
        return left.first(std::min<std::size_t>(left.size(), 300'001));
      }};
  ASSERT_TRUE(backend().put_streamed("index/3f/streamed", streamed).has_value());
  EXPECT_EQ(backend().get("index/3f/streamed", bytes.size()).value(), bytes);
  EXPECT_EQ(code_of(backend().put_streamed("index/3f/streamed", streamed)),
            ErrorCode::kAlreadyExists);
  EXPECT_EQ(code_of(backend().put_streamed("../streamed", streamed)), ErrorCode::kInvalidArgument);
}

TEST_P(BackendContract, LeavesNothingOfAStreamThatFails) {
  const Bytes bytes = random_bytes(1000);
  const StreamedBytes streamed{.size = 2 * bytes.size(),
                               .piece_at = [&](std::uint64_t offset) -> Result<ByteView> {
                                 if (offset > 0) return fail(ErrorCode::kUnavailable, "no more");
                                 return ByteView(bytes);
                               }};
  EXPECT_EQ(code_of(backend().put_streamed("index/3f/streamed", streamed)),
            ErrorCode::kUnavailable);
  EXPECT_TRUE(names_below("index/").empty());
}

TEST_P(BackendContract, RefusesATakenNameAndKeepsTheFirstObject) {
  ASSERT_TRUE(put("data/3f/one", "first").has_value());
  EXPECT_EQ(code_of(put("data/3f/one", "second, longer")), ErrorCode::kAlreadyExists);
  EXPECT_EQ(code_of(put("data/3f/one", "")), ErrorCode::kAlreadyExists);
  EXPECT_EQ(text_of("data/3f/one"), "first");
  EXPECT_EQ(backend().head("data/3f/one")->size_bytes, 5U);
}

TEST_P(BackendContract, LetsExactlyOneOfManyCreatorsOfANameWin) {
  if (!store().creates_once()) GTEST_SKIP() << "this store has no conditional create";
  for (int round = 0; round < 20; ++round) {
    const std::string name = fmt::format("generations/{:020}", round);
    std::atomic<int> won = 0;
    std::atomic<int> lost = 0;
    std::atomic<int> winner = -1;
    {
      std::vector<std::jthread> creators;
      for (int i = 0; i < 4; ++i) {
        creators.emplace_back([&, i] {
          const Result<void> created = put(name, std::to_string(i));
          if (created) winner = i;
          if (created) ++won;
          if (!created && created.error().code() == ErrorCode::kAlreadyExists) ++lost;
        });
      }
    }
    ASSERT_EQ(won, 1);
    ASSERT_EQ(lost, 3);
    ASSERT_EQ(text_of(name), std::to_string(winner));
  }
}

TEST_P(BackendContract, KeepsAnEmptyObject) {
  ASSERT_TRUE(put("leases/empty", "").has_value());
  ASSERT_TRUE(backend().put("leases/no-pieces", std::span<const ByteView>()).has_value());
  for (const char* const name : {"leases/empty", "leases/no-pieces"}) {
    EXPECT_EQ(text_of(name), "");
    EXPECT_EQ(backend().head(name)->size_bytes, 0U);
    EXPECT_TRUE(backend().get(name, 0).has_value());
    EXPECT_TRUE(backend().get_range(name, 0, {}).has_value());
  }
  EXPECT_EQ(names_below("leases/").size(), 2U);
}

TEST_P(BackendContract, JoinsThePiecesInOrder) {
  const Bytes big = random_bytes(3 << 20);
  const std::vector<ByteView> pieces{as_bytes("head"), {}, big, as_bytes("tail")};
  ASSERT_TRUE(backend().put("data/00/pieces", pieces).has_value());
  const Bytes all = std::move(backend().get("data/00/pieces", 4 << 20)).value();
  ASSERT_EQ(all.size(), big.size() + 8);
  EXPECT_EQ(as_text(ByteView(all).first(4)), "head");
  EXPECT_TRUE(std::ranges::equal(ByteView(all).subspan(4, big.size()), big));
  EXPECT_EQ(as_text(ByteView(all).last(4)), "tail");
}

TEST_P(BackendContract, KeepsABigObject) {
  const Bytes big = random_bytes(20 << 20);
  ASSERT_TRUE(backend().put("data/ff/big", ByteView(big)).has_value());
  EXPECT_TRUE(backend().get("data/ff/big", big.size()).value() == big);
  Bytes part(1 << 20);
  for (const std::uint64_t offset :
       {std::uint64_t{0}, std::uint64_t{12'345'678}, std::uint64_t{big.size() - part.size()}}) {
    ASSERT_TRUE(backend().get_range("data/ff/big", offset, part).has_value());
    EXPECT_TRUE(std::ranges::equal(part, ByteView(big).subspan(offset, part.size())));
  }
}

// Of blocks of disks, of requests, and of the parts in which stores are sent large objects here.
TEST_P(BackendContract, KeepsObjectsOfSizesOnBothSidesOfEveryBoundary) {
  for (const std::size_t size : {1U, 511U, 4096U, 4097U, 65'536U, 299'999U, 300'000U, 300'001U,
                                 600'000U, 1'048'575U, 1'048'576U, 1'048'577U, 2'100'001U}) {
    const std::string name = fmt::format("data/3f/{}", size);
    const Bytes bytes = random_bytes(size);
    ASSERT_TRUE(backend().put(name, bytes).has_value()) << size;
    EXPECT_EQ(backend().head(name)->size_bytes, size);
    EXPECT_TRUE(backend().get(name, size).value() == bytes) << size;
    const std::size_t from = size > 300'010 ? 299'990 : size / 2;
    Bytes part(std::min<std::size_t>(20, size - from));
    ASSERT_TRUE(backend().get_range(name, from, part).has_value()) << size;
    EXPECT_TRUE(std::ranges::equal(part, ByteView(bytes).subspan(from, part.size()))) << size;
  }
}

TEST_P(BackendContract, ShowsNothingOfAnObjectBeforeItIsWhole) {
  // A server that is asked in several steps may contradict itself, which is tried again.
  const auto may_be_answered = [](const Error& error) {
    return error.code() == ErrorCode::kNotFound || error.retryable();
  };
  const Bytes big = random_bytes(3 << 20);
  std::atomic<bool> done = false;
  Result<void> stored;
  std::jthread writer([&] {
    stored = backend().put("data/3f/big", ByteView(big));
    done = true;
  });
  while (!done) {
    const auto seen = backend().head("data/3f/big");
    EXPECT_EQ(seen ? seen->size_bytes : big.size(), big.size());
    EXPECT_TRUE(seen || may_be_answered(seen.error())) << seen.error().describe();
    Bytes last(16);
    const auto read = backend().get_range("data/3f/big", big.size() - last.size(), last);
    EXPECT_TRUE(!read || std::ranges::equal(last, ByteView(big).last(last.size())));
    EXPECT_TRUE(read || may_be_answered(read.error())) << read.error().describe();
  }
  writer.join();
  ASSERT_TRUE(stored.has_value()) << stored.error().describe();
  EXPECT_TRUE(backend().get("data/3f/big", big.size()).value() == big);
}

TEST_P(BackendContract, GetsNothingLargerThanAllowed) {
  ASSERT_TRUE(put("config", "12345").has_value());
  EXPECT_TRUE(backend().get("config", 5).has_value());
  EXPECT_EQ(code_of(backend().get("config", 4)), ErrorCode::kInvalidArgument);
  EXPECT_EQ(code_of(backend().get("config", 0)), ErrorCode::kInvalidArgument);
}

TEST_P(BackendContract, ReadsRangesUpToTheEndAndNoByteFurther) {
  ASSERT_TRUE(put("config", "0123456789").has_value());
  Bytes out(3);
  ASSERT_TRUE(backend().get_range("config", 7, out).has_value());
  EXPECT_EQ(as_text(out), "789");
  ASSERT_TRUE(backend().get_range("config", 0, out).has_value());
  EXPECT_EQ(as_text(out), "012");
  EXPECT_TRUE(backend().get_range("config", 10, {}).has_value());
  for (const std::uint64_t offset :
       {std::uint64_t{8}, std::uint64_t{10}, std::uint64_t{1} << 40, ~std::uint64_t{0}}) {
    EXPECT_EQ(code_of(backend().get_range("config", offset, out)), ErrorCode::kCorruption);
  }
  EXPECT_EQ(code_of(backend().get_range("config", 11, {})), ErrorCode::kCorruption);
}

TEST_P(BackendContract, SaysNotFoundOfWhatIsNotThere) {
  ASSERT_TRUE(put("data/3f/there", "x").has_value());
  Bytes out(1);
  // The last two name a folder and something below an object.
  for (const char* const name :
       {"config", "data/3f/other", "data/aa/there", "data/3f", "data/3f/there/below"}) {
    EXPECT_EQ(code_of(backend().get(name, 100)), ErrorCode::kNotFound) << name;
    EXPECT_EQ(code_of(backend().get_range(name, 0, out)), ErrorCode::kNotFound) << name;
    EXPECT_EQ(code_of(backend().head(name)), ErrorCode::kNotFound) << name;
  }
}

TEST_P(BackendContract, NamesTheObjectInItsFailures) {
  const auto missing = backend().get("snapshots/0123", 100);
  ASSERT_FALSE(missing.has_value());
  EXPECT_NE(missing.error().describe().find("snapshots/0123"), std::string::npos);
}

TEST_P(BackendContract, ListsByWholeComponents) {
  for (const char* const name : {"config", "data/3f/a", "data/3f/b", "data/3e/c", "data3", "keys/k",
                                 "data-x/y", "data/3f-x"}) {
    ASSERT_TRUE(put(name, name).has_value()) << name;
  }
  EXPECT_EQ(names_below("data/3f/"), (Names{"data/3f/a", "data/3f/b"}));
  EXPECT_EQ(names_below("data/"), (Names{"data/3e/c", "data/3f-x", "data/3f/a", "data/3f/b"}));
  EXPECT_EQ(names_below("").size(), 8U);
  EXPECT_EQ(names_below("meta/"), Names{});
  EXPECT_EQ(names_below("data/00/"), Names{});
  EXPECT_EQ(names_below("config/"), Names{});
}

TEST_P(BackendContract, ListsWhatHeadSays) {
  ASSERT_TRUE(put("snapshots/one", "123").has_value());
  std::vector<ObjectInfo> listed;
  ASSERT_TRUE(backend()
                  .list("snapshots/",
                        [&](const ObjectInfo& info) -> Result<void> {
                          listed.push_back(info);
                          return {};
                        })
                  .has_value());
  ASSERT_EQ(listed.size(), 1U);
  const ObjectInfo info = backend().head("snapshots/one").value();
  EXPECT_EQ(info.name, "snapshots/one");
  EXPECT_EQ(info.size_bytes, 3U);
  EXPECT_EQ(listed[0].name, info.name);
  EXPECT_EQ(listed[0].size_bytes, info.size_bytes);
  EXPECT_EQ(listed[0].modified, info.modified);
}

TEST_P(BackendContract, StopsListingWithTheCallersFailure) {
  ASSERT_TRUE(put("keys/a", "").has_value());
  ASSERT_TRUE(put("keys/b", "").has_value());
  int seen = 0;
  const Result<void> listed = backend().list("", [&](const ObjectInfo&) -> Result<void> {
    ++seen;
    return fail(ErrorCode::kConflict, "enough");
  });
  EXPECT_EQ(code_of(listed), ErrorCode::kConflict);
  EXPECT_EQ(seen, 1);
}

TEST_P(BackendContract, MayBeUsedWhileItLists) {
  for (const char* const name : {"leases/a", "leases/b", "leases/c"}) {
    ASSERT_TRUE(put(name, name).has_value());
  }
  const Result<void> listed =
      backend().list("leases/", [&](const ObjectInfo& info) -> Result<void> {
        EXPECT_EQ(text_of(info.name), info.name);
        return backend().remove(info.name);
      });
  EXPECT_TRUE(listed.has_value());
  EXPECT_EQ(names_below("leases/"), Names{});
}

TEST_P(BackendContract, RemovesAndCountsWhatIsNotThereAsRemoved) {
  ASSERT_TRUE(put("data/3f/a", "first").has_value());
  Bytes out(5);
  ASSERT_TRUE(backend().get_range("data/3f/a", 0, out).has_value());
  ASSERT_TRUE(backend().remove("data/3f/a").has_value());
  EXPECT_EQ(code_of(backend().head("data/3f/a")), ErrorCode::kNotFound);
  EXPECT_EQ(code_of(backend().get_range("data/3f/a", 0, out)), ErrorCode::kNotFound);
  EXPECT_EQ(names_below(""), Names{});
  EXPECT_TRUE(backend().remove("data/3f/a").has_value());
  EXPECT_TRUE(backend().remove("never/there").has_value());
  ASSERT_TRUE(put("data/3f/a", "again").has_value());
  ASSERT_TRUE(backend().get_range("data/3f/a", 0, out).has_value());
  EXPECT_EQ(as_text(out), "again");
}

TEST_P(BackendContract, RemovesForAllWhoAskAtTheSameMoment) {
  for (int round = 0; round < 5; ++round) {
    ASSERT_TRUE(put("leases/a", "x").has_value());
    std::vector<Result<void>> removed(4);
    {
      std::vector<std::jthread> removers;
      for (Result<void>& one : removed) {
        removers.emplace_back([&] { one = backend().remove("leases/a"); });
      }
    }
    // A server that is asked in several steps may contradict itself, which is tried again.
    for (const Result<void>& one : removed) {
      EXPECT_TRUE(one || one.error().retryable()) << one.error().describe();
    }
    ASSERT_EQ(names_below(""), Names{});
  }
}

TEST_P(BackendContract, RemovesNoMoreThanTheName) {
  ASSERT_TRUE(put("data/3f/a", "x").has_value());
  EXPECT_TRUE(backend().remove("data/3f").has_value());
  EXPECT_TRUE(backend().remove("data").has_value());
  EXPECT_TRUE(backend().remove("data/3f/a/below").has_value());
  EXPECT_EQ(text_of("data/3f/a"), "x");
}

TEST_P(BackendContract, TakesEveryNameThatFollowsTheRules) {
  Names odd{"-",      "0",     "-a/--/-",    "a/b/c/d/e/f/g/h/i/j/k/l/m/n/o/p",
            "con",    "tmp-1", "lost-found", "data/00/" + std::string(63, 'f'),
            "e/2e2e", "e/2f",  "q/xn--a",    "z/" + std::string(180, '-')};
  for (const std::string& name : odd) ASSERT_TRUE(put(name, name).has_value()) << name;
  for (const std::string& name : odd) EXPECT_EQ(text_of(name), name);
  std::ranges::sort(odd);
  EXPECT_EQ(names_below(""), odd);
  EXPECT_EQ(names_below("e/"), (Names{"e/2e2e", "e/2f"}));
}

TEST_P(BackendContract, RefusesNamesThatAreNone) {
  Names odd{"",
            "/",
            "/config",
            "config/",
            "a//b",
            ".",
            "..",
            "../x",
            "data/../x",
            ".tmp-1",
            "Config",
            "a b",
            "a_b",
            "a.b",
            "a\n",
            "\xc3\xa4",
            "a\\b",
            std::string("a\0b", 3),
            std::string(201, 'a')};
  Bytes out(1);
  for (const std::string& name : odd) {
    EXPECT_EQ(code_of(put(name, "x")), ErrorCode::kInvalidArgument) << name;
    EXPECT_EQ(code_of(backend().get(name, 10)), ErrorCode::kInvalidArgument) << name;
    EXPECT_EQ(code_of(backend().get_range(name, 0, out)), ErrorCode::kInvalidArgument) << name;
    EXPECT_EQ(code_of(backend().head(name)), ErrorCode::kInvalidArgument) << name;
    EXPECT_EQ(code_of(backend().remove(name)), ErrorCode::kInvalidArgument) << name;
  }
  EXPECT_EQ(names_below(""), Names{});
}

TEST_P(BackendContract, RefusesPrefixesThatCutComponents) {
  const auto nothing = [](const ObjectInfo&) -> Result<void> { return {}; };
  for (const char* const prefix : {"data", "data/3", "/", "/data/", "../", "a//", "data/../"}) {
    EXPECT_EQ(code_of(backend().list(prefix, nothing)), ErrorCode::kInvalidArgument) << prefix;
  }
}

TEST_P(BackendContract, TakesTheLongestName) {
  std::string name;
  while (name.size() < 190) name += "abcdefghi/";
  name += std::string(200 - name.size(), 'z');
  ASSERT_TRUE(put(name, "x").has_value());
  EXPECT_EQ(names_below(""), Names{name});
}

TEST_P(BackendContract, ReplacesNoObjectOfARepositoryAndLeasesWholeOrNotAtAll) {
  for (const char* const name : {"config", "data/3f/a", "leases", "leases-x/y", "../leases/a"}) {
    EXPECT_EQ(code_of(backend().mark(name)), ErrorCode::kInvalidArgument) << name;
    EXPECT_EQ(code_of(backend().replace(name, "*", as_bytes("x"))), ErrorCode::kInvalidArgument);
  }
  ASSERT_TRUE(put("leases/a", "first").has_value());
  const auto mark = backend().mark("leases/a");
  if (!mark) {
    EXPECT_EQ(code_of(mark), ErrorCode::kUnsupported);
    EXPECT_FALSE(backend().replace("leases/a", "none", as_bytes("x")).has_value());
    EXPECT_EQ(text_of("leases/a"), "first");
    return;
  }
  const Result<void> replaced = backend().replace("leases/a", *mark, as_bytes("second, longer"));
  if (!replaced) {
    EXPECT_EQ(code_of(replaced), ErrorCode::kUnsupported) << replaced.error().describe();
    EXPECT_EQ(text_of("leases/a"), "first");
    return;
  }
  EXPECT_EQ(text_of("leases/a"), "second, longer");
  const auto after = backend().mark("leases/a");
  EXPECT_TRUE(!after || *after != *mark);
}

TEST_P(BackendContract, HasOneClockThatDoesNotGoBack) {
  if (!backend().capabilities().server_time) GTEST_SKIP() << "this store has no clock";
  Timestamp before = backend().store_time().value();
  for (int i = 0; i < 5; ++i) {
    const std::string name = fmt::format("leases/{}", i);
    ASSERT_TRUE(put(name, "x").has_value());
    const Timestamp modified = backend().head(name)->modified;
    const Timestamp after = backend().store_time().value();
    EXPECT_LE(before, modified);
    EXPECT_LE(modified, after);
    before = after;
  }
  EXPECT_EQ(names_below("").size(), 5U) << "asking for the time must leave no object";
}

TEST_P(BackendContract, TakesTheNamesOfAnyFolderOver) {
  ASSERT_TRUE(put("snapshots/3f", "x").has_value());
  for (const std::string_view prefix : {"snapshots/", "data/3f/", ""}) {
    EXPECT_TRUE(backend().adopt_names(prefix).has_value()) << prefix;
  }
  EXPECT_FALSE(backend().adopt_names("../").has_value());
  EXPECT_TRUE(backend().barrier().has_value());
}

TEST_P(BackendContract, TakesABarrierAtAnyTime) {
  EXPECT_TRUE(backend().barrier().has_value());
  ASSERT_TRUE(put("data/3f/a", "x").has_value());
  EXPECT_TRUE(backend().barrier().has_value());
  EXPECT_TRUE(backend().barrier().has_value());
  ASSERT_TRUE(backend().remove("data/3f/a").has_value());
  EXPECT_TRUE(backend().barrier().has_value());
}

TEST_P(BackendContract, KeepsManyObjects) {
  constexpr int kCount = 1000;
  for (int i = 0; i < kCount; ++i) {
    ASSERT_TRUE(put(fmt::format("data/{:02x}/{}", i % 64, i), std::to_string(i)).has_value());
  }
  ASSERT_TRUE(backend().barrier().has_value());
  EXPECT_EQ(names_below("data/").size(), std::size_t{kCount});
  Bytes digit(1);
  for (int i = 0; i < kCount; ++i) {
    const std::string name = fmt::format("data/{:02x}/{}", i % 64, i);
    ASSERT_EQ(text_of(name), std::to_string(i));
    ASSERT_TRUE(backend().get_range(name, 0, digit).has_value());
    ASSERT_EQ(digit[0], std::to_string(i)[0]);
  }
}

TEST_P(BackendContract, ServesManyThreads) {
  constexpr int kThreads = 4;
  constexpr int kEach = 50;
  std::atomic<int> failures = 0;
  const auto work = [&](int thread) -> Result<void> {
    for (int i = 0; i < kEach; ++i) {
      const std::string name = fmt::format("data/{:02x}/{}-{}", i % 8, thread, i);
      TRY(put(name, name));
      if (i % 10 == 0) TRY(backend().barrier());
      Bytes out(name.size());
      TRY(backend().get_range(name, 0, out));
      if (as_text(out) != name || text_of(name) != name) ++failures;
      if (i % 5 == 0) TRY(backend().remove(name));
      TRY(backend().list("data/00/", [](const ObjectInfo&) -> Result<void> { return {}; }));
    }
    return {};
  };
  {
    std::vector<std::jthread> threads;
    for (int thread = 0; thread < kThreads; ++thread) {
      threads.emplace_back([&, thread] {
        if (const Result<void> done = work(thread); !done) {
          ++failures;
          ADD_FAILURE() << done.error().describe();
        }
      });
    }
  }
  EXPECT_EQ(failures, 0);
  EXPECT_EQ(names_below("data/").size(), std::size_t{kThreads * kEach * 4 / 5});
}

// ---- retention, where the store has it

TEST_P(BackendContract, DescribesItself) {
  EXPECT_FALSE(backend().describe().empty());
  ASSERT_TRUE(put("config", "x").has_value());  // some stores are known only then
  EXPECT_EQ(backend().capabilities().conditional_create, store().creates_once());
}

}  // namespace backstay::backend
