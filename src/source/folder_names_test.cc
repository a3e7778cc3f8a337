#include "source/folder_names.h"

#include <gmock/gmock.h>

#include <algorithm>
#include <random>
#include <set>

namespace backstay::source {
namespace {

using testing::ElementsAre;

// All names in the order given, filling again as often as it takes.
std::vector<std::string> drain(FolderNames& names, const std::vector<std::string_view>& all,
                               std::size_t memory_max, int* fills = nullptr) {
  std::vector<std::string> given;
  int count = 0;
  do {
    ++count;
    EXPECT_TRUE(names.fill(nullptr, -1, all, memory_max).has_value());
    while (const auto name = names.next()) {
      EXPECT_EQ(name->data()[name->size()], '\0');
      given.emplace_back(*name);
    }
  } while (!names.complete());
  if (fills != nullptr) *fills = count;
  return given;
}

TEST(FolderNames, ComeInTheOrderOfTheirBytes) {
  FolderNames names;
  EXPECT_THAT(drain(names, {"b", "\xff", "a\x01", "a", "ab", "B", "aa", "a.b"}, 1 << 20),
              ElementsAre("B", "a", "a\x01", "a.b", "aa", "ab", "b", "\xff"));
}

TEST(FolderNames, AreGivenOnceHoweverOftenTheyAreListed) {
  FolderNames names;
  EXPECT_THAT(drain(names, {"same", "x", "same", "same"}, 1 << 20), ElementsAre("same", "x"));
}

TEST(FolderNames, AnEmptyFolderHasNone) {
  FolderNames names;
  EXPECT_TRUE(drain(names, {}, 1 << 20).empty());
}

TEST(FolderNames, AreSortedWhateverTheyShareAndHoweverLittleMemoryThereIs) {
  std::mt19937 random(11);
  for (int round = 0; round < 60; ++round) {
    const std::string prefix(random() % 30, 'p');
    std::set<std::string> expected;
    while (expected.size() < 300) {
      std::string name = prefix;
      for (std::size_t length = 1 + random() % 14; length > 0; --length) {
        name += static_cast<char>(random() % (round % 2 == 0 ? 3 : 255) + 1);
      }
      expected.insert(name);
    }
    std::vector<std::string_view> shuffled(expected.begin(), expected.end());
    std::shuffle(shuffled.begin(), shuffled.end(), random);
    FolderNames names;
    int fills = 0;
    const auto given = drain(names, shuffled, 100 + random() % 20'000, &fills);
    ASSERT_EQ(given, std::vector<std::string>(expected.begin(), expected.end())) << round;
  }
}

TEST(FolderNames, AFolderThatFitsIsReadOnce) {
  FolderNames names;
  int fills = 0;
  drain(names, {"a", "b", "c"}, 1 << 20, &fills);
  EXPECT_EQ(fills, 1);
  FolderNames more;
  drain(more, {"a", "b", "c"}, 1, &fills);
  EXPECT_GT(fills, 1);
}

}  // namespace
}  // namespace backstay::source
