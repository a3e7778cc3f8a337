#include <gtest/gtest.h>

#include <set>

#include "base/try.h"
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

std::vector<PageChild> children_of(MemoryChunks& chunks, const chunk::ChunkRef& page,
                                   std::uint8_t level) {
  return decode_inner(chunks.read(page).value(), level).value();
}

// The leaves of a tree with their first keys.
std::vector<PageChild> leaves_of(MemoryChunks& chunks, const TreeRoot& root) {
  std::vector<PageChild> pages{{"", root.page, root.entries}};
  for (std::uint8_t level = root.level; level > 0; --level) {
    std::vector<PageChild> below;
    for (const PageChild& page : pages) {
      for (PageChild& child : children_of(chunks, page.page, level)) below.push_back(child);
    }
    pages = std::move(below);
  }
  return pages;
}

constexpr std::uint64_t kFiles = 25'000;

// A tree of three levels of pages, and the map it was built from.
class TreeCursorTest : public ::testing::Test {
 protected:
  static void SetUpTestSuite() {
    entries = new EntryMap(testing::heavy_files(kFiles));
    entries->emplace("", testing::plain_folder());
  }
  static void TearDownTestSuite() { delete entries; }
  void SetUp() override {
    root = build_tree(chunks, *entries);
    ASSERT_GE(root.level, 2);
    chunks.reset_counts();
  }

  static inline EntryMap* entries = nullptr;
  MemoryChunks chunks;
  TreeRoot root;
};

TEST_F(TreeCursorTest, ReadsEveryPageOnceInOrder) {
  TreeCursor cursor(chunks, root);
  for (const auto& [key, entry] : *entries) {
    const auto item = cursor.next().value();
    ASSERT_TRUE(item.has_value());
    ASSERT_EQ(item->key, key);
    ASSERT_EQ(item->entry, entry);
  }
  EXPECT_FALSE(cursor.next().value().has_value());
  EXPECT_FALSE(cursor.next().value().has_value());
  EXPECT_EQ(chunks.reads(), chunks.stored());
}

TEST_F(TreeCursorTest, SeeksToTheFirstKeyThatIsNoLess) {
  SeededRng rng(4);
  TreeCursor cursor(chunks, root);
  for (int i = 0; i < 2000; ++i) {
    std::string key = testing::numbered_key(rng.below(kFiles + 500));
    switch (rng.below(4)) {
      case 0:
        key += "x";
        break;
      case 1:
        key.resize(rng.below(key.size() + 1));
        break;
      default:
        break;
    }
    chunks.reset_counts();
    ASSERT_TRUE(cursor.seek(key).has_value());
    const auto expected = entries->lower_bound(key);
    const auto item = cursor.next().value();
    ASSERT_EQ(item.has_value(), expected != entries->end());
    if (item) {
      ASSERT_EQ(item->key, expected->first);
    }
    // One page a level, and one more a level where the key lies between two leaves.
    EXPECT_LE(chunks.reads(), 2U * (root.level + 1U));
  }
}

TEST_F(TreeCursorTest, GoesOnInOrderAfterASeek) {
  TreeCursor cursor(chunks, root);
  for (const std::uint64_t number : {20'990U, 10'000U, 10'001U, 0U, 24'000U}) {
    ASSERT_TRUE(cursor.seek(testing::numbered_key(number)).has_value());
    for (std::uint64_t i = number; i < number + 1000; ++i) {
      ASSERT_EQ(cursor.next().value()->key, testing::numbered_key(i));
    }
  }
}

TEST_F(TreeCursorTest, ReadsNothingAgainForANearSeek) {
  TreeCursor cursor(chunks, root);
  ASSERT_TRUE(cursor.seek(testing::numbered_key(1000)).has_value());
  chunks.reset_counts();
  ASSERT_TRUE(cursor.seek(testing::numbered_key(1003)).has_value());
  ASSERT_TRUE(cursor.seek(testing::numbered_key(1001)).has_value());
  EXPECT_LE(chunks.reads(), 1U);
  EXPECT_EQ(cursor.next().value()->key, testing::numbered_key(1001));
}

