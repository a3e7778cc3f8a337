#include "cli/completion.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>

namespace backstay::cli {
namespace {

std::vector<std::string> names_of(const std::vector<Option>& options) {
  std::vector<std::string> names;
  for (const Option& option : options) {
    for (std::string& name : option.split_names()) names.push_back(std::move(name));
  }
  return names;
}

std::vector<std::string> names_of(const std::vector<Command>& commands) {
  std::vector<std::string> names;
  for (const Command& command : commands) names.push_back(command.name);
  return names;
}

// Calls `each` with "backup", "key", "key list", ... and the command.
template <typename Each>
void for_each_command(const Program& program, const Each& each) {
  for (const Command& command : program.commands) {
    each(command.name, command);
    for (const Command& child : command.commands) each(command.name + " " + child.name, child);
  }
}

// Text inside '...' for a shell.
std::string quoted_text(std::string_view text) {
  std::string out = "'";
  for (const char c : text) {
    if (c == '\'')
      out += "'\\''";
    else
      out += c;
  }
  return out + "'";
}

// ---- bash

void append_bash_values(std::string& out, const std::vector<Option>& options) {
  for (const Option& option : options) {
    if (option.is_flag()) continue;
    const std::string pattern = fmt::format("{}", fmt::join(option.split_names(), "|"));
    if (option.choices.empty()) {
      out += fmt::format("    {}) COMPREPLY=($(compgen -f -- \"$current\")); return ;;\n", pattern);
    } else {
      out += fmt::format("    {}) COMPREPLY=($(compgen -W {} -- \"$current\")); return ;;\n",
                         pattern, quoted_text(fmt::format("{}", fmt::join(option.choices, " "))));
    }
  }
}

std::string bash_words(const Program& program, const Command& command) {
  std::vector<std::string> words = names_of(command.options);
  for (std::string& name : names_of(program.options)) words.push_back(std::move(name));
  words.emplace_back("--help");
  return quoted_text(fmt::format("{}", fmt::join(words, " ")));
}

std::string plain_words(const Command& command) {
  std::vector<std::string> words = names_of(command.commands);
  for (const Argument& argument : command.arguments) {
    words.insert(words.end(), argument.choices.begin(), argument.choices.end());
  }
  return quoted_text(fmt::format("{}", fmt::join(words, " ")));
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
      quoted_text(fmt::format("{} {} --help --version", fmt::join(names_of(program.commands), " "),
                              fmt::join(names_of(program.options), " "))));
  std::vector<std::string> choices;
  for_each_command(program, [&](const std::string& name, const Command& command) {
    out += fmt::format("    {})\n      case $previous in\n", quoted_text(name));
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

namespace {

// ---- zsh

// Brackets and colons end parts of a specification of _arguments.
std::string zsh_text(std::string_view text) {
  std::string out;
  for (const char c : text) {
    if (c == '[' || c == ']' || c == ':' || c == '\\') out += '\\';
    out += c;
  }
  return out;
}

std::string zsh_value(const Option& option) {
  if (option.is_flag()) return "";
  const std::string action = option.choices.empty()
                                 ? std::string("_files")
                                 : fmt::format("({})", fmt::join(option.choices, " "));
  return fmt::format(":{}:{}", zsh_text(option.value), action);
}

void append_zsh_options(std::string& out, const std::vector<Option>& options,
                        std::string_view indent) {
  for (const Option& option : options) {
    for (const std::string& name : option.split_names()) {
      const std::string spec =
          fmt::format("*{}[{}]{}", name, zsh_text(option.help), zsh_value(option));
      out += fmt::format("{}{} \\\n", indent, quoted_text(spec));
    }
  }
}

void append_zsh_list(std::string& out, const std::vector<Command>& commands) {
  for (const Command& command : commands) {
    out += "    " + quoted_text(zsh_text(command.name) + ":" + zsh_text(command.summary)) + "\n";
  }
}

std::string zsh_arguments(const Command& command) {
  for (const Argument& argument : command.arguments) {
    if (!argument.choices.empty()) {
      return fmt::format("'*:{}:({})'", argument.name, fmt::join(argument.choices, " "));
    }
  }
  return "'*:file:_files'";
}

}  // namespace

std::string zsh_completion(const Program& program) {
  std::string out = "#compdef backstay\n# zsh completion for backstay\n_backstay() {\n";
  out += "  local context state line\n  local -a commands\n  commands=(\n";
  append_zsh_list(out, program.commands);
  out += "  )\n  _arguments -C \\\n";
  append_zsh_options(out, program.options, "    ");
  out += "    '1:command:->command' '*::argument:->argument' && return\n";
  out += "  case $state in\n    command) _describe command commands ;;\n    argument)\n";
  out += "      case $line[1] in\n";
  for (const Command& command : program.commands) {
    out += fmt::format("        {})\n", command.name);
    if (!command.commands.empty()) {
      out += fmt::format("          _arguments '1:command:({})' \\\n",
                         fmt::join(names_of(command.commands), " "));
      for (const Command& child : command.commands)
        append_zsh_options(out, child.options, "            ");
    } else {
      out += "          _arguments \\\n";
      append_zsh_options(out, command.options, "            ");
    }
    append_zsh_options(out, program.options, "            ");
    out += fmt::format("            {} ;;\n", zsh_arguments(command));
  }
  out += "      esac ;;\n  esac\n}\n";
  out +=
      "if [ \"$funcstack[1]\" = _backstay ]; then _backstay \"$@\"; else compdef _backstay "
      "backstay; fi\n";
  return out;
}

namespace {

// ---- fish

void append_fish_options(std::string& out, const std::vector<Option>& options,
                         const std::string& condition) {
  for (const Option& option : options) {
    out += "complete -c backstay" + condition;
    for (const std::string& name : option.split_names()) {
      out += name.starts_with("--") ? " -l " + name.substr(2) : " -s " + name.substr(1);
    }
    if (!option.is_flag()) out += " -r";
    if (!option.choices.empty()) {
      out += " -f -a " + quoted_text(fmt::format("{}", fmt::join(option.choices, " ")));
    }
    out += " -d " + quoted_text(option.help) + "\n";
  }
}

}  // namespace

std::string fish_completion(const Program& program) {
  std::string out = "# fish completion for backstay\n";
  append_fish_options(out, program.options, "");
  for (const Command& command : program.commands) {
    out += fmt::format("complete -c backstay -n __fish_use_subcommand -f -a {} -d {}\n",
                       command.name, quoted_text(command.summary));
  }
  for (const Command& command : program.commands) {
    const std::string seen = fmt::format("__fish_seen_subcommand_from {}", command.name);
    append_fish_options(out, command.options, " -n " + quoted_text(seen));
    for (const Argument& argument : command.arguments) {
      if (argument.choices.empty()) continue;
      out += fmt::format("complete -c backstay -n {} -f -a {}\n", quoted_text(seen),
                         quoted_text(fmt::format("{}", fmt::join(argument.choices, " "))));
    }
    for (const Command& child : command.commands) {
      out += fmt::format("complete -c backstay -n {} -f -a {} -d {}\n", quoted_text(seen),
                         child.name, quoted_text(child.summary));
      append_fish_options(out, child.options,
                          " -n " + quoted_text(fmt::format("{}; and __fish_seen_subcommand_from {}",
                                                           seen, child.name)));
    }
  }
  return out;
}

}  // namespace backstay::cli
