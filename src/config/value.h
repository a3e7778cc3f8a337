// What stands in a configuration file, whatever it is written in, and where each of it stands.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/error.h"
#include "yaml/document.h"

namespace backstay::config {

using yaml::Mark;

// A template, because a value has pairs of values: it is made when Value is complete.
template <typename Of>
struct PairOf {
  std::string key = {};
  Mark mark = {};
  Of value = {};
};

struct Value {
  enum class Kind : std::uint8_t { kNothing, kText, kList, kMap };
  Kind kind = Kind::kNothing;
  std::string text = {};  // numbers and truths too, as they are written
  bool quoted = false;    // a text that was meant to be one
  std::vector<Value> items = {};
  std::vector<PairOf<Value>> pairs = {};  // no key twice
  Mark mark = {};

  // Null where there is no such key.
  [[nodiscard]] const Value* find(std::string_view key) const;
  [[nodiscard]] Value* find(std::string_view key);
};

using Pair = PairOf<Value>;

[[nodiscard]] Value text_value(std::string text, Mark mark = {});
// "FILE:LINE:COLUMN", as far as it is known.
[[nodiscard]] std::string place_of(std::string_view path, Mark mark);

inline constexpr std::size_t kFileBytesMax = 1024 * 1024;
inline constexpr int kDepthMax = 24;
inline constexpr std::size_t kValuesMax = 100'000;

// The top of a file is a map. invalid_argument with "FILE:LINE:COLUMN: what". `path` is for
// messages.
Result<Value> parse_yaml(std::string_view text, std::string_view path);
// TOML 1.0. Dates and times are refused: they are written as texts.
Result<Value> parse_toml(std::string_view text, std::string_view path);
// By the end of the path: .toml is TOML, all else YAML.
Result<Value> parse_file(std::string_view text, std::string_view path);

// Maps are merged key by key; anything else of `over` replaces what `under` has.
void merge(Value& under, const Value& over);

}  // namespace backstay::config
