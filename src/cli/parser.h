// From the words of a command line to a command whose options are set.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "cli/command.h"

namespace backstay::cli {

enum class Wish : std::uint8_t { kRun, kHelp, kVersion };

// What the command line asks for. `commands` are the names that lead to the command ("key",
// "list"); it is empty where there is none.
struct Parsed {
  Wish wish = Wish::kRun;
  std::vector<const Command*> commands;
  // Wrong usage. The commands found so far tell whose form to show.
  std::optional<Error> error;

  [[nodiscard]] const Command* command() const {
    return commands.empty() ? nullptr : commands.back();
  }
};

// `words` are the arguments without the program's name. Options may stand before and after the
// command, values as
// "--name value", "--name=value", "-n value" or "-nvalue"; after `--` everything is an argument.
// Options that are not given are looked up in the environment.
Parsed parse(const Program& program, const std::vector<std::string>& words,
             const Environment& environment);

}  // namespace backstay::cli
