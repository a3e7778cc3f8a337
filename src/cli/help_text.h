// What people read about the program and its commands, made from their tables.
#pragma once

#include <string>
#include <vector>

#include "cli/command.h"

namespace backstay::cli {

// The names that lead to a command, from the top: {backup} or {key, list}. Empty for the program
// itself.
using CommandPath = std::vector<const Command*>;

// "backstay [global options] backup PATH... [options]"
[[nodiscard]] std::string usage_line(const CommandPath& path);
// "backstay key add": as it is typed.
[[nodiscard]] std::string typed_name(const CommandPath& path);
[[nodiscard]] std::string help_text(const Program& program, const CommandPath& path,
                                    std::size_t columns);
// A page for man(1) in the man macros.
[[nodiscard]] std::string man_page(const Program& program, const CommandPath& path);

// "NAME...", "[NAME]" and so on.
[[nodiscard]] std::string argument_form(const Argument& argument);
// "-r, --repo URL"
[[nodiscard]] std::string option_form(const Option& option);
// The option's help with where else it may be set.
[[nodiscard]] std::string option_help(const Option& option);

struct ExitCodeHelp {
  int code;
  std::string_view meaning;
};
[[nodiscard]] const std::vector<ExitCodeHelp>& exit_code_help();

}  // namespace backstay::cli
