#include "snapshot/tree_search.h"

#include <gtest/gtest.h>

#include "snapshot/testing/memory_chunks.h"
#include "snapshot/testing/sample_tree.h"
#include "snapshot/testing/samples.h"

namespace backstay::snapshot {
namespace {

using testing::build_tree;
using testing::EntryMap;
using testing::MemoryChunks;

class Searching : public ::testing::Test {
 protected:
  static Result<void> refuse(const Error& error) { return std::unexpected(error.clone()); }
  static bool any_entry(const Entry&) { return true; }
  TreeSearch search_for(std::function<bool(const std::string&)> key) {
    return {chunks_, {.key = std::move(key), .entry = any_entry}, refuse};
  }
  static std::vector<std::string> keys(TreeSearch& search, const TreeRoot& root) {
    std::vector<std::uint32_t> numbers;
    const auto done = search.search(root, [&](std::uint32_t match) { numbers.push_back(match); });
    EXPECT_TRUE(done.has_value());
    std::vector<std::string> found;
    for (const std::uint32_t number : numbers) found.push_back(search.matches()[number].key);
    return found;
  }

  MemoryChunks chunks_;
};

TEST_F(Searching, FindsExactlyWhatFitsInEveryTree) {
  SeededRng rng(3);
  EntryMap entries = testing::numbered_files(20'000);
  const auto fits = [](const std::string& key) { return key.ends_with("7"); };
  TreeSearch search = search_for(fits);
  for (int tree = 0; tree < 5; ++tree) {
    const TreeRoot root = build_tree(chunks_, entries);
    std::vector<std::string> expected;
    for (const auto& [key, entry] : entries) {
      if (fits(key)) expected.push_back(key);
    }
    EXPECT_TRUE(keys(search, root) == expected) << "tree " << tree;
    for (int i = 0; i < 10; ++i) {
      entries.erase(std::next(entries.begin(), static_cast<std::ptrdiff_t>(rng.below(10'000))));
      entries[testing::numbered_key(30'000 + rng.below(1'000'000))] = testing::plain_file(5, 7);
    }
  }
}

TEST_F(Searching, ReadsAPageThatTreesShareOnce) {
  EntryMap entries = testing::numbered_files(20'000);
  TreeSearch search = search_for([](const std::string& key) { return key.ends_with("77"); });
  keys(search, build_tree(chunks_, entries));
  const std::uint64_t first = search.pages_read();
  entries.erase(testing::numbered_key(12'345));
  const TreeRoot other = build_tree(chunks_, entries);
  keys(search, other);
  EXPECT_LT(search.pages_read() - first, 10U);
  EXPECT_GT(first, 20U);
  const std::uint64_t second = search.pages_read();
  keys(search, other);
  EXPECT_EQ(search.pages_read(), second);
}

TEST_F(Searching, TheSameEntryInManyTreesIsOneMatchAndAnotherEntryAnother) {
  EntryMap entries = testing::numbered_files(3000);
  const std::string wanted = testing::numbered_key(1500);
  TreeSearch search = search_for([&](const std::string& key) { return key == wanted; });
  keys(search, build_tree(chunks_, entries));
  entries.erase(testing::numbered_key(1501));
  keys(search, build_tree(chunks_, entries));
  EXPECT_EQ(search.matches().size(), 1U);
  entries[wanted].modified.seconds += 1;
  keys(search, build_tree(chunks_, entries));
  EXPECT_EQ(search.matches().size(), 2U);
}

TEST_F(Searching, AnEntryIsLookedAtOnlyWhereItsKeyFits) {
  std::uint64_t looked_at = 0;
  const auto count = [&](const Entry& entry) {
    ++looked_at;
    return entry.size_bytes == UINT64_MAX;
  };
  TreeSearch search(
      chunks_, {.key = [](const std::string& key) { return key.ends_with("123"); }, .entry = count},
      refuse);
  EXPECT_TRUE(keys(search, build_tree(chunks_, testing::numbered_files(3000))).empty());
  EXPECT_EQ(looked_at, 3U);
}

TEST_F(Searching, GoesOnPastAPageThatIsDamagedAndTellsOfItOnce) {
  EntryMap entries = testing::numbered_files(20'000);
  const TreeRoot root = build_tree(chunks_, entries);
  std::vector<chunk::ChunkId> leaves;
  ASSERT_TRUE(for_each_page(chunks_, root,
                            [&](const chunk::ChunkRef& page, std::uint8_t level) -> Result<bool> {
                              if (level == 0) leaves.push_back(page.id);
                              return true;
                            })
                  .has_value());
  chunks_.fail_on(leaves.at(leaves.size() / 2));
  int told = 0;
  TreeSearch search(chunks_, {.key = [](const std::string&) { return true; }, .entry = any_entry},
                    [&](const Error& error) -> Result<void> {
                      EXPECT_EQ(error.code(), ErrorCode::kCorruption);
                      ++told;
                      return {};
                    });
  const std::size_t found = keys(search, root).size();
  EXPECT_LT(found, entries.size());
  EXPECT_GT(found, entries.size() / 2);
  EXPECT_EQ(keys(search, root).size(), found);
  EXPECT_EQ(told, 1);
}

}  // namespace
}  // namespace backstay::snapshot
