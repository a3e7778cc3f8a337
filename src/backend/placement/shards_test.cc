// A placement that keeps Reed-Solomon shards: any `parity` stores may vanish.
#include <fmt/format.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <bit>

#include "backend/placement/testing/many_stores_fixture.h"
#include "backend/placement/upkeep.h"
#include "backend/testing/backend_contract.h"

namespace backstay::backend::placement {
namespace {

// ---- the contract of every backend

INSTANTIATE_TEST_SUITE_P(Shards, BackendContract,
                         ::testing::Values(contract_of("TwoAndOne", "shards: 2+1", 3),
                                           contract_of("FourAndTwo", "shards: 4+2", 7)));

// ---- stores that vanish

class ManyShardsTest : public ManyStoresTest {
 protected:
  // Objects of sizes around the ends of stripes, by their names.
  void fill_large(unsigned data) {
    const std::size_t stripe = data * kBlockBytes;
    for (const std::size_t size : {std::size_t{0}, std::size_t{1}, stripe - 1, stripe,
                                   2 * stripe + 1, 3 * stripe + 70'001}) {
      Bytes bytes(size);
      SeededRng(size + 1).fill(bytes);
      const std::string name = fmt::format("data/aa/{}", size);
      ASSERT_TRUE(backend_->put(name, ByteView(bytes)).has_value());
      large_[name] = std::move(bytes);
    }
    ASSERT_TRUE(backend_->barrier().has_value());
  }
  void expect_large(Backend& backend) {
    SeededRng rng(large_.size());
    for (const auto& [name, bytes] : large_) {
      const auto got = backend.get(name, 1 << 22);
      ASSERT_TRUE(got.has_value()) << name << ": " << got.error().describe();
      ASSERT_TRUE(*got == bytes) << name;
      ASSERT_EQ(backend.head(name)->size_bytes, bytes.size());
      for (int i = 0; i < 3; ++i) {
        const std::size_t from = rng.below(bytes.size() + 1);
        Bytes range(rng.below(bytes.size() - from + 1));
        const auto read = backend.get_range(name, from, range);
        ASSERT_TRUE(read.has_value()) << name << ": " << read.error().describe();
        ASSERT_TRUE(same_bytes(range, ByteView(bytes).subspan(from, range.size()))) << name;
      }
    }
    std::uint64_t listed = 0;
    ASSERT_TRUE(backend.list("data/aa/", [&](const ObjectInfo& info) -> Result<void> {
      EXPECT_EQ(info.size_bytes, large_.at(info.name).size());
      ++listed;
      return {};
    }));
    EXPECT_EQ(listed, large_.size());
  }
  void expect_small(Backend& backend) {
    for (const std::string& name : names_) {
      const auto bytes = backend.get(name, 1000);
      ASSERT_TRUE(bytes.has_value()) << bytes.error().describe();
      ASSERT_EQ(as_text(*bytes), name);
    }
  }
  void set_away(std::uint64_t mask, std::size_t stores) {
    for (std::size_t i = 0; i < stores; ++i) (*many_)[i].away = (mask >> i & 1) != 0;
  }
  // Every part of bulk objects, by store and name.
  std::map<std::string, Bytes> parts_on(std::size_t store) {
    std::map<std::string, Bytes> parts;
    for (const auto& [name, bytes] : (*many_)[store].memory.objects()) {
      if (name.starts_with("data/")) parts[name] = bytes;
    }
    return parts;
  }
  // On each store at most one part of an object, and all of them distinct.
  void expect_settled(std::size_t stores, unsigned width) {
    std::map<std::string, std::set<unsigned>> indices;
    for (std::size_t i = 0; i < stores; ++i) {
      for (const auto& [name, bytes] : parts_on(i)) {
        const auto header = decode_part_header(name, bytes);
        ASSERT_TRUE(header.has_value());
        EXPECT_TRUE(indices[name].insert(header->index).second) << name;
      }
    }
    for (const auto& [name, found] : indices) EXPECT_EQ(found.size(), width) << name;
    EXPECT_EQ(placement_status(*backend_)->incomplete, 0U);
  }
  std::map<std::string, Bytes> large_;
};

struct Kept {
  unsigned data;
  unsigned parity;
};

class AnyStores : public ManyShardsTest, public ::testing::WithParamInterface<Kept> {};

TEST_P(AnyStores, ThatAreAsManyAsTheParityMayVanish) {
  const auto [data, parity] = GetParam();
  const std::size_t stores = data + parity;
  make(fmt::format("shards: {}+{}", data, parity), stores);
  fill(5);
  fill_large(data);
  for (std::uint64_t mask = 0; mask < std::uint64_t{1} << stores; ++mask) {
    const auto away = static_cast<unsigned>(std::popcount(mask));
    if (away > parity + 1) continue;
    set_away(0, stores);
    backend_ = many_->open().value();
    set_away(mask, stores);
    if (away <= parity) {
      expect_large(*backend_);
      const auto other = many_->open();
      // Control objects ask for a majority besides.
      if (other) expect_small(**other);
      ASSERT_TRUE(other.has_value() || away > (stores - 1) / 2) << other.error().describe();
      continue;
    }
    EXPECT_EQ(code_of(backend_->get(large_.rbegin()->first, 1 << 22)), ErrorCode::kUnavailable);
    const auto listed = backend_->list("", [](const ObjectInfo&) -> Result<void> { return {}; });
    EXPECT_EQ(code_of(listed), ErrorCode::kUnavailable);
  }
}

INSTANTIATE_TEST_SUITE_P(Shards, AnyStores,
                         ::testing::Values(Kept{2, 1}, Kept{2, 2}, Kept{4, 2}, Kept{5, 1}));

TEST_F(ManyShardsTest, WhatIsDamagedIsPassedByBlockByBlock) {
  make("shards: 4+2", 6);
  fill_large(4);
  // In each stripe other parts are damaged, so that no four parts are whole.
  for (std::size_t store = 0; store < 6; ++store) {
    MemoryBackend::Objects objects = (*many_)[store].memory.objects();
    for (auto& [name, bytes] : objects) {
      if (!name.starts_with("data/")) continue;
      const unsigned index = decode_part_header(name, bytes)->index;
      for (std::size_t stripe = 0; kHeaderBytes + stripe * kBlockStride < bytes.size(); ++stripe) {
        const bool bad = index == stripe % 6 || index == (stripe + 1) % 6;
        if (bad) bytes[kHeaderBytes + stripe * kBlockStride] ^= 1;
      }
    }
    (*many_)[store].memory.set_objects(objects);
  }
  for (const auto& [name, bytes] : large_) {
    Bytes piece(std::min<std::size_t>(bytes.size(), 1000));
    for (std::size_t from = 0; from + piece.size() < bytes.size(); from += 90'000) {
      const auto read = backend_->get_range(name, from, piece);
      ASSERT_TRUE(read.has_value()) << read.error().describe();
      ASSERT_TRUE(same_bytes(piece, ByteView(bytes).subspan(from, piece.size())));
    }
  }
}

TEST_F(ManyShardsTest, TooMuchDamageIsSaidAndNothingIsRemoved) {
  make("shards: 4+2", 7);
  fill_large(4);
  const std::string name = large_.rbegin()->first;
  std::vector<MemoryBackend::Objects> before;
  for (std::size_t store = 0; store < 7; ++store) {
    MemoryBackend::Objects objects = (*many_)[store].memory.objects();
    if (objects.contains(name) && decode_part_header(name, objects[name])->index < 3)
      objects[name][kHeaderBytes] ^= 1;
    (*many_)[store].memory.set_objects(objects);
    before.push_back((*many_)[store].memory.objects());
  }
  EXPECT_EQ(code_of(backend_->get(name, 1 << 22)), ErrorCode::kCorruption);
  const auto report = repair_placement(*backend_, {.reading = Reading::kAllBytes});
  ASSERT_TRUE(report.has_value());
  EXPECT_EQ(report->lost, std::vector<std::string>{name});
  for (std::size_t store = 0; store < 7; ++store)
    EXPECT_TRUE((*many_)[store].memory.objects() == before[store]);
}

// ---- upkeep

TEST_F(ManyShardsTest, ARepairMakesTheSamePartsAgain) {
  make("shards: 4+2", 7);
  fill(20);
  fill_large(4);
  expect_settled(7, 6);
  std::vector<MemoryBackend::Objects> before;
  for (std::size_t i = 0; i < 7; ++i) before.push_back((*many_)[i].memory.objects());
  for (const std::size_t damaged : {0U, 3U}) {
    // One store lost all its parts, another has damaged ones.
    MemoryBackend::Objects objects = (*many_)[damaged].memory.objects();
    std::erase_if(objects, [](const auto& one) { return one.first.starts_with("data/"); });
    (*many_)[damaged].memory.set_objects(objects);
    objects = (*many_)[5].memory.objects();
    for (auto& [name, bytes] : objects) {
      if (name.starts_with("data/")) bytes.back() ^= 1;
    }
    (*many_)[5].memory.set_objects(objects);
    expect_large(*backend_);
    EXPECT_GT(placement_status(*backend_)->incomplete, 0U);
    const auto report = repair_placement(*backend_, {.reading = Reading::kAllBytes});
    ASSERT_TRUE(report.has_value()) << report.error().describe();
    EXPECT_TRUE(report->troubles.empty());
    EXPECT_GT(report->copies_damaged, 0U);
    // But for who made them first, in the parts of one that was created twice.
    for (std::size_t i = 0; i < 7; ++i)
      EXPECT_TRUE(without_progress((*many_)[i].memory.objects()) == without_progress(before[i]))
          << i;
  }
}

TEST_F(ManyShardsTest, APartThatIsThereTwiceIsReplacedByTheOneThatIsMissing) {
  make("shards: 2+2", 4);
  fill_large(2);
  const std::string name = large_.rbegin()->first;
  MemoryBackend::Objects objects = (*many_)[2].memory.objects();
  objects[name] = (*many_)[1].memory.objects().at(name);
  (*many_)[2].memory.set_objects(objects);
  expect_large(*backend_);
  ASSERT_TRUE(repair_placement(*backend_, {.reading = Reading::kAllBytes}).has_value());
  expect_settled(4, 4);
  EXPECT_EQ(repair_placement(*backend_, {.reading = Reading::kAllBytes})->copies_damaged, 0U);
}

TEST_F(ManyShardsTest, AStandInsPartGoesToTheOwnerThatIsBack) {
  make("shards: 2+1", 4);
  (*many_)[1].away = true;
  backend_ = many_->open().value();
  fill(20);
  fill_large(2);
  (*many_)[1].away = false;
  clock_.turn(10);
  backend_ = many_->open().value();
  ASSERT_TRUE(repair_placement(*backend_, {}).has_value());
  EXPECT_EQ(placement_status(*backend_)->incomplete, 0U);
  EXPECT_TRUE(change_map(*backend_, [](Map&) -> Result<void> { return {}; }).has_value());
  const auto report = rebalance_placement(*backend_, {});
  ASSERT_TRUE(report.has_value());
  EXPECT_TRUE(report->settled);
  expect_settled(4, 3);
}

// The owner that is back got the shard that its stand-in has; then the owner of another one is
// lost, and those two are the owners of what is left.
TEST_F(ManyShardsTest, TwoOfTheSameShardAreNotTakenForTwoShards) {
  for (std::size_t away = 0; away < 4; ++away) {
    for (std::size_t lost = 0; lost < 4; ++lost) {
      if (lost == away) continue;
      names_.clear();
      large_.clear();
      make("shards: 2+1", 4);
      set_away(std::uint64_t{1} << away, 4);
      backend_ = many_->open().value();
      fill(8);
      set_away(0, 4);
      clock_.turn(10);
      backend_ = many_->open().value();
      ASSERT_TRUE(repair_placement(*backend_, {}).has_value());
      set_away(std::uint64_t{1} << lost, 4);
      clock_.turn(10);
      ASSERT_TRUE(change_map(*backend_, [&](Map& map) -> Result<void> {
                    map.stores[lost].membership = Membership::kLeaving;
                    return {};
                  }).has_value());
      ASSERT_TRUE(rebalance_placement(*backend_, {})->settled);
      for (std::size_t i = 0; i < 4; ++i) {
        set_away(std::uint64_t{1} << lost | std::uint64_t{1} << i, 4);
        expect_small(*many_->open().value());
      }
      set_away(0, 4);
    }
  }
}

TEST_F(ManyShardsTest, AnEmptyDiskTakesThePlaceOfOneThatWasLost) {
  make("shards: 3+2", 6);
  fill(20);
  fill_large(3);
  const MemoryBackend::Objects before = (*many_)[1].memory.objects();
  (*many_)[1].memory.set_objects({});
  for (int cut = 0; cut < 2; ++cut) {
    int puts = 0;
    (*many_)[1].before = [&](std::string_view call, std::string_view) -> Result<void> {
      if (call == "put" && ++puts > 15) return fail(ErrorCode::kCancelled, "killed");
      return {};
    };
    const auto opened = many_->opener()("s1").value();
    EXPECT_EQ(code_of(refill_store(*backend_, "s1", *opened, {})), ErrorCode::kCancelled);
  }
  (*many_)[1].before = nullptr;
  const auto opened = many_->opener()("s1").value();
  const auto report = refill_store(*backend_, "s1", *opened, {});
  ASSERT_TRUE(report.has_value()) << report.error().describe();
  // Only what says which disk it is has changed.
  const auto without_identity = [](MemoryBackend::Objects objects) {
    std::erase_if(objects, [](const auto& one) { return one.first.starts_with("placement/"); });
    return objects;
  };
  EXPECT_TRUE(without_identity((*many_)[1].memory.objects()) == without_identity(before));
  EXPECT_TRUE(report->settled);
}

TEST_F(ManyShardsTest, StoresComeAndGoAndMoveAboutTheirShare) {
  make("shards: 2+1", 4);
  fill(120);
  fill_large(2);
  const auto lines = [](std::size_t count) {
    std::string text = "shards: 2+1\nstores:\n";
    for (std::size_t i = 0; i < count; ++i) text += ManyStores::line_of(i);
    return text;
  };
  many_->set_file(lines(5));
  const auto opened = many_->opener()("s4").value();
  const MapStore joining = prepare_store(*backend_, *many_->file().find("s4"), *opened).value();
  ASSERT_TRUE(change_map(*backend_, [&](Map& map) -> Result<void> {
                map.stores.push_back(joining);
                return {};
              }).has_value());
  const auto added = rebalance_placement(*backend_, {});
  ASSERT_TRUE(added.has_value()) << added.error().describe();
  EXPECT_TRUE(added->settled);
  expect_settled(5, 3);
  std::uint64_t parts = 0;
  for (std::size_t i = 0; i < 5; ++i) parts += parts_on(i).size();
  std::uint64_t moved = parts_on(4).size();
  EXPECT_NEAR(static_cast<double>(moved) / static_cast<double>(parts), 0.2, 0.06);
  expect_small(*backend_);
  // One is taken out that is lost.
  (*many_)[2].memory.set_objects({});
  backend_ = many_->open().value();
  ASSERT_TRUE(change_map(*backend_, [](Map& map) -> Result<void> {
                map.stores[2].membership = Membership::kLeaving;
                return {};
              }).has_value());
  const auto removed = rebalance_placement(*backend_, {});
  ASSERT_TRUE(removed.has_value()) << removed.error().describe();
  EXPECT_TRUE(removed->settled) << (removed->troubles.empty() ? "" : removed->troubles.front());
  expect_settled(5, 3);
  expect_large(*backend_);
  for (std::size_t away : {0U, 1U, 3U, 4U}) {
    (*many_)[away].away = true;
    expect_large(*many_->open().value());
    (*many_)[away].away = false;
  }
}

TEST_F(ManyShardsTest, OneStoreMoreOfParityIsPutBesideWhatIsThere) {
  make("shards: 2+1", 4);
  fill(10);
  fill_large(2);
  std::vector<std::map<std::string, Bytes>> before;
  for (std::size_t i = 0; i < 4; ++i) before.push_back(parts_on(i));
  ASSERT_TRUE(change_map(*backend_, [](Map& map) -> Result<void> {
                map.redundancy.parity = 2;
                map.quorum = 4;
                return {};
              }).has_value());
  ASSERT_TRUE(rebalance_placement(*backend_, {})->settled);
  expect_settled(4, 4);
  for (std::size_t i = 0; i < 4; ++i) {
    for (const auto& [name, bytes] : before[i]) EXPECT_TRUE(parts_on(i).at(name) == bytes);
  }
  set_away(0b0101, 4);
  expect_large(*backend_);
}

TEST_F(ManyShardsTest, CopiesDoNotBecomeShards) {
  make("copies: 2", 4);
  const auto changed = change_map(*backend_, [](Map& map) -> Result<void> {
    map.redundancy = {.data = 2, .parity = 1};
    map.quorum = 3;
    return {};
  });
  EXPECT_EQ(code_of(changed), ErrorCode::kUnsupported);
  EXPECT_TRUE(changed.error().hint().contains("copy"));
}

TEST_F(ManyShardsTest, APutThatWasCutLeavesNothingThatIsSeen) {
  make("shards: 4+2", 7);
  fill(5);
  int puts = 0;
  for (std::size_t i = 0; i < 7; ++i) {
    (*many_)[i].before = [&](std::string_view call, std::string_view) -> Result<void> {
      if (call == "put" && ++puts > 3) return fail(ErrorCode::kCancelled, "killed");
      return {};
    };
  }
  // One after the other, so that three parts are there.
  const Bytes bytes(1'000'000, 7);
  const StreamedBytes streamed{.size = bytes.size(),
                               .piece_at = [&](std::uint64_t offset) -> Result<ByteView> {
                                 return ByteView(bytes).subspan(static_cast<std::size_t>(offset));
                               }};
  EXPECT_EQ(code_of(backend_->put_streamed("index/aa", streamed)), ErrorCode::kCancelled);
  for (std::size_t i = 0; i < 7; ++i) (*many_)[i].before = nullptr;
  backend_ = many_->open().value();
  expect_all(*backend_);
  EXPECT_EQ(code_of(backend_->get("index/aa", 1 << 20)), ErrorCode::kNotFound);
  EXPECT_EQ(code_of(backend_->head("index/aa")), ErrorCode::kNotFound);
  ASSERT_TRUE(change_map(*backend_, [](Map&) -> Result<void> { return {}; }).has_value());
  EXPECT_TRUE(rebalance_placement(*backend_, {})->settled) << "it keeps nobody from moving on";
  ASSERT_TRUE(backend_->put_streamed("index/aa", streamed).has_value());
  EXPECT_EQ(backend_->get("index/aa", 1 << 20).value(), bytes);
}

}  // namespace
}  // namespace backstay::backend::placement
