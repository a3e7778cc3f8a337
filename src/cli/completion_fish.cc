#include "cli/completion.h"
#include "cli/completion_words.h"

namespace backstay::cli {
namespace {

void append_fish_options(std::string& out, const std::vector<Option>& options,
                         const std::string& condition) {
  for (const Option& option : options) {
    out += "complete -c backstay" + condition;
    for (const std::string& name : option.split_names()) {
      out += name.starts_with("--") ? " -l " + name.substr(2) : " -s " + name.substr(1);
    }
    if (!option.is_flag()) out += " -r";
    if (!option.choices.empty()) {
      out += " -f -a " + shell_quoted_list(option.choices);
    }
    out += " -d " + shell_quoted(option.help) + "\n";
  }
}

}  // namespace

std::string fish_completion(const Program& program) {
  std::string out = "# fish completion for backstay\n";
  append_fish_options(out, program.options, "");
  for (const Command& command : program.commands) {
    out += fmt::format("complete -c backstay -n __fish_use_subcommand -f -a {} -d {}\n",
                       command.name, shell_quoted(command.summary));
  }
  for (const Command& command : program.commands) {
    const std::string seen = fmt::format("__fish_seen_subcommand_from {}", command.name);
    append_fish_options(out, command.options, " -n " + shell_quoted(seen));
    for (const Argument& argument : command.arguments) {
      if (argument.choices.empty()) continue;
      out += fmt::format("complete -c backstay -n {} -f -a {}\n", shell_quoted(seen),
                         shell_quoted_list(argument.choices));
    }
    for (const Command& child : command.commands) {
      out += fmt::format("complete -c backstay -n {} -f -a {} -d {}\n", shell_quoted(seen),
                         child.name, shell_quoted(child.summary));
      append_fish_options(
          out, child.options,
          " -n " + shell_quoted(
                       fmt::format("{}; and __fish_seen_subcommand_from {}", seen, child.name)));
    }
  }
  return out;
}

}  // namespace backstay::cli
