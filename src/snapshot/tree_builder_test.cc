#include <gtest/gtest.h>

#include <algorithm>
#include <set>

#include "base/try.h"
#include "crypto/hash.h"
#include "snapshot/page.h"
#include "snapshot/testing/memory_chunks.h"
#include "snapshot/testing/sample_tree.h"
#include "snapshot/testing/samples.h"
#include "snapshot/tree.h"
#include "snapshot/tree_key.h"

namespace backstay::snapshot {
namespace {

using testing::build_tree;
using testing::EntryMap;
using testing::MemoryChunks;
using testing::read_tree;

// Every page of the tree, by level.
std::vector<std::vector<Bytes>> pages_of(MemoryChunks& chunks, const TreeRoot& root) {
  std::vector<std::vector<Bytes>> levels(root.level + 1U);
  const auto walked = for_each_page(
      chunks, root, [&](const chunk::ChunkRef& ref, std::uint8_t level) -> Result<bool> {
        levels[level].push_back(TRY(chunks.read(ref)));
        return true;
      });
  EXPECT_TRUE(walked.has_value());
  return levels;
}

TEST(TreeBuilder, MakesAnEmptyTreeOneEmptyLeaf) {
  MemoryChunks chunks;
  const TreeRoot root = build_tree(chunks, {});
  EXPECT_EQ(root.entries, 0U);
  EXPECT_EQ(root.level, 0);
  EXPECT_EQ(chunks.read(root.page).value(), (Bytes{0, 0}));
  EXPECT_TRUE(read_tree(chunks, root).value().empty());
}

TEST(TreeBuilder, RoundTripsArbitraryEntries) {
  SeededRng rng(1);
  for (const std::size_t count : {1U, 2U, 10U, 5000U}) {
    EntryMap entries;
    while (entries.size() < count) {
      std::string key;
      for (std::uint64_t depth = rng.below(4); depth > 0; --depth) {
        key = child_key(key, "f" + testing::sample_name(rng, 30));
      }
      entries.insert_or_assign(key, testing::sample_entry(rng));
    }
    MemoryChunks chunks;
    const TreeRoot root = build_tree(chunks, entries);
    EXPECT_EQ(root.entries, count);
    EXPECT_EQ(read_tree(chunks, root).value(), entries);
  }
}

TEST(TreeBuilder, RefusesKeysThatDoNotAscend) {
  MemoryChunks chunks;
  for (const auto& [first, second] :
       {std::pair{"b", "a"}, std::pair{"b", "b"}, std::pair{"", ""}, std::pair{"bb", "b"}}) {
    TreeBuilder builder(chunks, testing::sample_key(1));
    ASSERT_TRUE(builder.add(first, testing::plain_folder()).has_value());
    EXPECT_EQ(builder.add(second, testing::plain_folder()).error().code(),
              ErrorCode::kInvalidArgument);
  }
}

TEST(TreeBuilder, RefusesKeysAndEntriesThatCouldNotBeReadBack) {
  MemoryChunks chunks;
  TreeBuilder builder(chunks, testing::sample_key(1));
  EXPECT_EQ(builder.add("..", testing::plain_folder()).error().code(), ErrorCode::kInvalidArgument);
  EXPECT_EQ(builder.add("a/b", testing::plain_folder()).error().code(),
            ErrorCode::kInvalidArgument);
  Entry broken = testing::plain_file(5, 1);
  broken.size_bytes = 6;
  EXPECT_EQ(builder.add("a", broken).error().code(), ErrorCode::kInvalidArgument);
  Entry huge = testing::plain_folder();
  huge.xattrs.push_back({"user.huge", Bytes(9 * 1024 * 1024)});
  EXPECT_EQ(builder.add("a", huge).error().code(), ErrorCode::kInvalidArgument);
  // None of these spoiled the tree.
  EXPECT_TRUE(builder.add("a", testing::plain_folder()).has_value());
  EXPECT_EQ(builder.finish().value().entries, 1U);
}

TEST(TreeBuilder, KeepsPagesWithinTheirSizes) {
  MemoryChunks chunks;
  const TreeRoot root = build_tree(chunks, testing::numbered_files(100'000));
  ASSERT_GE(root.level, 1);
  const auto levels = pages_of(chunks, root);
  for (std::size_t level = 0; level < levels.size(); ++level) {
    const PageSizes& sizes = level == 0 ? kLeafSizes : kInnerSizes;
    std::size_t sum = 0;
    for (std::size_t i = 0; i < levels[level].size(); ++i) {
      const std::size_t bytes = levels[level][i].size();
      sum += bytes;
      EXPECT_LT(bytes, sizes.max_bytes + 1024U);
      if (i + 1 < levels[level].size()) {
        EXPECT_GE(bytes, sizes.min_bytes);
      }
    }
    const std::size_t mean = sum / levels[level].size();
    if (level > 0) continue;
    // The minimum and an exponential draw of mean 48 KiB, cut off at 112 KiB: 59 KiB.
    EXPECT_GT(mean, 50U * 1024);
    EXPECT_LT(mean, 68U * 1024);
  }
}

TEST(TreeBuilder, EndsPagesWhereTheFormatSays) {
  MemoryChunks chunks;
  const crypto::Secret key = testing::sample_key(1);
  const TreeRoot root = build_tree(chunks, testing::numbered_files(20'000));
  const auto leaves = pages_of(chunks, root)[0];
  for (std::size_t i = 0; i + 1 < leaves.size(); ++i) {
    PageReader reader = PageReader::open(leaves[i]).value();
    const std::string last_key = reader.last_key();
    Bytes input{0};
    append(input, as_bytes(last_key));
    const auto drawn = load_le<std::uint32_t>(crypto::blake3_keyed(key, input).bytes.data());
    PageItem last;
    while (!reader.at_end()) {
      reader.advance();
      last = reader.item();
    }
    const std::size_t item_bytes = 2 + last.rest.size() + 1 + last.record.size();
    const double below = static_cast<double>(item_bytes) * 4294967296.0 / (48 * 1024);
    EXPECT_TRUE(leaves[i].size() >= kLeafSizes.max_bytes || drawn < below);
  }
}

TEST(TreeBuilder, GivesTheSameTreeForTheSameEntriesWhateverTheStoreHolds) {
  const EntryMap entries = testing::numbered_files(3000);
  MemoryChunks empty;
  MemoryChunks full;
  build_tree(full, testing::numbered_files(5000));
  EXPECT_EQ(build_tree(empty, entries), build_tree(full, entries));
}

TEST(TreeBuilder, DrawsOtherBoundariesWithAnotherKey) {
  const EntryMap entries = testing::numbered_files(5000);
  MemoryChunks chunks;
  const TreeRoot one = build_tree(chunks, entries, testing::sample_key(1));
  const TreeRoot other = build_tree(chunks, entries, testing::sample_key(2));
  EXPECT_NE(one.page.id, other.page.id);
}

TEST(TreeBuilder, SharesAllButOnePageALevelWhenOneEntryChanges) {
  EntryMap entries = testing::numbered_files(100'000);
  MemoryChunks chunks;
  const TreeRoot before = build_tree(chunks, entries);
  SeededRng rng(9);
  for (int i = 0; i < 3; ++i) {
    EntryMap changed = entries;
    auto at = std::next(changed.begin(), static_cast<std::ptrdiff_t>(rng.below(changed.size())));
    at->second.modified.seconds += 1;  // of the same size: no boundary moves
    const std::uint64_t stored = chunks.stored();
    const TreeRoot after = build_tree(chunks, changed);
    EXPECT_EQ(after.level, before.level);
    EXPECT_LE(chunks.stored() - stored, before.level + 1U);
  }
}

TEST(TreeBuilder, ChangesFewPagesWhenEntriesComeAndGo) {
  const EntryMap entries = testing::numbered_files(100'000);
  MemoryChunks chunks;
  build_tree(chunks, entries);
  SeededRng rng(10);
  for (int i = 0; i < 3; ++i) {
    EntryMap changed = entries;
    const auto at =
        std::next(changed.begin(), static_cast<std::ptrdiff_t>(rng.below(changed.size())));
    if (i % 2 == 0) {
      changed.emplace(at->first + "-new", testing::plain_file(5, 1));
    } else {
      changed.erase(at);
    }
    const std::uint64_t stored = chunks.stored();
    build_tree(chunks, changed);
    EXPECT_LE(chunks.stored() - stored, 8U);
  }
}

TEST(TreeBuilder, BuildsAFolderOf200000FilesOnePageALevelAtATime) {
  MemoryChunks chunks;
  TreeBuilder builder(chunks, testing::sample_key(1));
  std::uint64_t written_before = 0;
  std::uint64_t longest_wait = 0;
  std::uint64_t waited = 0;
  for (std::uint64_t i = 0; i < 200'000; ++i) {
    ASSERT_TRUE(builder.add(testing::numbered_key(i), testing::plain_file(100, i)).has_value());
    waited = chunks.writes() == written_before ? waited + 1 : 0;
    longest_wait = std::max(longest_wait, waited);
    written_before = chunks.writes();
  }
  // No more than a leaf's worth of entries is ever held back.
  EXPECT_LT(longest_wait, kLeafSizes.max_bytes / 50);
  EXPECT_EQ(builder.finish().value().entries, 200'000U);
}

TEST(TreeBuilder, EndsTreesWhoseKeysAreLongerThanAPage) {
  // A key of 50 KB fills an inner page alone. One key a page would make levels without end.
  EntryMap entries;
  std::string key;
  for (int depth = 0; depth < 500; ++depth) {
    key = child_key(key, std::string(100, 'f'));
    entries.emplace_hint(entries.end(), key, testing::plain_folder());
  }
  ASSERT_GT(key.size(), kInnerSizes.max_bytes);
  Entry heavy = testing::plain_file(10, 1);
  heavy.xattrs.push_back({"user.weight", Bytes(1000, 7)});
  for (int i = 0; i < 200; ++i) entries.emplace(child_key(key, "file-" + std::to_string(i)), heavy);
  MemoryChunks chunks;
  const TreeRoot root = build_tree(chunks, entries);
  EXPECT_GT(chunks.stored(), 100U);
  EXPECT_LE(root.level, 6);
  EXPECT_EQ(read_tree(chunks, root).value(), entries);
}

TEST(TreeBuilder, HoldsFoldersNestedDeeperThan4096Levels) {
  EntryMap entries;
  std::string key;
  for (int depth = 0; depth < 5000; ++depth) {
    key = child_key(key, "d");
    entries.emplace_hint(entries.end(), key, testing::plain_folder());
  }
  MemoryChunks chunks;
  EXPECT_EQ(read_tree(chunks, build_tree(chunks, entries)).value(), entries);
  EXPECT_LT(chunks.stored_bytes(), 1'000'000U);
}

TEST(TreeBuilder, PassesOnAFailureOfTheStore) {
  class FullStore final : public chunk::ChunkWriter {
    Result<chunk::ChunkRef> write(ByteView) override { return fail(ErrorCode::kNoSpace, "full"); }
  };
  FullStore store;
  TreeBuilder builder(store, testing::sample_key(1));
  ASSERT_TRUE(builder.add("a", testing::plain_folder()).has_value());
  EXPECT_EQ(builder.finish().error().code(), ErrorCode::kNoSpace);
}

}  // namespace
}  // namespace backstay::snapshot