TEST_F(TreeCursorTest, FindsOneEntryWithOnePageALevel) {
  const std::string key = testing::numbered_key(17'777);
  EXPECT_EQ(find_entry(chunks, root, key).value().value(), entries->at(key));
  EXPECT_EQ(chunks.reads(), root.level + 1U);
  EXPECT_EQ(find_entry(chunks, root, key + "x").value(), std::nullopt);
  EXPECT_EQ(find_entry(chunks, root, "zzz").value(), std::nullopt);
  EXPECT_TRUE(find_entry(chunks, root, "").value().has_value());
}

TEST_F(TreeCursorTest, GoesAroundADamagedLeaf) {
  const auto leaves = leaves_of(chunks, root);
  ASSERT_GT(leaves.size(), 10U);
  for (const std::size_t which : {std::size_t{0}, std::size_t{5}, leaves.size() - 1}) {
    chunks.mend();
    chunks.fail_on(leaves[which].page.id);
    TreeCursor cursor(chunks, root);
    std::uint64_t count = 0;
    bool damaged = false;
    bool more = true;
    std::string after;
    while (more) {
      auto item = cursor.next();
      if (!item.has_value()) {
        EXPECT_FALSE(damaged);
        damaged = true;
        EXPECT_EQ(item.error().code(), ErrorCode::kCorruption);
        EXPECT_FALSE(cursor.next().has_value());  // Still there.
        EXPECT_EQ(cursor.damaged_first_key(), leaves[which].first_key);
        more = cursor.skip_damaged_page().value();
        EXPECT_EQ(more, which + 1 < leaves.size());
        continue;
      }
      more = item->has_value();
      if (!more) continue;
      if (damaged && after.empty()) after = (*item)->key;
      ++count;
    }
    EXPECT_TRUE(damaged);
    EXPECT_EQ(count, root.entries - leaves[which].entries);
    if (which + 1 < leaves.size()) {
      EXPECT_EQ(after, leaves[which + 1].first_key);
    }
  }
}

TEST_F(TreeCursorTest, GoesAroundADamagedInnerPage) {
  const auto children = children_of(chunks, root.page, root.level);
  ASSERT_GE(children.size(), 2U);
  chunks.fail_on(children[0].page.id);
  TreeCursor cursor(chunks, root);
  EXPECT_FALSE(cursor.next().has_value());
  EXPECT_EQ(cursor.damaged_first_key(), children[0].first_key);
  ASSERT_TRUE(cursor.skip_damaged_page().value());
  EXPECT_EQ(cursor.next().value()->key, children[1].first_key);
}

TEST_F(TreeCursorTest, HasNothingLeftWhenTheRootIsDamaged) {
  chunks.fail_on(root.page.id);
  TreeCursor cursor(chunks, root);
  EXPECT_FALSE(cursor.next().has_value());
  EXPECT_EQ(cursor.damaged_first_key(), "");
  EXPECT_FALSE(cursor.skip_damaged_page().value());
  EXPECT_FALSE(cursor.next().value().has_value());
}

TEST_F(TreeCursorTest, GoesOnWhereItStoodWhenTheStoreComesBack) {
  const auto leaves = leaves_of(chunks, root);
  chunks.fail_on(leaves[1].page.id, ErrorCode::kUnavailable);
  TreeCursor cursor(chunks, root);
  std::uint64_t count = 0;
  while (cursor.next().has_value()) ++count;
  EXPECT_EQ(count, leaves[0].entries);
  chunks.mend();
  EXPECT_EQ(cursor.next().value()->key, leaves[1].first_key);
}

TEST_F(TreeCursorTest, SeeksPastDamage) {
  const auto leaves = leaves_of(chunks, root);
  chunks.fail_on(leaves[3].page.id);
  TreeCursor cursor(chunks, root);
  EXPECT_FALSE(cursor.seek(leaves[3].first_key + "x").has_value());
  EXPECT_EQ(cursor.damaged_first_key(), leaves[3].first_key);
  ASSERT_TRUE(cursor.skip_damaged_page().value());
  EXPECT_EQ(cursor.next().value()->key, leaves[4].first_key);
  EXPECT_TRUE(cursor.seek(leaves[2].first_key).has_value());
  EXPECT_EQ(cursor.next().value()->key, leaves[2].first_key);
}

TEST_F(TreeCursorTest, VisitsEveryPageRootFirst) {
  std::set<chunk::ChunkId> seen;
  std::uint8_t first_level = 0;
  ASSERT_TRUE(for_each_page(chunks, root,
                            [&](const chunk::ChunkRef& page, std::uint8_t level) -> Result<bool> {
                              if (seen.empty()) first_level = level;
                              seen.insert(page.id);
                              return true;
                            })
                  .has_value());
  EXPECT_EQ(first_level, root.level);
  EXPECT_EQ(seen.size(), chunks.stored());
  // Leaves are named, not read.
  const std::uint64_t reads = chunks.reads();
  EXPECT_EQ(reads, chunks.stored() - leaves_of(chunks, root).size());
}

TEST_F(TreeCursorTest, DoesNotGoBelowAPageThatIsNotWanted) {
  std::uint64_t visited = 0;
  ASSERT_TRUE(
      for_each_page(chunks, root, [&](const chunk::ChunkRef&, std::uint8_t level) -> Result<bool> {
        ++visited;
        return level == root.level;
      }).has_value());
  EXPECT_EQ(visited, 1 + children_of(chunks, root.page, root.level).size());
}

TEST(ListFolder, GivesWhatIsDirectlyInsideAndStepsOverTheRest) {
  EntryMap entries = testing::numbered_files(50'000);
  entries.emplace("", testing::plain_folder());
  entries.emplace("folder-000003", testing::plain_folder());
  entries.emplace("folder-000003.txt", testing::plain_file(1, 1));
  entries.emplace(child_key("folder-000003", "sub"), testing::plain_folder());
  entries.emplace(child_key(child_key("folder-000003", "sub"), "deep"), testing::plain_file(1, 1));
  MemoryChunks chunks;
  const TreeRoot root = build_tree(chunks, entries);
  const auto listed = [&](std::string_view folder) {
    std::vector<std::string> keys;
    const auto result =
        list_folder(chunks, root, folder, [&](const TreeItem& item) -> Result<void> {
          keys.push_back(item.key);
          return {};
        });
    EXPECT_TRUE(result.has_value());
    return keys;
  };
  EXPECT_EQ(listed(""), (std::vector<std::string>{"folder-000003", "folder-000003.txt"}));
  const auto inside = listed("folder-000003");
  ASSERT_EQ(inside.size(), 101U);
  EXPECT_EQ(inside.front(), testing::numbered_key(300));
  EXPECT_EQ(inside.back(), child_key("folder-000003", "sub"));
  EXPECT_TRUE(listed("nowhere").empty());
  chunks.reset_counts();
  EXPECT_EQ(listed("folder-000450").size(), 100U);
  EXPECT_LE(chunks.reads(), root.level + 2U);
}

// Trees that a forger who knows the keys could write.
class ForgedTree : public ::testing::Test {
 protected:
  struct Leaf {
    chunk::ChunkRef page;
    std::string first_key;
    std::uint64_t entries;
  };

  Leaf leaf(const std::vector<std::string>& keys) {
    PageWriter writer(0);
    Bytes record;
    encode_entry(testing::plain_folder(), record);
    Bytes body;
    append_varint(body, record.size());
    append(body, record);
    for (const std::string& key : keys) writer.add_item(key, body);
    Bytes page;
    writer.take(page);
    return {chunks.write(page).value(), keys.empty() ? "" : keys.front(), keys.size()};
  }

  TreeRoot tree(const std::vector<Leaf>& children, std::uint8_t level = 1) {
    PageWriter writer(level);
    std::uint64_t entries = 0;
    for (const Leaf& child : children) {
      Bytes body = to_owned(child.page.id.view());
      append_varint(body, child.page.length);
      append_varint(body, child.entries);
      writer.add_item(child.first_key, body);
      entries += child.entries;
    }
    Bytes page;
    writer.take(page);
    return {chunks.write(page).value(), level, entries};
  }

  bool refused(const TreeRoot& root) {
    const auto result = testing::read_tree(chunks, root);
    if (!result.has_value()) {
      EXPECT_EQ(result.error().code(), ErrorCode::kCorruption);
    }
    return !result.has_value();
  }

  MemoryChunks chunks;
};

TEST_F(ForgedTree, IsReadWhenNothingIsForged) {
  EXPECT_FALSE(refused(tree({leaf({"a", "b"}), leaf({"c"})})));
  EXPECT_FALSE(refused({leaf({"a"}).page, 0, 1}));
}

TEST_F(ForgedTree, IsRefusedWhenAChildStartsWithAnotherKey) {
  Leaf child = leaf({"c"});
  child.first_key = "bb";
  EXPECT_TRUE(refused(tree({leaf({"a", "b"}), child})));
}

TEST_F(ForgedTree, IsRefusedWhenKeysReachIntoTheNextPage) {
  EXPECT_TRUE(refused(tree({leaf({"a", "d"}), leaf({"c"})})));
  EXPECT_TRUE(refused(tree({leaf({"a", "c"}), leaf({"c"})})));
}

TEST_F(ForgedTree, IsRefusedWhenKeysReachIntoThePageOfAnotherParent) {
  const TreeRoot first = tree({leaf({"a", "d"})});
  const TreeRoot second = tree({leaf({"c"})});
  EXPECT_TRUE(refused(tree({{first.page, "a", 2}, {second.page, "c", 1}}, 2)));
}

TEST_F(ForgedTree, IsRefusedWhenCountsDisagree) {
  Leaf child = leaf({"c"});
  child.entries = 2;
  EXPECT_TRUE(refused(tree({leaf({"a"}), child})));
  TreeRoot root = tree({leaf({"a"}), leaf({"b"})});
  root.entries = 3;
  EXPECT_TRUE(refused(root));
}

TEST_F(ForgedTree, IsRefusedWhenLevelsDoNotDescendByOne) {
  EXPECT_TRUE(refused(tree({leaf({"a"})}, 2)));
  TreeRoot root = tree({leaf({"a"})});
  root.level = 0;
  EXPECT_TRUE(refused(root));
  const TreeRoot inner = tree({leaf({"a"})});
  EXPECT_TRUE(refused(tree({{inner.page, "a", 1}}, 1)));
}

TEST_F(ForgedTree, IsRefusedWhenAPageHasAnotherLength) {
  TreeRoot root = tree({leaf({"a"})});
  root.page.length += 1;
  EXPECT_TRUE(refused(root));
  root.page.length = 0xffffffff;
  EXPECT_TRUE(refused(root));
}

TEST_F(ForgedTree, StepsOverASingleEntryThatCannotBeRead) {
  PageWriter writer(0);
  Bytes good;
  encode_entry(testing::plain_folder(), good);
  for (const char* key : {"a", "b", "c"}) {
    Bytes body;
    append_varint(body, good.size());
    append(body, good);
    if (*key == 'b') body[2] = 99;  // an unknown type
    writer.add_item(key, body);
  }
  Bytes page;
  writer.take(page);
  TreeCursor cursor(chunks, {chunks.write(page).value(), 0, 3});
  EXPECT_EQ(cursor.next().value()->key, "a");
  EXPECT_EQ(cursor.next().error().code(), ErrorCode::kCorruption);
  EXPECT_EQ(cursor.damaged_first_key(), "b");
  EXPECT_TRUE(cursor.skip_damaged_page().value());
  EXPECT_EQ(cursor.next().value()->key, "c");
}

}  // namespace
}  // namespace backstay::snapshot
