#include "snapshot/path_filter.h"

#include <gtest/gtest.h>

namespace backstay::snapshot {
namespace {

struct GlobCase {
  const char* glob;
  const char* name;
  bool matches;
};

TEST(Glob, MatchesWithinOneComponent) {
  for (const auto& [glob, name, expected] : std::initializer_list<GlobCase>{
           {"", "", true},
           {"a", "a", true},
           {"a", "b", false},
           {"a", "ab", false},
           {"*", "", true},
           {"*", "abc", true},
           {"*.o", "x.o", true},
           {"*.o", ".o", true},
           {"*.o", "x.oo", false},
           {"a*c", "abbbc", true},
           {"a*c", "ac", true},
           {"a*c", "ab", false},
           {"a*b*c", "axbyc", true},
           {"a*b*c", "acb", false},
           {"**x", "abx", true},
           {"?", "a", true},
           {"?", "", false},
           {"?", "ab", false},
           {"?", "ä", true},
           {"??", "ä", false},
           {"?", "\xff", true},
           {"\xff", "\xff", true},
           {"\xc3\xa4", "ä", true},
           {"[ä-ö]", "å", true},
           {"[a-c]", "b", true},
           {"[a-c]", "d", false},
           {"[!a-c]", "d", true},
           {"[^a-c]", "b", false},
           {"[!a-c]", "", false},
           {"[abc]x", "bx", true},
           {"[]]", "]", true},
           {"[]a]", "a", true},
           {"[!]]", "]", false},
           {"[a-]", "-", true},
           {"[-a]", "-", true},
           {"[\\]]", "]", true},
           {"[a\\-z]", "m", false},
           {"[a\\-z]", "-", true},
           {"[*]", "*", true},
           {"[*]", "a", false},
           {"\\*", "*", true},
           {"\\*", "a", false},
           {"\\a", "a", true},
           {"\\\\", "\\", true},
           {"a\\?c", "a?c", true},
           {"a\\?c", "abc", false},
           {"A", "a", false},
           {"*[0-9]", "a12", true},
           {"*[0-9]x", "a12", false},
           {"[\xff]", "\xff", true},
           {"[!\xff]", "\xfe", true},
       }) {
    EXPECT_EQ(glob_defect(glob), "") << glob;
    EXPECT_EQ(glob_matches(glob, name, Case::kSensitive), expected) << glob << " " << name;
  }
}

TEST(Glob, FoldsAsciiLettersWhenAsked) {
  for (const auto& [glob, name, expected] : std::initializer_list<GlobCase>{
           {"ABC", "abc", true},
           {"a*C", "AxxC", true},
           {"[A-C]", "b", true},
           {"[!a-c]", "B", false},
           {"[A-Z]x", "qX", true},
           {"Ä", "ä", false},
           {"@", "`", false},
       }) {
    EXPECT_EQ(glob_matches(glob, name, Case::kInsensitive), expected) << glob << " " << name;
  }
}

TEST(Glob, TakesNoExponentialTime) {
  std::string glob;
  for (int i = 0; i < 30; ++i) glob += "a*";
  EXPECT_FALSE(glob_matches(glob + "b", std::string(250, 'a'), Case::kSensitive));
}

struct FilterCase {
  std::vector<std::string> patterns;
  const char* path;
  bool matches;
};

PathFilter filter_of(const std::vector<std::string>& patterns) {
  PathFilter filter;
  for (const std::string& pattern : patterns) {
    EXPECT_TRUE(filter.add(pattern, Case::kSensitive).has_value()) << pattern;
  }
  return filter;
}

TEST(PathFilter, MatchesAsResticDoes) {
  for (const auto& [patterns, path, expected] : std::initializer_list<FilterCase>{
           {{}, "/a", false},
           {{"*.o"}, "/a.o", true},
           {{"*.o"}, "/src/deep/a.o", true},
           {{"*.o"}, "/src/a.c", false},
           {{"*.o"}, "/lib.o/a.c", true},  // below a folder that matches
           {{"/a"}, "/a", true},
           {{"/a"}, "/a/b", true},
           {{"/a"}, "/ab", false},
           {{"/a"}, "/b/a", false},
           {{"/a/*.o"}, "/a/x.o", true},
           {{"/a/*.o"}, "/a/b/x.o", false},
           {{"cache/tmp"}, "/home/u/cache/tmp/f", true},
           {{"cache/tmp"}, "/home/u/cache/x/tmp", false},
           {{"cache/tmp"}, "/cache/cache/tmp", true},
           {{"a/b/a/c"}, "/a/b/a/b/a/c", true},
           {{"/a/**/z"}, "/a/z", true},
           {{"/a/**/z"}, "/a/b/c/z", true},
           {{"/a/**/z"}, "/b/z", false},
           {{"/a/**/z"}, "/a/b/c", false},
           {{"/a/**/m/**/z"}, "/a/x/m/y/y/z/q", true},
           {{"/a/**/m/**/z"}, "/a/x/z/m", false},
           {{"**/z"}, "/a/b/z", true},
           {{"/a/**"}, "/a", true},
           {{"/a/**"}, "/a/b", true},
           {{"/a/**"}, "/b", false},
           {{"foo/"}, "/x/foo/y", true},
           {{"foo/"}, "/foo", true},
           {{"./foo//bar"}, "/foo/bar", true},
           {{"/"}, "/anything", true},
           {{"/"}, "/", true},
           {{"*"}, "/", false},
           {{"*"}, "/x", true},
           {{"*.o", "!keep.o"}, "/keep.o", false},
           {{"*.o", "!keep.o"}, "/other.o", true},
           {{"*.o", "!keep.o", "/k*"}, "/keep.o", true},
           {{"!keep.o", "*.o"}, "/keep.o", true},
           {{"!x"}, "/x", false},
           {{"/a", "!/a/keep"}, "/a/keep/f", false},
           {{"\\!x"}, "/!x", true},
           {{"/[0-9][0-9]/?.log"}, "/42/a.log", true},
       }) {
    EXPECT_EQ(filter_of(patterns).matches(path), expected)
        << ::testing::PrintToString(patterns) << " " << path;
  }
}

TEST(PathFilter, KnowsWhereNothingBelowCanMatch) {
  for (const auto& [patterns, path, expected] : std::initializer_list<FilterCase>{
           {{}, "/", false},
           {{"/a/b/*.o"}, "/", true},
           {{"/a/b/*.o"}, "/a", true},
           {{"/a/b/*.o"}, "/a/b", true},
           {{"/a/b/*.o"}, "/a/c", false},
           {{"/a/b/*.o"}, "/b", false},
           {{"/a/b"}, "/a/b/c/d", true},
           {{"/a/b/*.o"}, "/a/b/c", false},
           {{"/a/*/c"}, "/a/x", true},
           {{"/a/**/c"}, "/a/x/y/z", true},
           {{"*.o"}, "/anywhere/at/all", true},
           {{"x/y"}, "/a", true},
           {{"!/a"}, "/", false},
           {{"/x", "/a/b"}, "/a", true},
       }) {
    EXPECT_EQ(filter_of(patterns).may_match_below(path), expected)
        << ::testing::PrintToString(patterns) << " " << path;
  }
}

TEST(PathFilter, MatchesAPathItselfAndNotWhatIsBelow) {
  struct Example {
    const char* pattern;
    const char* path;
    bool itself;
  };
  for (const auto& [pattern, path, itself] :
       std::initializer_list<Example>{{"a", "/a", true},
                                      {"a", "/x/a", true},
                                      {"a", "/a/b", false},
                                      {"a", "/a/b/a", true},
                                      {"a/b", "/a/b", true},
                                      {"a/b", "/a/b/c", false},
                                      {"a/b", "/a/b/a/b", true},
                                      {"/a", "/a", true},
                                      {"/a", "/a/a", false},
                                      {"/a/*", "/a/b", true},
                                      {"/a/*", "/a/b/c", false},
                                      {"/a/**", "/a", true},
                                      {"/a/**", "/a/b/c", true},
                                      {"/a/**/c", "/a/b/c/c", true},
                                      {"/a/**/c", "/a/b/c/d", false},
                                      {"**/c", "/c", true},
                                      {"a*", "/ab/cd", false},
                                      {"/", "/", true},
                                      {"/", "/a", false}}) {
    PathFilter filter;
    ASSERT_TRUE(filter.add(pattern, Case::kSensitive).has_value());
    EXPECT_EQ(filter.matches(path, Reach::kItself), itself) << pattern << " " << path;
  }
}

TEST(PathFilter, FoldsCasePerPattern) {
  PathFilter filter;
  ASSERT_TRUE(filter.add("*.JPG", Case::kInsensitive).has_value());
  ASSERT_TRUE(filter.add("*.PNG", Case::kSensitive).has_value());
  EXPECT_TRUE(filter.matches("/a.jpg"));
  EXPECT_FALSE(filter.matches("/a.png"));
}

TEST(PathFilter, NamesTheMalformedPatternAndWhatIsWrong) {
  for (const auto& [pattern, problem] : std::initializer_list<std::pair<const char*, const char*>>{
           {"", "it is empty"},
           {"!", "it is empty"},
           {".", "it names nothing"},
           {"a/[b", "'[' has no ']'"},
           {"[]", "'[' has no ']'"},
           {"[!]", "'[' has no ']'"},
           {"[a\\", "'[' has no ']'"},
           {"[a-", "'[' has no ']'"},
           {"[z-a]", "a range in '[...]' runs backwards"},
           {"a\\", "it ends with a lone backslash"},
           {"a/../b", "'..' never matches"},
       }) {
    PathFilter filter;
    const auto added = filter.add(pattern, Case::kSensitive);
    ASSERT_FALSE(added.has_value()) << pattern;
    EXPECT_EQ(added.error().code(), ErrorCode::kInvalidArgument);
    EXPECT_EQ(added.error().message(), std::string("pattern '") + pattern + "': " + problem);
    EXPECT_FALSE(added.error().hint().empty());
    EXPECT_TRUE(filter.empty());
  }
}

TEST(PathFilter, ReadsAFileOfPatterns) {
  PathFilter filter;
  ASSERT_TRUE(filter
                  .add_lines("\xef\xbb\xbf# comment\n\n  *.o  \r\n\\#odd\n!keep.o\nblank\\ \nlast",
                             Case::kSensitive)
                  .has_value());
  EXPECT_TRUE(filter.matches("/a.o"));
  EXPECT_FALSE(filter.matches("/keep.o"));
  EXPECT_TRUE(filter.matches("/#odd"));
  EXPECT_TRUE(filter.matches("/blank "));
  EXPECT_FALSE(filter.matches("/blank"));
  EXPECT_TRUE(filter.matches("/last"));
  EXPECT_FALSE(filter.matches("/comment"));
}

TEST(PathFilter, NamesTheLineOfAMalformedPattern) {
  PathFilter filter;
  const auto added = filter.add_lines("good\n\n[bad\n", Case::kSensitive);
  ASSERT_FALSE(added.has_value());
  EXPECT_EQ(added.error().describe(), "line 3: pattern '[bad': '[' has no ']'");
}

TEST(PathFilter, TakesNoExponentialTime) {
  std::string pattern;
  std::string path;
  for (int i = 0; i < 40; ++i) {
    pattern += "/**/a";
    path += "/a/a/a/a";
  }
  const PathFilter filter = filter_of({pattern + "/b"});
  EXPECT_FALSE(filter.matches(path));
}

}  // namespace
}  // namespace backstay::snapshot
