#include "config/value.h"

#include <fmt/format.h>

#include <algorithm>

#include "base/try.h"

namespace backstay::config {
namespace {

constexpr const char* kHint = "docs/configuration.md has an example.";

// From libfyaml's nodes to values, with a limit of depth and of number.
class YamlReader {
 public:
  Result<Value> read(const yaml::Node& node, std::string_view what, int depth) {
    if (depth > kDepthMax || ++values_ > kValuesMax)
      return node.wrong("there is more in the file than settings can be");
    Value value{.mark = node.mark()};
    switch (node.kind()) {
      case yaml::Kind::kNothing:
        break;
      case yaml::Kind::kText:
        value.kind = Value::Kind::kText;
        value.text = TRY(node.words(what));
        value.quoted = node.is_quoted();
        break;
      case yaml::Kind::kList:
        value.kind = Value::Kind::kList;
        TRY(node.for_each_item(what, [&](const yaml::Node& item) -> Result<void> {
          value.items.push_back(TRY(read(item, what, depth + 1)));
          return {};
        }));
        break;
      case yaml::Kind::kMapping:
        value.kind = Value::Kind::kMap;
        TRY(node.for_each_pair(what, [&](const yaml::Pair& pair) -> Result<void> {
          const Mark mark = pair.key_node.mark();
          value.pairs.push_back({.key = std::string(TRY(pair.key_node.words("a key"))),
                                 .mark = mark,
                                 .value = TRY(read(pair.value, pair.key, depth + 1))});
          // Of a list, and of nothing, the key is all that has a place.
          Mark& of_value = value.pairs.back().value.mark;
          if (of_value.line == 0) of_value = mark;
          return {};
        }));
        break;
    }
    return value;
  }

 private:
  std::size_t values_ = 0;
};

}  // namespace

const Value* Value::find(std::string_view key) const {
  const auto found = std::ranges::find(pairs, key, &Pair::key);
  return found == pairs.end() ? nullptr : &found->value;
}

Value* Value::find(std::string_view key) {
  const auto found = std::ranges::find(pairs, key, &Pair::key);
  return found == pairs.end() ? nullptr : &found->value;
}

Value text_value(std::string text, Mark mark) {
  return {.kind = Value::Kind::kText, .text = std::move(text), .quoted = true, .mark = mark};
}

std::string place_of(std::string_view path, Mark mark) {
  return mark.line == 0 ? std::string(path) : fmt::format("{}:{}:{}", path, mark.line, mark.column);
}

Result<Value> parse_yaml(std::string_view text, std::string_view path) {
  const yaml::Document document =
      TRY(yaml::Document::parse(text, path, kHint, yaml::Signs::kWritten));
  Value top = TRY(YamlReader().read(document.root(), "the file", 0));
  if (top.kind == Value::Kind::kNothing) top.kind = Value::Kind::kMap;
  if (top.kind != Value::Kind::kMap)
    return document.root().wrong("the file must be a list of 'name: value'");
  return top;
}

Result<Value> parse_file(std::string_view text, std::string_view path) {
  return path.ends_with(".toml") ? parse_toml(text, path) : parse_yaml(text, path);
}

void merge(Value& under, const Value& over) {
  if (under.kind != Value::Kind::kMap || over.kind != Value::Kind::kMap) {
    under = over;
    return;
  }
  under.mark = over.mark;
  for (const Pair& pair : over.pairs) {
    if (Value* const there = under.find(pair.key))
      merge(*there, pair.value);
    else
      under.pairs.push_back(pair);
  }
}

}  // namespace backstay::config
