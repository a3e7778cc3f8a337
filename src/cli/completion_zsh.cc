#include "cli/completion.h"
#include "cli/completion_words.h"

namespace backstay::cli {
namespace {

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
      out += fmt::format("{}{} \\\n", indent, shell_quoted(spec));
    }
  }
}

void append_zsh_list(std::string& out, const std::vector<Command>& commands) {
  for (const Command& command : commands) {
    out += "    " + shell_quoted(zsh_text(command.name) + ":" + zsh_text(command.summary)) + "\n";
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

}  // namespace backstay::cli
