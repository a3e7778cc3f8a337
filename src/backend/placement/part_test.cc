#include "backend/placement/part.h"

#include <gtest/gtest.h>

#include "backend/memory_backend.h"

namespace backstay::backend::placement {
namespace {

Bytes noise(std::size_t size) {
  Bytes bytes(size);
  SeededRng(size + 1).fill(bytes);
  return bytes;
}

Bytes part_of(std::string_view name, const Bytes& object) {
  SeededRng rng(4);
  const ByteView piece = object;
  const Copy copy = make_copy(name, {&piece, 1}, new_nonce(rng));
  Bytes part;
  for (const ByteView one : copy.pieces) append(part, one);
  return part;
}

const std::size_t kSizes[] = {0,      1,       100,       65'535,    65'536,
                              65'537, 131'072, 1'000'000, 1'048'576, 3'000'001};

TEST(Part, GivesTheObjectBack) {
  for (const std::size_t size : kSizes) {
    const Bytes object = noise(size);
    const Bytes part = part_of("data/3f/a", object);
    EXPECT_EQ(part.size(), part_bytes(size));
    EXPECT_EQ(payload_of(part.size()), size);
    const auto opened = open_copy("data/3f/a", part);
    ASSERT_TRUE(opened.has_value()) << opened.error().describe();
    EXPECT_EQ(opened->bytes, object);
    EXPECT_FALSE(open_copy("data/3f/b", part).has_value()) << "it belongs to another name";
  }
}

TEST(Part, AnyByteThatIsFlippedOrCutOffIsCorruption) {
  const Bytes part = part_of("leases/x", noise(300));
  for (std::size_t i = 0; i < part.size(); ++i) {
    Bytes flipped = part;
    flipped[i] ^= 4;
    const auto opened = open_copy("leases/x", flipped);
    ASSERT_FALSE(opened.has_value()) << i;
    ASSERT_EQ(opened.error().code(), ErrorCode::kCorruption);
    ASSERT_FALSE(open_copy("leases/x", to_owned(ByteView(part).first(i))).has_value()) << i;
  }
  Bytes longer = part;
  longer.push_back(0);
  EXPECT_FALSE(open_copy("leases/x", longer).has_value());
}

TEST(Part, NoObjectHasAPartOfAnyOtherLength) {
  for (std::uint64_t length = 0; length < 300'000; ++length) {
    const auto payload = payload_of(length);
    if (payload) {
      ASSERT_EQ(part_bytes(*payload), length);
    }
  }
}

TEST(Part, ReadsAnyRangeAndSeesDamageInIt) {
  const SystemClock clock;
  MemoryBackend store(clock);
  const Bytes object = noise(400'000);
  ASSERT_TRUE(store.put("data/3f/a", part_of("data/3f/a", object)).has_value());
  for (const std::size_t from : {0U, 1U, 65'535U, 65'536U, 100'000U, 399'999U, 400'000U}) {
    for (const std::size_t length : {0U, 1U, 2U, 65'536U, 200'000U, 400'000U}) {
      Bytes out(length);
      const auto read = read_payload(store, "data/3f/a", "data/3f/a", object.size(), from, out);
      ASSERT_EQ(read.has_value(), from + length <= object.size());
      if (read) {
        ASSERT_TRUE(same_bytes(out, ByteView(object).subspan(from, length)));
      }
    }
  }
  MemoryBackend::Objects objects = store.objects();
  objects["data/3f/a"][kHeaderBytes + 2 * (kBlockBytes + kBlockHashBytes) + 7] ^= 1;
  store.set_objects(objects);
  Bytes out(10);
  EXPECT_TRUE(read_payload(store, "data/3f/a", "data/3f/a", object.size(), 131'000, out));
  EXPECT_EQ(
      read_payload(store, "data/3f/a", "data/3f/a", object.size(), 140'000, out).error().code(),
      ErrorCode::kCorruption);
}

TEST(Part, OfAStreamIsTheSameAsOfBytes) {
  for (const std::size_t size : kSizes) {
    const Bytes object = noise(size);
    const StreamedBytes inner{
        .size = size, .piece_at = [&](std::uint64_t offset) {
          const ByteView rest = ByteView(object).subspan(offset);
          return Result<ByteView>(rest.first(std::min<std::size_t>(rest.size(), 50'001)));
        }};
    SeededRng rng(4);
    StreamedCopy copy = StreamedCopy::make("index/3f", inner, new_nonce(rng)).value();
    for (int again = 0; again < 2; ++again)
      EXPECT_EQ(gathered(copy.stream()).value(), part_of("index/3f", object)) << size;
  }
}

}  // namespace
}  // namespace backstay::backend::placement
