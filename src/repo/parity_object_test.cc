#include "repo/parity_object.h"

#include <gtest/gtest.h>

#include "backend/memory_backend.h"
#include "base/record.h"
#include "repo/testing/fixture.h"

namespace backstay::repo {
namespace {

const RepositoryId kHere = {.bytes = {1, 2, 3}};

struct Sample {
  ParityDirectory directory;
  std::vector<BlockDigest> digests;
  Bytes object;
};

Sample sample_shard() {
  Sample sample;
  ParityDirectory& directory = sample.directory;
  directory = {.type = ParityType::kShard,
               .number = 1,
               .payload_bytes = 9000,
               .shards = 2,
               .slots = 5,
               .block_bytes = 4096,
               .digests = {},
               .members = {{.slot = 0, .kind = PackKind::kData, .pack = {}, .size_bytes = 9000},
                           {.slot = 3, .kind = PackKind::kMeta, .pack = {}, .size_bytes = 300}},
               .copies = {},
               .removed = {}};
  SeededRng(4).fill(directory.members[0].pack.bytes);
  Bytes all;
  for (std::uint64_t i = 0; i < directory.digest_count(); ++i) {
    sample.digests.push_back(block_digest(noise(10, i)));
    append(all, sample.digests.back().view());
  }
  directory.digests = crypto::blake3(all);
  sample.object = encode_parity_head(directory, kHere, sample.digests);
  append(sample.object, noise(9000, 77));
  return sample;
}

Sample sample_copies() {
  Sample sample;
  sample.directory.type = ParityType::kCopies;
  sample.directory.payload_bytes = 70;
  sample.directory.copies = {{.name = "config", .size_bytes = 50, .digest = {}},
                             {.name = "snapshots/00ff", .size_bytes = 20, .digest = {}}};
  sample.object = encode_parity_head(sample.directory, kHere, {});
  append(sample.object, noise(70, 78));
  return sample;
}

Sample sample_removals() {
  Sample sample;
  sample.directory.type = ParityType::kRemovals;
  sample.directory.removed = {{}, {.bytes = {1}}};
  sample.object = encode_parity_head(sample.directory, kHere, {});
  return sample;
}

class ParityObject : public RepositoryFixture {
 protected:
  Result<ParityHead> read(const Bytes& object) {
    memory_.set_objects({{"parity/00", object}});
    return read_parity_head(memory_, "parity/00", object.size());
  }
};

TEST_F(ParityObject, HeadsSurviveBeingWrittenAndRead) {
  for (const Sample& sample : {sample_shard(), sample_copies(), sample_removals()}) {
    const auto head = read(sample.object);
    ASSERT_EQ(problem(head), "");
    EXPECT_EQ(head->directory, sample.directory);
    EXPECT_EQ(head->repository, kHere);
    EXPECT_EQ(head->payload_at + sample.directory.payload_bytes, sample.object.size());
  }
  const Sample shard = sample_shard();
  const auto head = read(shard.object);
  const auto digests = read_block_digests(memory_, "parity/00", *head);
  ASSERT_EQ(problem(digests), "");
  EXPECT_EQ(*digests, shard.digests);
}

TEST_F(ParityObject, LargeDirectoriesTakeASecondRead) {
  Sample sample = sample_copies();
  for (int i = 0; i < 2000; ++i)
    sample.directory.copies.push_back({.name = "snapshots/0", .size_bytes = 0, .digest = {}});
  sample.object = encode_parity_head(sample.directory, kHere, {});
  append(sample.object, noise(70, 78));
  const auto head = read(sample.object);
  ASSERT_EQ(problem(head), "");
  EXPECT_EQ(head->directory, sample.directory);
}

// Damage of the payload is found by the name and by the block digests.
TEST_F(ParityObject, EveryFlippedByteBeforeThePayloadIsCorruption) {
  const Sample sample = sample_shard();
  const auto whole = decode_parity_head(sample.object, sample.object.size());
  for_each_flip(
      ByteView(sample.object).first(whole->payload_at), [&](const Bytes& damaged, std::size_t at) {
        Bytes object = damaged;
        append(object, noise(9000, 77));
        const auto head = read(object);
        if (!head) {
          EXPECT_EQ(code_of(head), "corruption") << at;
          return;
        }
        ASSERT_GE(at, head->digests_at);
        EXPECT_EQ(code_of(read_block_digests(memory_, "parity/00", *head)), "corruption") << at;
      });
}

TEST_F(ParityObject, EveryPrefixIsCorruption) {
  for (const Sample& sample : {sample_shard(), sample_copies(), sample_removals()}) {
    for_each_prefix(sample.object, [&](ByteView prefix) {
      EXPECT_EQ(code_of(decode_parity_head(prefix, prefix.size())), "corruption");
    });
  }
}

TEST_F(ParityObject, AllShardsOfAGroupHaveItsId) {
  ParityDirectory one = sample_shard().directory;
  ParityDirectory other = one;
  other.number = 0;
  EXPECT_EQ(one.group(), other.group());
  other.members[0].size_bytes = other.payload_bytes = 8999;
  EXPECT_NE(one.group(), other.group());
}

TEST_F(ParityObject, RefusesDirectoriesThatBreakARule) {
  using Change = std::function<void(ParityDirectory&)>;
  const std::vector<Change> changes{
      [](ParityDirectory& d) { d.number = 2; },
      [](ParityDirectory& d) { d.shards = 0; },
      [](ParityDirectory& d) { d.shards = kParityShardsMax + 1; },
      [](ParityDirectory& d) { d.slots = kParitySlotsMax + 1; },
      [](ParityDirectory& d) { d.slots = 3; },
      [](ParityDirectory& d) { d.block_bytes = 0; },
      [](ParityDirectory& d) { d.block_bytes = 5000; },
      [](ParityDirectory& d) { d.block_bytes = 2 * kParityBlockMax; },
      [](ParityDirectory& d) { d.payload_bytes = 9001; },
      [](ParityDirectory& d) { d.payload_bytes = d.members[0].size_bytes = 1ULL << 40; },
      [](ParityDirectory& d) { d.members[1].slot = 0; },
      [](ParityDirectory& d) { d.members[1].size_bytes = 0; },
      [](ParityDirectory& d) { d.members[1].kind = static_cast<PackKind>(6); },
      [](ParityDirectory& d) { d.members.clear(); },
      [](ParityDirectory& d) { d.copies.push_back({}); },
      [](ParityDirectory& d) { d.removed.push_back({}); },
  };
  for (std::size_t i = 0; i < changes.size(); ++i) {
    ParityDirectory directory = sample_shard().directory;
    changes[i](directory);
    Bytes record;
    encode_parity_directory(directory, record);
    EXPECT_EQ(code_of(decode_parity_directory(record)), "corruption") << i;
  }
  const std::vector<Change> of_copies{
      [](ParityDirectory& d) { d.copies[0].name = "../config"; },
      [](ParityDirectory& d) { d.copies[0].size_bytes = 51; },
      [](ParityDirectory& d) { d.payload_bytes = d.copies[0].size_bytes = 1ULL << 50; },
      [](ParityDirectory& d) { d.copies[0].size_bytes = ~std::uint64_t{0} - 18; },
  };
  for (std::size_t i = 0; i < of_copies.size(); ++i) {
    ParityDirectory directory = sample_copies().directory;
    of_copies[i](directory);
    Bytes record;
    encode_parity_directory(directory, record);
    EXPECT_EQ(code_of(decode_parity_directory(record)), "corruption") << i;
  }
}

class ParityWishes : public RepositoryFixture {};

TEST_F(ParityWishes, TheLastOneCounts) {
  EXPECT_FALSE(read_parity_wish(memory_, kHere)->wanted());
  ParityWish wish{.hundredths = 500, .shards = 2, .slots = 40, .time = {5, 6}};
  const auto first = store_parity_wish(memory_, kHere, wish);
  ASSERT_EQ(problem(first), "");
  EXPECT_EQ(*read_parity_wish(memory_, kHere), *first);
  wish.hundredths = 0;
  const auto second = store_parity_wish(memory_, kHere, wish);
  EXPECT_EQ(second->number, 2U);
  EXPECT_EQ(*read_parity_wish(memory_, kHere), *second);
  EXPECT_EQ(names("parity/"), std::vector<std::string>{"parity/wish-0000000002"});
}

TEST_F(ParityWishes, OlderOnesThatStayDoNoHarm) {
  ASSERT_EQ(problem(memory_.set_append_only(backend::AppendOnly::kOn)), "");
  for (std::uint32_t i = 1; i <= 3; ++i) {
    ASSERT_EQ(problem(store_parity_wish(memory_, kHere, {.hundredths = i * 100, .time = {}})), "");
  }
  EXPECT_EQ(read_parity_wish(memory_, kHere)->hundredths, 300U);
}

TEST_F(ParityWishes, DamageIsCorruption) {
  ASSERT_EQ(problem(store_parity_wish(memory_, kHere, {.hundredths = 500, .time = {}})), "");
  const std::string name = only_name("parity/");
  const Bytes whole = *memory_.get(name, 1000);
  for_each_flip(whole, [&](const Bytes& damaged, std::size_t at) {
    memory_.set_objects({{name, damaged}});
    EXPECT_EQ(code_of(read_parity_wish(memory_, kHere)), "corruption") << at;
  });
  memory_.set_objects({{name, whole}});
  EXPECT_EQ(code_of(read_parity_wish(memory_, {})), "corruption");
}

}  // namespace
}  // namespace backstay::repo
