#include "cli/completion.h"
#include "cli/completion_words.h"

namespace backstay::cli {
namespace {

// Calls `each` with "backup", "key", "key list", ... and the command.
template <typename Each>
void for_each_command(const Program& program, const Each& each) {
  for (const Command& command : program.commands) {
    each(command.name, command);
    for (const Command& child : command.commands) each(command.name + " " + child.name, child);
  }
}

void append_bash_values(std::string& out, const std::vector<Option>& options) {
  for (const Option& option : options) {
    if (option.is_flag()) continue;
    const std::string pattern = fmt::format("{}", fmt::join(option.split_names(), "|"));
    if (option.choices.empty()) {
      out += fmt::format("    {}) COMPREPLY=($(compgen -f -- \"$current\")); return ;;\n", pattern);
    } else {
      out += fmt::format("    {}) COMPREPLY=($(compgen -W {} -- \"$current\")); return ;;\n",
                         pattern, shell_quoted_list(option.choices));
    }
  }
}

std::string bash_words(const Program& program, const Command& command) {
  std::vector<std::string> words = names_of(command.options);
  for (std::string& name : names_of(program.options)) words.push_back(std::move(name));
  words.emplace_back("--help");
  return shell_quoted_list(words);
}

std::string plain_words(const Command& command) {
  std::vector<std::string> words = names_of(command.commands);
  for (const Argument& argument : command.arguments) {
    words.insert(words.end(), argument.choices.begin(), argument.choices.end());
  }
  return shell_quoted_list(words);
}

// Every option that takes a value, as a pattern of a shell's case.
std::string value_pattern(const std::vector<Option>& options) {
  std::vector<std::string> names;
  for (const Option& option : options) {
    if (option.is_flag()) continue;
    for (std::string& name : option.split_names()) names.push_back(std::move(name));
  }
  return fmt::format("{}", fmt::join(names, "|"));
}

}  // namespace

std::string bash_completion(const Program& program) {
  std::string out = R"(# bash completion for backstay
_backstay() {
  local current=${COMP_WORDS[COMP_CWORD]} previous=${COMP_WORDS[COMP_CWORD-1]}
  local words=() word skip= i
  for ((i = 1; i < COMP_CWORD; i++)); do
    word=${COMP_WORDS[i]}
    if [[ -n $skip ]]; then skip=; continue; fi
    case $word in
)";
  out += fmt::format("      {}) skip=1 ;;\n", value_pattern(program.options));
  out += "      -*) ;;\n      *) words+=(\"$word\") ;;\n    esac\n  done\n";
  out += "  local command=${words[0]}\n";
  out += "  case \"$command ${words[1]}\" in\n";
  for (const Command& command : program.commands) {
    if (command.commands.empty()) continue;
    for (const Command& child : command.commands) {
      out += fmt::format("    '{0} {1}') command='{0} {1}' ;;\n", command.name, child.name);
    }
  }
  out += "  esac\n  case $previous in\n";
  append_bash_values(out, program.options);
  out += "  esac\n  case $command in\n";
  out += fmt::format(
      "    '') COMPREPLY=($(compgen -W {} -- \"$current\")); return ;;\n",
      shell_quoted(fmt::format("{} {} --help --version", fmt::join(names_of(program.commands), " "),
                               fmt::join(names_of(program.options), " "))));
  for_each_command(program, [&](const std::string& name, const Command& command) {
    out += fmt::format("    {})\n      case $previous in\n", shell_quoted(name));
    append_bash_values(out, command.options);
    out += "      esac\n";
    out += fmt::format(
        "      if [[ $current == -* ]]; then COMPREPLY=($(compgen -W {} -- \"$current\")); return; "
        "fi\n",
        bash_words(program, command));
    if (const std::string words = plain_words(command); words != "''") {
      out += fmt::format("      COMPREPLY=($(compgen -W {} -- \"$current\")); return ;;\n", words);
    } else {
      out += "      ;;\n";
    }
  });
  out += "  esac\n  COMPREPLY=($(compgen -f -- \"$current\"))\n}\n";
  out += "complete -o filenames -F _backstay backstay\n";
  return out;
}

}  // namespace backstay::cli
