#include "backend/placement/shard.h"

#include <gtest/gtest.h>

#include "backend/memory_backend.h"

namespace backstay::backend::placement {
namespace {

constexpr const char* kName = "data/3f/a";

Bytes random_object(std::size_t size) {
  Bytes bytes(size);
  SeededRng(size + 9).fill(bytes);
  return bytes;
}

struct Shards {
  Bytes object;
  PartHeader header;
  std::vector<Bytes> parts;
};

Shards shards_of(std::size_t size, const Redundancy& geometry) {
  Shards shards{.object = random_object(size), .header = {}, .parts = {}};
  const StreamedBytes object{
      .size = size, .piece_at = [&](std::uint64_t offset) -> Result<ByteView> {
        const ByteView rest = ByteView(shards.object).subspan(static_cast<std::size_t>(offset));
        return rest.first(std::min<std::size_t>(rest.size(), 70'001));
      }};
  SeededRng rng(4);
  PartHeader made = ShardMaker::header_of(object, geometry.data).value();
  made.geometry = geometry;
  made.value.nonce = new_nonce(rng);
  const ShardMaker maker(kName, object, made);
  for (unsigned i = 0; i < geometry.width(); ++i)
    shards.parts.push_back(gathered(maker.part(i)).value());
  shards.header = decode_part_header(kName, shards.parts[0]).value();
  return shards;
}

const std::size_t kObjectSizes[] = {0, 1, 3, 100, 65'536, 262'143, 262'144, 1'000'000, 1'048'577};

TEST(Shard, APartSaysWhatItIsAndAllAreOfOneLength) {
  for (const Redundancy geometry : {Redundancy{2, 1}, Redundancy{4, 2}, Redundancy{8, 3}}) {
    for (const std::size_t size : kObjectSizes) {
      const Shards shards = shards_of(size, geometry);
      for (unsigned i = 0; i < geometry.width(); ++i) {
        const auto header = decode_part_header(kName, shards.parts[i]);
        ASSERT_TRUE(header.has_value()) << header.error().describe();
        EXPECT_EQ(header->index, i);
        EXPECT_EQ(header->geometry, geometry);
        EXPECT_EQ(header->object_bytes, size);
        EXPECT_EQ(header->value.hash, crypto::blake3(shards.object));
        EXPECT_EQ(payload_of(shards.parts[i].size()), header->payload_bytes);
        EXPECT_EQ(shards.parts[i].size(), shards.parts[0].size());
        EXPECT_FALSE(decode_header(kName, shards.parts[i]).has_value()) << "it is no copy";
      }
      EXPECT_LE(shards.parts[0].size(), part_bytes(size / geometry.data + 1));
    }
  }
}

TEST(Shard, TheFirstPartsHoldTheObjectAsItIs) {
  const Shards shards = shards_of(700'000, {4, 2});
  const SystemClock clock;
  const Stripes stripes{.object_bytes = 700'000, .data = 4};
  Bytes object;
  std::vector<Bytes> payloads;
  for (unsigned i = 0; i < 4; ++i) {
    MemoryBackend store(clock);
    ASSERT_TRUE(store.put(kName, shards.parts[i]).has_value());
    // Whichever it was guessed to be.
    const auto blocks =
        read_part_blocks(store, kName, stripes, {.first = 0, .count = stripes.count()}, 5 - i);
    ASSERT_TRUE(blocks.has_value()) << blocks.error().describe();
    EXPECT_EQ(blocks->index, i);
    payloads.push_back(blocks->bytes);
  }
  for (std::uint64_t stripe = 0; stripe < stripes.count(); ++stripe) {
    const std::size_t at = static_cast<std::size_t>(stripe) * kBlockBytes;
    for (const Bytes& payload : payloads)
      append(object, ByteView(payload).subspan(at, stripes.unit_of(stripe)));
  }
  object.resize(700'000);
  EXPECT_EQ(object, shards.object);
}

TEST(Shard, AnyByteThatIsFlippedOrCutOffIsCorruption) {
  const SystemClock clock;
  const Shards shards = shards_of(900, {2, 1});
  for (const Bytes& part : shards.parts) {
    for (std::size_t i = 0; i < part.size(); ++i) {
      MemoryBackend store(clock);
      Bytes flipped = part;
      flipped[i] ^= 4;
      ASSERT_TRUE(store.put(kName, flipped).has_value());
      ASSERT_TRUE(store.put("data/3f/b", ByteView(part).first(i)).has_value());
      const auto read = read_whole_part(store, kName);
      ASSERT_FALSE(read.has_value()) << i;
      ASSERT_EQ(read.error().code(), ErrorCode::kCorruption);
      ASSERT_FALSE(read_whole_part(store, "data/3f/b").has_value());
    }
  }
}

TEST(Shard, PassesFromStoreToStoreAsItIs) {
  const SystemClock clock;
  for (const std::size_t size : kObjectSizes) {
    const Shards shards = shards_of(size * 5, {4, 2});
    for (unsigned i = 0; i < 6; ++i) {
      MemoryBackend store(clock);
      ASSERT_TRUE(store.put(kName, shards.parts[i]).has_value());
      const auto header = read_whole_part(store, kName);
      ASSERT_TRUE(header.has_value()) << header.error().describe();
      const auto passed = gathered(stream_of_part(store, kName, *header));
      ASSERT_TRUE(passed.has_value()) << passed.error().describe();
      EXPECT_EQ(*passed, shards.parts[i]);
    }
  }
}

}  // namespace
}  // namespace backstay::backend::placement
