// Commands: what the program can do, and the world that each of them runs in.
#pragma once

#include <functional>
#include <optional>
#include <stop_token>
#include <string>
#include <string_view>
#include <vector>

#include "base/clock.h"
#include "base/error.h"
#include "base/rng.h"
#include "cli/exit_code.h"
#include "cli/option.h"

namespace backstay::cli {

class Console;
struct Context;
struct GlobalOptions;
struct InSet;

struct Example {
  std::string line;  // "backstay backup /home --tag daily"
  std::string what;  // begins with a capital, no full stop
};

struct Command {
  std::string name;
  std::string summary;      // one line, begins with a capital, no full stop
  std::string description;  // paragraphs, an empty line between them
  std::vector<Example> examples = {};
  std::vector<Argument> arguments = {};
  std::vector<Option> options = {};
  // Words after `--`, where they mean something else than more arguments ("CMD ARG...").
  std::optional<Argument> trailing = {};
  std::vector<Command> commands =
      {};  // "key" has "list", "add", ...; such a command does nothing itself
  std::function<Result<ExitCode>(Context&)> run = {};
};

struct Program {
  std::vector<Option> options;  // those that every command has
  std::vector<Command> commands;
};

// The process's environment, behind an interface for tests. A variable that is set but empty counts
// as unset.
class Environment {
 public:
  virtual ~Environment() = default;
  [[nodiscard]] virtual std::optional<std::string> get(std::string_view name) const = 0;
};

class ProcessEnvironment final : public Environment {
 public:
  [[nodiscard]] std::optional<std::string> get(std::string_view name) const override;
};

// What a command may use. Everything outlives it.
struct Context {
  const Program& program;
  const GlobalOptions& options;
  const Environment& environment;
  Console& console;
  const Clock& clock;
  Rng& rng;
  std::stop_source stop;
  // Where the repository is a place of a set (cli/place_set.h); null otherwise.
  const InSet* in_set = nullptr;
  // The signal that asked to stop; 0 while none did. Empty: nobody listens for signals.
  std::function<int()> stop_signal = {};
};

}  // namespace backstay::cli
