// From the words of a command line to a command whose options are set.
#pragma once

#include <functional>
#include <optional>
#include <set>
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
  // Options of the whole program as they were given, as words that give them again.
  std::vector<std::string> program_words;

  [[nodiscard]] const Command* command() const {
    return commands.empty() ? nullptr : commands.back();
  }
};

// What a configuration file says for an option ("--exclude"), or for an argument by its `setting`.
struct Setting {
  std::string name;
  std::vector<std::string> values;  // of a flag: true or false
  std::string origin;               // for messages: "FILE:LINE:COLUMN"
};
struct Settings {
  std::vector<Setting> program;  // for options that every command has
  std::vector<Setting> command;
};
// What the command line and the environment say already.
struct AlreadyGiven {
  std::set<std::string, std::less<>> options;  // long names
  bool words = false;                          // arguments of the command
};
// Asked once, for a command that is about to run, after all that comes before it.
using ReadSettings =
    std::function<Result<Settings>(const std::vector<const Command*>&, const AlreadyGiven&)>;

// `words` are the arguments without the program's name. Options may stand before and after the
// command, values as
// "--name value", "--name=value", "-n value" or "-nvalue"; after `--` everything is an argument.
// Options that are not given are looked up in the environment, and then in `settings`.
Parsed parse(const Program& program, const std::vector<std::string>& words,
             const Environment& environment, const ReadSettings& settings = {});

}  // namespace backstay::cli
