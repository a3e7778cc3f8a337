// Completion scripts for shells, made from the tables.
#pragma once

#include <string>

#include "cli/command.h"

namespace backstay::cli {

[[nodiscard]] std::string bash_completion(const Program& program);
[[nodiscard]] std::string zsh_completion(const Program& program);
[[nodiscard]] std::string fish_completion(const Program& program);

}  // namespace backstay::cli
