#include "cli/help_text.h"

#include <fmt/format.h>

#include <algorithm>

#include "cli/text_layout.h"

namespace backstay::cli {
namespace {

constexpr std::size_t kColumnsMax = 100;

struct HelpLine {
  std::string form;
  std::string help;
};

// Two columns: what to type and what it does; long forms stand on a line of their own.
void append_entries(std::string& out, const std::vector<HelpLine>& entries, std::size_t columns) {
  constexpr std::size_t kFormMax = 30;
  std::size_t width = 0;
  for (const HelpLine& entry : entries) {
    if (entry.form.size() <= kFormMax) width = std::max(width, entry.form.size());
  }
  const std::size_t indent = width + 4;
  for (const HelpLine& entry : entries) {
    out += fmt::format("  {:<{}}", entry.form, width);
    bool fresh = entry.form.size() > width;
    for (const std::string& line :
         wrap(entry.help, columns > indent + 20 ? columns - indent : 40)) {
      out += fresh ? fmt::format("\n{:{}}{}", "", indent, line) : fmt::format("  {}", line);
      fresh = true;
    }
    out += '\n';
  }
}

void append_section(std::string& out, std::string_view title, const std::vector<HelpLine>& entries,
                    std::size_t columns) {
  if (entries.empty()) return;
  out += fmt::format("\n{}:\n", title);
  append_entries(out, entries, columns);
}

std::vector<HelpLine> option_entries(const std::vector<Option>& options) {
  std::vector<HelpLine> entries;
  for (const Option& option : options) {
    // Long names line up whether there is a short one or not.
    const bool short_name = !option.names.starts_with("--");
    entries.push_back({(short_name ? "" : "    ") + option_form(option), option_help(option)});
  }
  return entries;
}

std::vector<HelpLine> command_entries(const std::vector<Command>& commands) {
  std::vector<HelpLine> entries;
  for (const Command& command : commands) entries.push_back({command.name, command.summary});
  return entries;
}

void append_paragraphs(std::string& out, std::string_view text, std::size_t columns) {
  while (!text.empty()) {
    const std::size_t end = std::min(text.find("\n\n"), text.size());
    out += '\n';
    for (const std::string& line : wrap(text.substr(0, end), columns)) out += line + "\n";
    text.remove_prefix(std::min(end + 2, text.size()));
  }
}

std::string program_help(const Program& program, std::size_t columns) {
  std::string out =
      "Backstay backs up files: deduplicated, encrypted, checked.\n\nUsage: " + usage_line({}) +
      "\n";
  append_section(out, "Commands", command_entries(program.commands), columns);
  append_section(out, "Global options", option_entries(program.options), columns);
  std::vector<HelpLine> codes;
  for (const ExitCodeHelp& code : exit_code_help()) {
    codes.push_back({std::to_string(code.code), std::string(code.meaning)});
  }
  append_section(out, "Exit codes", codes, columns);
  append_paragraphs(
      out,
      "The passphrase may also be in BACKSTAY_PASSWORD. Where nothing says what it is, it is "
      "asked for on the terminal; it is never taken from the command line, which every user of "
      "the machine can read.",
      columns);
  out += "\n'backstay help COMMAND' tells more about a command.\n";
  return out;
}

}  // namespace

std::string argument_form(const Argument& argument) {
  switch (argument.arity) {
    case Arity::kOne:
      return argument.name;
    case Arity::kOptional:
      return "[" + argument.name + "]";
    case Arity::kAny:
      return "[" + argument.name + "...]";
    case Arity::kAtLeastOne:
      return argument.name + "...";
  }
  return argument.name;
}

std::string option_form(const Option& option) {
  std::string form;
  for (const std::string& name : option.split_names()) form += (form.empty() ? "" : ", ") + name;
  return option.is_flag() ? form : form + " " + option.value;
}

std::string option_help(const Option& option) {
  std::string help = option.help;
  if (!option.environment.empty()) help += fmt::format(" (or {})", option.environment);
  return help;
}

std::string typed_name(const CommandPath& path) {
  std::string name = "backstay";
  for (const Command* const command : path) name += " " + command->name;
  return name;
}

std::string usage_line(const CommandPath& path) {
  if (path.empty()) return "backstay [global options] COMMAND [options] [arguments]";
  const Command& command = *path.back();
  std::string line = typed_name(path);
  if (!command.commands.empty()) {
    std::string names;
    for (const Command& child : command.commands) names += (names.empty() ? "" : "|") + child.name;
    return line + " " + names;
  }
  for (const Option& option : command.options) {
    if (option.required) line += fmt::format(" {} {}", option.long_name(), option.value);
  }
  for (const Argument& argument : command.arguments) line += " " + argument_form(argument);
  const bool choices =
      std::ranges::any_of(command.options, [](const Option& o) { return !o.required; });
  if (choices) line += " [options]";
  if (command.trailing) line += fmt::format(" [-- {}]", command.trailing->name);
  return line;
}

std::string help_text(const Program& program, const CommandPath& path, std::size_t columns) {
  columns = std::clamp<std::size_t>(columns, 40, kColumnsMax);
  if (path.empty()) return program_help(program, columns);
  const Command& command = *path.back();
  std::string out = fmt::format("{}.\n\nUsage: {}\n", command.summary, usage_line(path));
  append_paragraphs(out, command.description, columns);
  append_section(out, "Commands", command_entries(command.commands), columns);
  std::vector<HelpLine> arguments;
  for (const Argument& argument : command.arguments) {
    arguments.push_back({argument_form(argument), argument.help});
  }
  if (command.trailing)
    arguments.push_back({"-- " + command.trailing->name, command.trailing->help});
  append_section(out, "Arguments", arguments, columns);
  append_section(out, "Options", option_entries(command.options), columns);
  if (!command.examples.empty()) out += "\nExamples:\n";
  for (const Example& example : command.examples) {
    out += fmt::format("  # {}\n  {}\n", example.what, example.line);
  }
  out += "\n'backstay help' shows the options that every command has.\n";
  return out;
}

const std::vector<ExitCodeHelp>& exit_code_help() {
  static const std::vector<ExitCodeHelp> kCodes{
      {0, "done"},
      {1, "failed"},
      {2, "wrong usage"},
      {3, "done in part: some files could not be read or restored"},
      {10, "there is no repository"},
      {11, "a lease could not be had in time"},
      {12, "wrong passphrase or key"},
      {13, "damage was found"},
      {130, "interrupted"},
  };
  return kCodes;
}

}  // namespace backstay::cli
