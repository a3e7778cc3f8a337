#include "yaml/document.h"

#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "base/try.h"

namespace backstay::yaml {
namespace {

Result<Document> parse(std::string_view text) {
  return Document::parse(text, "f.yaml", "Look at the manual.");
}

TEST(YamlDocument, GivesTextsNumbersAndTruthInOrder) {
  const Document document =
      parse("url: s3://a/b?region=x&y=%20\nsize: 7 # a comment\naway: true\n").value();
  std::vector<std::string> keys;
  std::vector<Node> values;
  const auto read = document.root().for_each_pair("the file", [&](const Pair& pair) {
    keys.emplace_back(pair.key);
    values.push_back(pair.value);
    return Result<void>();
  });
  ASSERT_TRUE(read.has_value());
  EXPECT_EQ(keys, (std::vector<std::string>{"url", "size", "away"}));
  EXPECT_EQ(values[0].text("url").value(), "s3://a/b?region=x&y=%20");
  EXPECT_EQ(values[1].number("size", 7).value(), 7U);
  EXPECT_FALSE(values[1].number("size", 6).has_value());
  EXPECT_TRUE(values[2].truth("away").value());
}

TEST(YamlDocument, SaysWhereSomethingIsWrongAndWhatMayHaveBeenMeant) {
  const Document document = parse("a: 1\nsiez: 9\n").value();
  const auto read = document.root().for_each_pair("the file", [](const Pair& pair) -> Result<void> {
    if (pair.key == "siez") return pair.unknown("a file", {"size", "name"});
    return {};
  });
  EXPECT_EQ(read.error().describe(), "f.yaml:2:1: a file has no 'siez'; did you mean 'size'?");
  EXPECT_EQ(read.error().hint(), "Look at the manual.");
}

TEST(YamlDocument, RefusesValuesOfAnotherKind) {
  const Document document = parse("a: [1, x]\n").value();
  const auto wrong = [&](const auto& ask) {
    return document.root()
        .for_each_pair("the file",
                       [&](const Pair& pair) -> Result<void> {
                         const auto asked = ask(pair.value);
                         if (!asked) return std::unexpected(asked.error().clone());
                         return {};
                       })
        .error()
        .code();
  };
  EXPECT_EQ(wrong([](const Node& node) { return node.text("a"); }), ErrorCode::kInvalidArgument);
  EXPECT_EQ(wrong([](const Node& node) { return node.truth("a"); }), ErrorCode::kInvalidArgument);
  EXPECT_EQ(wrong([](const Node& node) { return node.for_each_pair("a", {}); }),
            ErrorCode::kInvalidArgument);
  EXPECT_EQ(wrong([](const Node& node) {
              return node.for_each_item("a", [](const Node& item) -> Result<void> {
                TRY(item.number("item", 5));
                return {};
              });
            }),
            ErrorCode::kInvalidArgument);
}

TEST(YamlDocument, RefusesWhatIsNoYamlAndWhatNoSettingsNeed) {
  for (const char* text : {"a: [1", "a: 1\na: 2\n", "%YAML 1.2\n---\na: 1\n", "a: !!int 1\n",
                           "a: &x 1\nb: *x\n", "a: caf\xc3\xa9\n"}) {
    EXPECT_EQ(parse(text).error().code(), ErrorCode::kInvalidArgument) << text;
  }
}

}  // namespace
}  // namespace backstay::yaml
