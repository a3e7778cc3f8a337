#include "snapshot/content.h"

#include <gtest/gtest.h>

#include "base/record.h"
#include "base/try.h"
#include "snapshot/testing/damage.h"
#include "snapshot/testing/memory_chunks.h"
#include "snapshot/testing/samples.h"

namespace backstay::snapshot {
namespace {

using testing::MemoryChunks;

Bytes encoded(const ContentRoot& content) {
  Bytes out;
  encode_content(content, out);
  return out;
}

Extent chunk_extent(std::uint64_t number, std::uint64_t length) {
  SeededRng rng(number);
  return {.kind = ExtentKind::kChunk, .length = length, .id = testing::sample_id(rng)};
}
Extent hole(std::uint64_t length) {
  return {.kind = ExtentKind::kHole, .length = length, .id = {}};
}
Extent zeros(std::uint64_t length) {
  return {.kind = ExtentKind::kZeros, .length = length, .id = {}};
}

ContentRoot built(MemoryChunks& chunks, const std::vector<Extent>& extents) {
  ContentBuilder builder(chunks);
  for (const Extent& extent : extents) EXPECT_TRUE(builder.add(extent).has_value());
  return builder.finish().value();
}

Result<std::vector<Extent>> read_back(MemoryChunks& chunks, const ContentRoot& root,
                                      std::uint64_t size) {
  std::vector<Extent> extents;
  std::uint64_t expected_offset = 0;
  TRY(for_each_extent(root, size, chunks,
                      [&](std::uint64_t offset, const Extent& extent) -> Result<void> {
                        EXPECT_EQ(offset, expected_offset);
                        expected_offset += extent.length;
                        extents.push_back(extent);
                        return {};
                      }));
  return extents;
}

ErrorCode failure_of(MemoryChunks& chunks, const ContentRoot& root, std::uint64_t size) {
  const auto result = read_back(chunks, root, size);
  EXPECT_FALSE(result.has_value());
  return result ? ErrorCode::kInternal : result.error().code();
}

// One item that says that a list chunk with these bytes covers `length`.
Extent forged_list(MemoryChunks& chunks, ByteView encoded_list, std::uint64_t length) {
  const chunk::ChunkRef ref = chunks.write(encoded_list).value();
  return {.kind = ExtentKind::kList, .length = length, .id = ref.id, .list_length = ref.length};
}

TEST(Content, RoundTripsAllKindsOfExtents) {
  SeededRng rng(1);
  for (int i = 0; i < 2000; ++i) {
    ContentRoot content;
    for (std::uint64_t count = rng.below(20); count > 0; --count) {
      content.extents.push_back(testing::sample_extent(rng));
    }
    const auto decoded = decode_content(encoded(content));
    ASSERT_TRUE(decoded.has_value());
    EXPECT_EQ(*decoded, content);
    EXPECT_EQ(encoded_content_bytes(content), encoded(content).size());
  }
}

TEST(Content, ReportsDamageAsCorruptionOrReadsWhatCouldHaveBeenWritten) {
  SeededRng rng(2);
  const auto check = [](const Bytes& damaged) {
    const auto decoded = decode_content(damaged);
    if (decoded.has_value()) {
      EXPECT_EQ(encoded(*decoded), damaged);
    } else {
      EXPECT_EQ(decoded.error().code(), ErrorCode::kCorruption);
    }
  };
  for (int i = 0; i < 200; ++i) {
    const Entry entry = testing::sample_entry(rng);
    testing::for_each_truncation(encoded(entry.content), check);
    testing::for_each_flipped_byte(encoded(entry.content), rng, check);
  }
}

TEST(Content, RefusesAbsurdItems) {
  const auto refused = [](const Bytes& bytes) { return !decode_content(bytes).has_value(); };
  EXPECT_TRUE(refused({}));
  EXPECT_TRUE(refused({9}));                          // too many levels
  EXPECT_TRUE(refused({1}));                          // a list of no lists
  EXPECT_TRUE(refused({0, 0 << 2 | 1}));              // an empty extent
  EXPECT_TRUE(refused({0, 0x80 | (1 << 2 | 1), 0}));  // a long form
  EXPECT_TRUE(refused({1, 1 << 2 | 1}));              // a hole among lists
  EXPECT_TRUE(refused(Bytes(kInlineContentMax + 1, 1 << 2 | 1)));
  Bytes long_chunk{0};
  append_varint(long_chunk, (std::uint64_t{kChunkLengthMax} + 1) << 2);
  append(long_chunk, Bytes(32, 7));
  EXPECT_TRUE(refused(long_chunk));
  Bytes overflowing{0};
  for (int i = 0; i < 5; ++i) append_varint(overflowing, kExtentLengthMax << 2 | 1);
  EXPECT_TRUE(refused(overflowing));
}

TEST(ContentBuilder, JoinsAdjacentHolesAndAdjacentZeros) {
  MemoryChunks chunks;
  const ContentRoot root = built(chunks, {hole(1), hole(2), zeros(3), zeros(4), hole(5),
                                          chunk_extent(1, 10), chunk_extent(1, 10), zeros(6)});
  EXPECT_EQ(root.extents, (std::vector<Extent>{hole(3), zeros(7), hole(5), chunk_extent(1, 10),
                                               chunk_extent(1, 10), zeros(6)}));
  EXPECT_EQ(chunks.writes(), 0U);
}

TEST(ContentBuilder, KeepsAnEmptyFileEmpty) {
  MemoryChunks chunks;
  EXPECT_EQ(built(chunks, {}), ContentRoot{});
  EXPECT_TRUE(read_back(chunks, ContentRoot{}, 0).value().empty());
}

TEST(ContentBuilder, RefusesExtentsThatCannotBeStored) {
  MemoryChunks chunks;
  ContentBuilder builder(chunks);
  EXPECT_FALSE(builder.add(hole(0)).has_value());
  EXPECT_FALSE(builder.add(chunk_extent(1, kChunkLengthMax + 1)).has_value());
  EXPECT_FALSE(builder.add({.kind = ExtentKind::kList, .length = 5, .id = {}}).has_value());
  EXPECT_TRUE(builder.add(hole(~std::uint64_t{0})).has_value());
  EXPECT_FALSE(builder.add(zeros(1)).has_value());
}

TEST(ContentBuilder, SplitsHolesThatOneExtentCannotSay) {
  MemoryChunks chunks;
  const std::uint64_t largest_file = std::numeric_limits<std::int64_t>::max();
  const ContentRoot root = built(chunks, {hole(largest_file - 5), hole(5)});
  EXPECT_EQ(root.extents,
            (std::vector<Extent>{hole(kExtentLengthMax), hole(kExtentLengthMax), hole(1)}));
  EXPECT_EQ(decode_content(encoded(root)).value(), root);
  EXPECT_TRUE(read_back(chunks, root, largest_file).has_value());
}

TEST(ContentBuilder, MovesToListsExactlyWhenAnEntryIsFull) {
  // A level byte and 117 chunks of 35 bytes are 4,096 bytes.
  std::vector<Extent> extents;
  for (std::uint64_t i = 0; i < 117; ++i) extents.push_back(chunk_extent(i, 8192));
  MemoryChunks chunks;
  ContentRoot root = built(chunks, extents);
  EXPECT_EQ(root.level, 0);
  EXPECT_EQ(encoded(root).size(), kInlineContentMax);
  extents.push_back(hole(1));
  root = built(chunks, extents);
  EXPECT_EQ(root.level, 1);
  EXPECT_EQ(read_back(chunks, root, 117 * 8192 + 1).value(), extents);
}

TEST(ContentBuilder, RoundTripsListsOfAnyLength) {
  SeededRng rng(5);
  for (const std::size_t count : {1U, 100U, 130U, 500U, 3000U, 60'000U}) {
    std::vector<Extent> extents;
    std::uint64_t size = 0;
    for (std::size_t i = 0; i < count; ++i) {
      Extent extent = testing::sample_extent(rng);
      if (!extents.empty() && extents.back().kind == extent.kind) extent = chunk_extent(i, 4096);
      extents.push_back(extent);
      size += extent.length;
      if (size > (std::uint64_t{1} << 60)) break;
    }
    MemoryChunks chunks;
    const ContentRoot root = built(chunks, extents);
    EXPECT_LE(encoded(root).size(), kInlineContentMax);
    EXPECT_EQ(read_back(chunks, root, size).value(), extents);
  }
}

TEST(ContentBuilder, HoldsThreeMillionExtentsInBoundedMemory) {
  constexpr std::uint64_t kCount = 3'000'000;
  constexpr std::uint64_t kLength = 4096;
  MemoryChunks chunks;
  ContentBuilder builder(chunks);
  for (std::uint64_t i = 0; i < kCount; ++i) {
    ASSERT_TRUE(builder.add(chunk_extent(i, kLength)).has_value());
  }
  const ContentRoot root = builder.finish().value();
  EXPECT_GE(root.level, 2);
  EXPECT_LE(encoded(root).size(), kInlineContentMax);

  // Each list was handed on as it filled: none is longer than the limit and one item.
  std::uint64_t lists = 0;
  ASSERT_TRUE(for_each_list_chunk(root, chunks, [&](const chunk::ChunkRef& list) -> Result<void> {
                EXPECT_LE(list.length, 64 * 1024 + 64);
                EXPECT_TRUE(chunks.contains(list.id));
                ++lists;
                return {};
              }).has_value());
  EXPECT_EQ(lists, chunks.writes());

  std::uint64_t walked = 0;
  std::uint64_t walked_lists = 0;
  std::uint64_t last_list_skipped = 0;
  ASSERT_TRUE(walk_content(root, kCount * kLength, chunks,
                           {.list = [&](const chunk::ChunkRef&) -> Result<bool> {
                              return ++walked_lists <= lists;
                            },
                            .extent = [&](const Extent&) -> Result<void> {
                              ++walked;
                              return {};
                            }})
                  .has_value());
  EXPECT_EQ(walked_lists, lists) << "those in lists, too";
  EXPECT_EQ(walked, kCount);
  ASSERT_TRUE(walk_content(root, kCount * kLength, chunks,
                           {.list = [&](const chunk::ChunkRef&) -> Result<bool> {
                              ++last_list_skipped;
                              return false;
                            },
                            .extent = [&](const Extent&) -> Result<void> {
                              return fail(ErrorCode::kInternal, "all is in lists");
                            }})
                  .has_value());
  EXPECT_LT(last_list_skipped, lists);

  std::uint64_t count = 0;
  ASSERT_TRUE(for_each_extent(root, kCount * kLength, chunks,
                              [&](std::uint64_t offset, const Extent& extent) -> Result<void> {
                                if (offset != count * kLength || extent.length != kLength) {
                                  return fail(ErrorCode::kInternal, "an extent moved");
                                }
                                ++count;
                                return {};
                              })
                  .has_value());
  EXPECT_EQ(count, kCount);
}

TEST(ContentBuilder, SharesListsBeforeAndAfterAChange) {
  std::vector<Extent> extents;
  for (std::uint64_t i = 0; i < 50'000; ++i) extents.push_back(chunk_extent(i, 4096));
  MemoryChunks chunks;
  built(chunks, extents);
  const std::uint64_t before = chunks.stored();
  EXPECT_GT(before, 50U);
  extents[25'000] = chunk_extent(999'999, 4096);
  extents.insert(extents.begin() + 100, chunk_extent(888'888, 100));
  built(chunks, extents);
  EXPECT_LE(chunks.stored() - before, 6U);
}

TEST(ForEachExtent, ReportsAWrongSize) {
  MemoryChunks chunks;
  const ContentRoot root = built(chunks, {hole(5), chunk_extent(1, 5)});
  EXPECT_EQ(failure_of(chunks, root, 9), ErrorCode::kCorruption);
  EXPECT_EQ(failure_of(chunks, root, 11), ErrorCode::kCorruption);
}

TEST(ForEachExtent, ReportsAListThatCoversAnotherLength) {
  MemoryChunks chunks;
  const Bytes list_of_five{0, 5 << 2 | 1};
  for (const std::uint64_t length : {4U, 6U}) {
    const ContentRoot root{1, {forged_list(chunks, list_of_five, length)}};
    EXPECT_EQ(failure_of(chunks, root, length), ErrorCode::kCorruption);
  }
  const ContentRoot right{1, {forged_list(chunks, list_of_five, 5)}};
  EXPECT_TRUE(read_back(chunks, right, 5).has_value());
}

TEST(ForEachExtent, ReportsHostileNesting) {
  MemoryChunks chunks;
  // A list that refers to itself: its level cannot descend.
  SeededRng rng(3);
  const chunk::ChunkId id = testing::sample_id(rng);
  Extent itself{.kind = ExtentKind::kList, .length = 5, .id = id, .list_length = 0};
  itself.list_length = static_cast<std::uint32_t>(encoded_content_bytes({1, {itself}}));
  chunks.replace(id, encoded({1, {itself}}));
  EXPECT_EQ(failure_of(chunks, {1, {itself}}, 5), ErrorCode::kCorruption);
  EXPECT_EQ(failure_of(chunks, {2, {itself}}, 5), ErrorCode::kCorruption);
  // A list beyond the deepest level.
  const Extent deep = forged_list(chunks, Bytes{9, 1}, 5);
  EXPECT_EQ(failure_of(chunks, {8, {deep}}, 5), ErrorCode::kCorruption);
  // A list that ends in the middle of an item, and one that is empty.
  EXPECT_EQ(failure_of(chunks, {1, {forged_list(chunks, Bytes{0, 0x80}, 5)}}, 5),
            ErrorCode::kCorruption);
  EXPECT_EQ(failure_of(chunks, {1, {forged_list(chunks, Bytes{0}, 5)}}, 5), ErrorCode::kCorruption);
}

TEST(ForEachExtent, PassesOnFailuresOfTheStoreAndOfTheCaller) {
  std::vector<Extent> extents;
  for (std::uint64_t i = 0; i < 1000; ++i) extents.push_back(chunk_extent(i, 10));
  MemoryChunks chunks;
  const ContentRoot root = built(chunks, extents);
  const auto stop = [](std::uint64_t, const Extent&) -> Result<void> {
    return fail(ErrorCode::kCancelled, "stop");
  };
  EXPECT_EQ(for_each_extent(root, 10'000, chunks, stop).error().describe(), "stop");
  chunks.fail_on(root.extents[1].id, ErrorCode::kUnavailable);
  EXPECT_EQ(failure_of(chunks, root, 10'000), ErrorCode::kUnavailable);
}

}  // namespace
}  // namespace backstay::snapshot
