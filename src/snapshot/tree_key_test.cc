#include "snapshot/tree_key.h"

#include <gtest/gtest.h>

#include "base/rng.h"

namespace backstay::snapshot {
namespace {

using namespace std::string_literals;

TEST(TreeKey, TurnsPathsIntoKeysAndBack) {
  EXPECT_EQ(key_from_path("/"), "");
  EXPECT_EQ(key_from_path("/usr/share"), "usr\0share"s);
  for (const char* path : {"/", "/a", "/a/b/c", "/a b/\xff"}) {
    EXPECT_EQ(path_from_key(key_from_path(path)), path);
  }
}

TEST(TreeKey, TakesKeysApart) {
  EXPECT_EQ(name_of_key(""), "");
  EXPECT_EQ(name_of_key("a"), "a");
  EXPECT_EQ(name_of_key("a\0b"s), "b");
  EXPECT_EQ(parent_of_key(""), "");
  EXPECT_EQ(parent_of_key("a"), "");
  EXPECT_EQ(parent_of_key("a\0b\0c"s), "a\0b"s);
  EXPECT_EQ(child_key("", "a"), "a");
  EXPECT_EQ(child_key("a", "b"), "a\0b"s);
}

TEST(TreeKey, KnowsWhatIsInsideAFolder) {
  EXPECT_TRUE(is_within("", ""));
  EXPECT_TRUE(is_within("a", ""));
  EXPECT_TRUE(is_within("a", "a"));
  EXPECT_TRUE(is_within("a\0b"s, "a"));
  EXPECT_FALSE(is_within("ab", "a"));
  EXPECT_FALSE(is_within("a", "a\0b"s));
}

TEST(TreeKey, EndsASubtreeBeforeItsNextSibling) {
  const std::string end = key_after_subtree("a");
  EXPECT_LT("a\0\xff\xff"s, end);
  EXPECT_LE(end, "a\1"s);
  EXPECT_LT(end, "a.txt");
  EXPECT_GT(key_after_subtree(""), std::string(255, '\xff') + "\0z"s);
  EXPECT_GT(key_after_subtree(""), std::string(255, '\xff'));
}

TEST(TreeKey, RefusesComponentsThatMustNeverReachAFileSystem) {
  for (const std::string& key : {""s, "a"s, "a\0b"s, "..."s, ".a"s, std::string(255, 'x')}) {
    EXPECT_TRUE(validate_key(key).has_value()) << path_from_key(key);
  }
  for (const std::string& key : {"."s, ".."s, "a\0.."s, "a\0.\0b"s, "\0a"s, "a\0"s, "a\0\0b"s,
                                 "a/b"s, "/"s, std::string(256, 'x'), "\0"s}) {
    const auto result = validate_key(key);
    ASSERT_FALSE(result.has_value()) << path_from_key(key);
    EXPECT_EQ(result.error().code(), ErrorCode::kCorruption);
  }
}

TEST(TreeKey, FindsTheSameFaultsFromAKnownStart) {
  SeededRng rng(11);
  const char alphabet[] = {'a', '.', '\0', '/', 'b'};
  for (int i = 0; i < 20'000; ++i) {
    std::string known;
    std::string key;
    for (std::uint64_t n = rng.below(6); n > 0; --n) known += alphabet[rng.below(5)];
    if (!validate_key(known)) continue;
    const std::size_t shared = rng.below(known.size() + 1);
    key = known.substr(0, shared);
    for (std::uint64_t n = rng.below(5); n > 0; --n) key += alphabet[rng.below(5)];
    EXPECT_EQ(validate_key(key).has_value(), validate_key_from(key, shared).has_value());
  }
}

TEST(TreeKey, AcceptsTreesDeeperThan4096Levels) {
  std::string key = "directory";
  for (int i = 0; i < 5000; ++i) key = child_key(key, "directory");
  EXPECT_TRUE(validate_key(key).has_value());
  EXPECT_FALSE(validate_key(std::string(kKeyBytesMax, 'x') + '\0' + "x").has_value());
}

TEST(CleanPath, GivesTheShortestAbsolutePath) {
  EXPECT_EQ(clean_path("/a/../b//c", "/x"), "/b/c");
  EXPECT_EQ(clean_path("b/./c/", "/x"), "/x/b/c");
  EXPECT_EQ(clean_path("..", "/x/y"), "/x");
  EXPECT_EQ(clean_path("../../../..", "/x/y"), "/");
  EXPECT_EQ(clean_path("", "/x"), "/x");
  EXPECT_EQ(clean_path("/", "/x"), "/");
  EXPECT_EQ(clean_path(".", "/"), "/");
  EXPECT_EQ(clean_path("/...", "/"), "/...");
}

}  // namespace
}  // namespace backstay::snapshot
