// What the completion scripts of all shells have in common.
#pragma once

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <string>
#include <string_view>
#include <vector>

#include "cli/command.h"

namespace backstay::cli {

// All names of all options: "-r", "--repo", ...
[[nodiscard]] std::vector<std::string> names_of(const std::vector<Option>& options);
[[nodiscard]] std::vector<std::string> names_of(const std::vector<Command>& commands);

// The text inside '...' for a shell.
[[nodiscard]] std::string shell_quoted(std::string_view text);
[[nodiscard]] inline std::string shell_quoted_list(const std::vector<std::string>& words) {
  return shell_quoted(fmt::format("{}", fmt::join(words, " ")));
}

}  // namespace backstay::cli
