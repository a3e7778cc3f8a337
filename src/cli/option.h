// What a command takes, as plain tables. The parser, the help texts, the man pages and the
// completion scripts are all made from these, so they cannot disagree.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "base/error.h"

namespace backstay::cli {

// Takes one value as it was written; invalid_argument says what is wrong with it.
using SetValue = std::function<Result<void>(std::string_view text)>;

// Whether the parser falls back to the environment variable by itself, or the command looks there
// with rules of its own and the table only tells people about it.
enum class EnvironmentUse : std::uint8_t { kFallback, kDocumented };

// What a second occurrence means. The last one counts where a person corrects what an alias or a
// script gave. It is refused where somebody may believe that both count, as two places to copy to.
enum class Repeat : std::uint8_t { kAllowed, kRefused };

// Whether all values count that are given, or the last one only.
enum class Counts : std::uint8_t { kLast, kAll };

struct Option {
  std::string names;  // "-r,--repo": short ones first, separated by commas
  std::string value;  // "URL"; empty for a flag
  std::string help;   // no full stop, begins with a small letter
  SetValue set;       // called for every occurrence, in the order of the command line; flags get ""
  std::vector<std::string> choices = {};  // for completion; `set` refuses others
  std::string environment = {};
  EnvironmentUse environment_use = EnvironmentUse::kFallback;
  bool required = false;
  Repeat repeat = Repeat::kAllowed;
  Counts counts = Counts::kLast;
  std::string initial = {};  // what holds when nothing is given, where a text says it

  [[nodiscard]] bool is_flag() const { return value.empty(); }
  // "--repo": the first long name.
  [[nodiscard]] std::string long_name() const;
  [[nodiscard]] std::vector<std::string> split_names() const;
};

enum class Arity : std::uint8_t { kOne, kOptional, kAny, kAtLeastOne };

struct Argument {
  std::string name;  // "PATH"
  std::string help;
  Arity arity = Arity::kOne;
  SetValue set;
  std::vector<std::string> choices = {};
  // The key of a configuration file that says it where the command line does not; empty: none.
  std::string setting = {};
};

// ---- the usual ways to take a value
Option flag(std::string names, bool& target, std::string help);
Option text(std::string names, std::string value, std::string& target, std::string help);
Option texts(std::string names, std::string value, std::vector<std::string>& target,
             std::string help);
// A text that says where something is or goes: given once.
Option place(std::string names, std::string value, std::string& target, std::string help);
// "64MiB", "1.5G".
Option size(std::string names, std::uint64_t& target, std::string help);
// A whole number from `low` to `high`.
struct Range {
  std::uint64_t low = 0;
  std::uint64_t high = 0;
};
Option number(std::string names, std::string value, std::uint64_t& target, Range range,
              std::string help);

// One of some names, each standing for a value of an enumeration.
template <typename Enum>
Option choice(std::string names, std::string value, Enum& target,
              std::vector<std::pair<std::string, Enum>> pairs, std::string help);

// "'fast' is none of: off, auto".
[[nodiscard]] Error not_a_choice(std::string_view text, const std::vector<std::string>& choices);

template <typename Enum>
Option choice(std::string names, std::string value, Enum& target,
              std::vector<std::pair<std::string, Enum>> pairs, std::string help) {
  Option option{
      .names = std::move(names), .value = std::move(value), .help = std::move(help), .set = {}};
  for (const auto& [name, meant] : pairs) {
    option.choices.push_back(name);
    if (meant == target) option.initial = name;
  }
  option.set = [&target, pairs = std::move(pairs),
                choices = option.choices](std::string_view text) -> Result<void> {
    for (const auto& [name, meant] : pairs) {
      if (name == text) {
        target = meant;
        return {};
      }
    }
    return std::unexpected(not_a_choice(text, choices));
  };
  return option;
}

}  // namespace backstay::cli
