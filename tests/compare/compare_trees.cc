// compare_trees A B: compares two folders byte for byte and attribute for attribute.
#include <fmt/format.h>

#include <cstdio>
#include <optional>
#include <string_view>
#include <vector>

#include "compare/tree_comparer.h"

namespace {

constexpr std::string_view kUsage =
    "usage: compare_trees [--ignore WHAT]... [--exclude PATH]... [--no-ownership] A B\n"
    "\n"
    "Prints one line for each difference, 'path: what: left right', and a summary.\n"
    "WHAT: existence type mode owner group mtime size hole-map content target device hard-links\n"
    "      xattrs flags project\n"
    "--exclude PATH   a path below A, absolute or relative to it, that is not compared\n"
    "--no-ownership   as after a restore by a user who is not root: owners, groups, set-id bits "
    "and\n"
    "                 attributes that only root can set are not compared (also: --no-owner)\n"
    "Exit code: 0 identical, 1 different, 2 wrong usage or no such folder.\n";

// Nothing when the arguments make no sense.
std::optional<backstay::compare::Options> parse(const std::vector<std::string_view>& arguments) {
  backstay::compare::Options options;
  std::vector<std::string> folders;
  for (std::size_t i = 0; i < arguments.size(); ++i) {
    const std::string_view argument = arguments[i];
    const bool takes_value = argument == "--ignore" || argument == "--exclude";
    if (takes_value && i + 1 == arguments.size()) return std::nullopt;
    if (argument == "--ignore") {
      const auto what = backstay::compare::what_from_string(arguments[++i]);
      if (!what || *what == backstay::compare::What::kReadability) return std::nullopt;
      options.ignored.insert(*what);
    } else if (argument == "--exclude") {
      options.excluded.emplace(arguments[++i]);
    } else if (argument == "--no-ownership" || argument == "--no-owner") {
      options.ownership = backstay::compare::Ownership::kIgnore;
    } else if (argument.starts_with("-") && argument != "--") {
      return std::nullopt;
    } else if (argument != "--") {
      folders.emplace_back(argument);
    }
  }
  if (folders.size() != 2) return std::nullopt;
  options.left = folders[0];
  options.right = folders[1];
  return options;
}

}  // namespace

int main(int argc, char** argv) {
  const std::vector<std::string_view> arguments(argv + 1, argv + argc);
  const std::optional<backstay::compare::Options> options = parse(arguments);
  if (!options) {
    fmt::print(stderr, "{}", kUsage);
    return 2;
  }
  const auto totals = backstay::compare::compare_trees(*options, stdout);
  if (!totals) {
    fmt::print(stderr, "compare_trees: {}\n", totals.error().describe());
    return 2;
  }
  return totals->differences == 0 ? 0 : 1;
}
