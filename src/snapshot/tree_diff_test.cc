#include <gtest/gtest.h>

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

struct Change {
  std::string key;
  std::optional<Entry> before;
  std::optional<Entry> after;
  friend bool operator==(const Change&, const Change&) = default;
};

std::vector<Change> diff(MemoryChunks& chunks, const TreeRoot& before, const TreeRoot& after) {
  std::vector<Change> changes;
  const auto result =
      diff_trees(chunks, before, after, [&](const TreeChange& change) -> Result<void> {
        changes.push_back({change.key, change.before, change.after});
        return {};
      });
  EXPECT_TRUE(result.has_value());
  return changes;
}

std::vector<Change> expected_diff(const EntryMap& before, const EntryMap& after) {
  std::map<std::string, Change> changes;
  for (const auto& [key, entry] : before) changes[key] = {key, entry, std::nullopt};
  for (const auto& [key, entry] : after) {
    changes[key].key = key;
    changes[key].after = entry;
  }
  std::vector<Change> list;
  for (const auto& [key, change] : changes) {
    if (change.before != change.after) list.push_back(change);
  }
  return list;
}

EntryMap randomly_changed(const EntryMap& entries, std::uint64_t changes, Rng& rng) {
  EntryMap changed = entries;
  for (std::uint64_t i = 0; i < changes && !changed.empty(); ++i) {
    const auto at =
        std::next(changed.begin(), static_cast<std::ptrdiff_t>(rng.below(changed.size())));
    switch (rng.below(3)) {
      case 0:
        changed.erase(at);
        break;
      case 1:
        at->second.modified.seconds -= 7;
        break;
      default:
        changed.emplace(at->first + "+", testing::plain_file(rng.below(50), rng.next_u64()));
    }
  }
  return changed;
}

