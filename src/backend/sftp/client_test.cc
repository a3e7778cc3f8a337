#include "backend/sftp/client.h"

#include <fmt/format.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <atomic>
#include <utility>

#include "backend/memory_backend.h"
#include "backend/retry_backend.h"
#include "backend/sftp/sftp_backend.h"
#include "backend/sftp/testing/memory_server.h"
#include "backend/testing/backend_contract.h"
#include "base/rng.h"
#include "crypto/random.h"

namespace backstay::backend::sftp {
namespace {

SessionPool::Connect connect_to(MemoryServer& server) {
  return [&server] { return Client::begin(server.connect()); };
}

// The store without SSH.
class MemorySftpStore final : public ContractStore {
 public:
  explicit MemorySftpStore(ServerTraits traits)
      : links_(traits.offers_links && traits.links_work), server_(std::move(traits)) {
    auto made = SftpBackend::create({.root = "/a/b", .place = "sftp://test/a/b"},
                                    connect_to(server_), rng_);
    EXPECT_TRUE(made.has_value()) << made.error().describe();
    backend_ = *std::move(made);
  }
  Backend& backend() override { return *backend_; }
  // A rename looks first, and renames then.
  [[nodiscard]] bool creates_once() const override { return links_; }

 private:
  const bool links_;
  MemoryServer server_;
  crypto::SystemRng rng_;
  std::unique_ptr<SftpBackend> backend_;
};

ContractParam store_of(std::string what, const ServerTraits& traits) {
  return {std::move(what), [traits] { return std::make_unique<MemorySftpStore>(traits); }};
}

INSTANTIATE_TEST_SUITE_P(
    SftpInMemory, BackendContract,
    ::testing::Values(store_of("links", {}),
                      store_of("renames", {.offers_links = false, .offers_more = false}),
                      store_of("broken links", {.links_work = false}),
                      store_of("disorder", {.reverses_answers = true, .read_max = 1000})));

struct SftpProtocol : ::testing::Test {
  [[nodiscard]] Result<std::unique_ptr<SftpBackend>> create(MemoryServer& server) {
    return SftpBackend::create({.root = "/store", .place = "sftp://test/store"}, connect_to(server),
                               rng);
  }
  SeededRng rng{5};
};

TEST_F(SftpProtocol, TakesAShellThatPrintsSomethingForNoServer) {
  MemoryServer server({.greeting = "Welcome to this machine!\n"});
  const auto begun = Client::begin(server.connect());
  ASSERT_FALSE(begun.has_value());
  EXPECT_EQ(begun.error().code(), ErrorCode::kUnsupported);
  EXPECT_FALSE(begun.error().hint().empty());
}

TEST_F(SftpProtocol, WritesToNoServerWhoseRenamesReplace) {
  MemoryServer server({.offers_links = false, .rename_replaces = true});
  const auto store = create(server);
  ASSERT_TRUE(store.has_value());
  EXPECT_EQ((*store)->put("config", as_bytes("x")).error().code(), ErrorCode::kUnsupported);
  EXPECT_TRUE(server.files().empty()) << "the probe leaves nothing";
}

TEST_F(SftpProtocol, TellsAFullDiskFromAServerThatFails) {
  const Bytes big(1'000'000);
  MemoryServer full({.space_bytes = 500'000});
  auto store = create(full);
  EXPECT_EQ((*store)->put("data/a", big).error().code(), ErrorCode::kNoSpace);
  EXPECT_TRUE(full.files().empty()) << "what was written is removed";
  MemoryServer silent({.offers_more = false, .space_bytes = 500'000});
  store = create(silent);
  EXPECT_EQ((*store)->put("data/a", big).error().code(), ErrorCode::kUnavailable);
}

TEST_F(SftpProtocol, SurvivesACutAtEveryRequest) {
  SystemClock clock;
  for (const MemoryServer::Cut cut : {MemoryServer::Cut::kBefore, MemoryServer::Cut::kAfter}) {
    for (std::uint64_t number = 1;; ++number) {
      MemoryServer server;
      auto store = create(server);
      ASSERT_TRUE(store.has_value());
      const std::uint64_t before = server.requests();
      server.cut_at(before + number, cut);
      RetryBackend backend(*std::move(store), {}, {clock, rng, [](auto) {}, {}, {}});
      const Bytes big(600'000, 7);
      ASSERT_TRUE(backend.put("data/3f/a", big).has_value()) << number;
      ASSERT_TRUE(backend.put("leases/a", as_bytes("x")).has_value()) << number;
      ASSERT_EQ(backend.get("data/3f/a", big.size()).value(), big) << number;
      std::vector<std::string> names;
      const auto listed = backend.list("", [&](const ObjectInfo& info) -> Result<void> {
        names.push_back(info.name);
        return {};
      });
      ASSERT_TRUE(listed.has_value()) << number;
      std::ranges::sort(names);
      ASSERT_EQ(names, (std::vector<std::string>{"data/3f/a", "leases/a"})) << number;
      ASSERT_TRUE(backend.remove("leases/a").has_value()) << number;
      if (server.requests() - before < number) break;
    }
  }
}

// Counts how often somebody waits for the other side after he sent something.
class CountedChannel final : public ByteChannel {
 public:
  CountedChannel(std::unique_ptr<ByteChannel> inner, int& round_trips)
      : inner_(std::move(inner)), round_trips_(round_trips) {}
  Result<void> write(ByteView bytes) override {
    has_sent_ = true;
    return inner_->write(bytes);
  }
  Result<void> read(MutableByteView out) override {
    if (std::exchange(has_sent_, false)) ++round_trips_;
    return inner_->read(out);
  }

 private:
  const std::unique_ptr<ByteChannel> inner_;
  int& round_trips_;
  bool has_sent_ = false;
};

// Over one connection.
Result<std::unique_ptr<SftpBackend>> open_counted(MemoryServer& server, int& round_trips,
                                                  Rng& rng) {
  return SftpBackend::open(
      {.root = "/store", .place = "sftp://test/store", .connections_max = 1},
      [&] {
        return Client::begin(std::make_unique<CountedChannel>(server.connect(), round_trips));
      },
      rng);
}

TEST_F(SftpProtocol, TakesFewRoundTrips) {
  MemoryServer server;
  ASSERT_TRUE(create(server).has_value());
  int round_trips = 0;
  const auto taken = [&] { return std::exchange(round_trips, 0); };
  auto store = open_counted(server, round_trips, rng);
  ASSERT_TRUE(store.has_value());
  EXPECT_EQ(taken(), 3) << "the version; the root, opened; and read";
  ASSERT_TRUE((*store)->put("data/3f/a", Bytes(1'000'000)).has_value());
  EXPECT_EQ(taken(), 3) << "a file of another name, with its folders; bytes; its own name";
  ASSERT_TRUE((*store)->put("leases/a", as_bytes("x")).has_value());
  EXPECT_EQ(taken(), 3);
  ASSERT_TRUE((*store)->get("leases/a", 100).has_value());
  EXPECT_EQ(taken(), 2);
  ASSERT_TRUE((*store)->remove("leases/a").has_value());
  EXPECT_EQ(taken(), 1);
}

TEST_F(SftpProtocol, KeepsFilesOpenForWhoReadsThemInTurn) {
  MemoryServer server;
  ASSERT_TRUE(create(server).has_value());
  int round_trips = 0;
  auto store = open_counted(server, round_trips, rng);
  ASSERT_TRUE(store.has_value());
  std::vector<std::string> names;
  for (std::size_t i = 0; i <= Client::kKeptFilesMax; ++i) {
    names.push_back(fmt::format("data/{}", i));
    ASSERT_TRUE((*store)->put(names.back(), as_bytes("abc")).has_value());
  }
  const auto trips_of_reading = [&](const std::string& name) {
    const int before = round_trips;
    Bytes out(3);
    EXPECT_TRUE((*store)->get_range(name, 0, out).has_value()) << name;
    EXPECT_EQ(as_text(out), "abc");
    return round_trips - before;
  };
  for (const std::string& name : names) EXPECT_GT(trips_of_reading(name), 1) << name;
  for (std::size_t i = 1; i < names.size(); ++i) EXPECT_EQ(trips_of_reading(names[i]), 1) << i;
  EXPECT_GT(trips_of_reading(names[0]), 1) << "it was closed for the last one";
  EXPECT_GT(trips_of_reading(names[1]), 1) << "the one that was not used for longest made place";
  EXPECT_EQ(trips_of_reading(names.back()), 1);
  ASSERT_TRUE((*store)->remove(names.back()).has_value());
  Bytes out(3);
  EXPECT_EQ((*store)->get_range(names.back(), 0, out).error().code(), ErrorCode::kNotFound)
      << "what was removed is not read from an open file";
}

TEST_F(SftpProtocol, MakesItsConnectionsBeforehandWhereTransfersAreExpected) {
  MemoryServer server;
  ASSERT_TRUE(create(server).has_value());
  std::atomic<int> made = 0;
  std::atomic<bool> fails = false;
  const SftpOptions options{.root = "/store", .place = "sftp://test/store", .connections_max = 4};
  const SessionPool::Connect connect = [&]() -> Result<std::unique_ptr<Client>> {
    if (made++ > 0 && fails) return fail(ErrorCode::kUnavailable, "x");
    return Client::begin(server.connect());
  };
  {
    auto store = SftpBackend::open(options, connect, rng);
    ASSERT_TRUE(store.has_value());
    (*store)->expect_transfers();
    (*store)->expect_transfers();
    EXPECT_TRUE((*store)->put("data/a", as_bytes("x")).has_value());
  }
  EXPECT_EQ(made, 4);
  made = 0;
  fails = true;
  auto store = SftpBackend::open(options, connect, rng);
  ASSERT_TRUE(store.has_value());
  (*store)->expect_transfers();
  EXPECT_TRUE((*store)->get("data/a", 100).has_value()) << "one connection works";
}

TEST_F(SftpProtocol, KeepsSomebodyElsesObjectWhenItsOwnAnswerIsLost) {
  SystemClock clock;
  for (std::uint64_t number = 1; number < 20; ++number) {
    MemoryServer server;
    auto mine = create(server);
    auto theirs = create(server);
    ASSERT_TRUE((*theirs)->put("generations/1", as_bytes("theirs")).has_value());
    server.cut_at(server.requests() + number, MemoryServer::Cut::kAfter);
    RetryBackend backend(*std::move(mine), {}, {clock, rng, [](auto) {}, {}, {}});
    EXPECT_EQ(backend.put("generations/1", as_bytes("my own")).error().code(),
              ErrorCode::kAlreadyExists);
    EXPECT_EQ(as_text(backend.get("generations/1", 10).value()), "theirs");
  }
}

}  // namespace
}  // namespace backstay::backend::sftp