TEST(DiffTrees, FindsExactlyWhatDiffers) {
  SeededRng rng(1);
  for (const std::uint64_t size : {0U, 1U, 50U, 3000U, 20'000U}) {
    const EntryMap before = testing::numbered_files(size);
    for (const std::uint64_t count : {0U, 1U, 10U, 1000U}) {
      const EntryMap after = randomly_changed(before, count, rng);
      MemoryChunks chunks;
      const TreeRoot before_root = build_tree(chunks, before);
      const TreeRoot after_root = build_tree(chunks, after);
      EXPECT_EQ(diff(chunks, before_root, after_root), expected_diff(before, after));
      EXPECT_EQ(diff(chunks, after_root, before_root), expected_diff(after, before));
    }
  }
}

TEST(DiffTrees, ReadsNothingOfEqualTrees) {
  MemoryChunks chunks;
  const TreeRoot root = build_tree(chunks, testing::numbered_files(10'000));
  chunks.reset_counts();
  EXPECT_TRUE(diff(chunks, root, root).empty());
  EXPECT_EQ(chunks.reads(), 0U);
}

TEST(DiffTrees, ReadsOnlyPagesThatDiffer) {
  const EntryMap before = testing::numbered_files(100'000);
  EntryMap after = before;
  after[testing::numbered_key(31'415)].mode = 0600;
  MemoryChunks chunks;
  const TreeRoot before_root = build_tree(chunks, before);
  const TreeRoot after_root = build_tree(chunks, after);
  chunks.reset_counts();
  EXPECT_EQ(diff(chunks, before_root, after_root), expected_diff(before, after));
  EXPECT_LE(chunks.reads(), 2U * (before_root.level + 1U));
}

TEST(DiffTrees, ReadsFewPagesWhenBoundariesMoved) {
  const EntryMap before = testing::numbered_files(100'000);
  SeededRng rng(2);
  for (int i = 0; i < 3; ++i) {
    const EntryMap after = randomly_changed(before, 3, rng);
    MemoryChunks chunks;
    const TreeRoot before_root = build_tree(chunks, before);
    const TreeRoot after_root = build_tree(chunks, after);
    chunks.reset_counts();
    EXPECT_EQ(diff(chunks, before_root, after_root), expected_diff(before, after));
    EXPECT_LE(chunks.reads(), 40U);
  }
}

TEST(DiffTrees, SkipsSharedPagesOfTreesOfDifferentHeight) {
  const EntryMap small = testing::heavy_files(5000);
  const EntryMap large = testing::heavy_files(25'000);
  MemoryChunks chunks;
  const TreeRoot small_root = build_tree(chunks, small);
  const std::uint64_t small_pages = chunks.stored();
  const TreeRoot large_root = build_tree(chunks, large);
  ASSERT_NE(small_root.level, large_root.level);
  const std::uint64_t new_pages = chunks.stored() - small_pages;
  chunks.reset_counts();
  EXPECT_EQ(diff(chunks, small_root, large_root).size(), 20'000U);
  // What is new, and of the small tree its root and the pages next to where it ends.
  EXPECT_LE(chunks.reads(), new_pages + 10);
}

TEST(DiffTrees, SkipsATreeThatIsAPageOfTheOther) {
  MemoryChunks chunks;
  const TreeRoot large = build_tree(chunks, testing::heavy_files(25'000));
  const auto children = decode_inner(chunks.read(large.page).value(), large.level).value();
  const PageChild& first = children.front();
  const TreeRoot small{first.page, static_cast<std::uint8_t>(large.level - 1), first.entries};
  std::uint64_t shared_pages = 0;
  ASSERT_TRUE(
      for_each_page(chunks, small, [&](const chunk::ChunkRef&, std::uint8_t) -> Result<bool> {
        ++shared_pages;
        return true;
      }).has_value());
  chunks.reset_counts();
  EXPECT_EQ(diff(chunks, small, large).size(), large.entries - small.entries);
  EXPECT_EQ(chunks.reads(), chunks.stored() - shared_pages);
}

TEST(DiffTrees, ComparesWithAnEmptyTree) {
  MemoryChunks chunks;
  const EntryMap entries = testing::numbered_files(1000);
  const TreeRoot empty = build_tree(chunks, {});
  const TreeRoot full = build_tree(chunks, entries);
  EXPECT_EQ(diff(chunks, empty, full), expected_diff({}, entries));
  EXPECT_EQ(diff(chunks, full, empty), expected_diff(entries, {}));
  EXPECT_TRUE(diff(chunks, empty, empty).empty());
}

TEST(DiffTrees, WithinAFolderFindsWhatDiffersThereAndReadsLittleElse) {
  SeededRng rng(12);
  const EntryMap before = testing::numbered_files(20'000);
  const EntryMap after = randomly_changed(before, 400, rng);
  MemoryChunks chunks;
  const TreeRoot before_tree = build_tree(chunks, before);
  const TreeRoot after_tree = build_tree(chunks, after);
  const std::vector<Change> all = expected_diff(before, after);
  for (const std::uint64_t number : {0U, 5'050U, 12'345U, 19'999U}) {
    const std::string folder(parent_of_key(testing::numbered_key(number)));
    for (const std::string& key : {folder, testing::numbered_key(number), folder + "nothing"}) {
      std::vector<Change> expected;
      for (const Change& change : all) {
        if (is_within(change.key, key)) expected.push_back(change);
      }
      std::vector<Change> found;
      chunks.reset_counts();
      ASSERT_TRUE(diff_trees_within(chunks, before_tree, after_tree, key,
                                    [&](const TreeChange& change) -> Result<void> {
                                      found.push_back({change.key, change.before, change.after});
                                      return {};
                                    })
                      .has_value());
      EXPECT_TRUE(found == expected) << number;
      EXPECT_LT(chunks.reads(), 20U);
      const auto differ = differ_within(chunks, before_tree, after_tree, key,
                                        [](const TreeChange&) { return true; });
      EXPECT_TRUE(differ.has_value() && *differ == !expected.empty());
    }
  }
  EXPECT_FALSE(
      *differ_within(chunks, before_tree, after_tree, "", [](const TreeChange&) { return false; }));
}

TEST(DiffTrees, PassesOnFailures) {
  MemoryChunks chunks;
  EntryMap entries = testing::numbered_files(1000);
  const TreeRoot before = build_tree(chunks, entries);
  entries.erase(entries.begin());
  const TreeRoot after = build_tree(chunks, entries);
  const auto stop = [](const TreeChange&) -> Result<void> {
    return fail(ErrorCode::kCancelled, "stop");
  };
  EXPECT_EQ(diff_trees(chunks, before, after, stop).error().code(), ErrorCode::kCancelled);
  chunks.fail_on(after.page.id);
  EXPECT_EQ(diff_trees(chunks, before, after, stop).error().code(), ErrorCode::kCorruption);
}

}  // namespace
}  // namespace backstay::snapshot
