#include <fmt/format.h>

#include <algorithm>

#include "cli/help_text.h"

namespace backstay::cli {
namespace {

// Text for troff: a backslash begins a command there, so does a dot or an apostrophe at the start
// of a line, and '-' would become a hyphen that cannot be copied into a shell.
std::string troff(std::string_view text) {
  std::string out;
  for (const char c : text) {
    const bool line_start = out.empty() || out.back() == '\n';
    if (line_start && (c == '.' || c == '\'')) out += "\\&";
    if (c == '\\')
      out += "\\e";
    else if (c == '-')
      out += "\\-";
    else
      out += c;
  }
  return out;
}

void append_tagged(std::string& out, const std::string& form, const std::string& help) {
  out += fmt::format(".TP\n.B {}\n{}\n", troff(form), troff(help));
}

void append_options(std::string& out, std::string_view title, const std::vector<Option>& options) {
  if (options.empty()) return;
  out += fmt::format(".SH {}\n", title);
  for (const Option& option : options)
    append_tagged(out, option_form(option), option_help(option) + ".");
}

std::string paragraphs(std::string_view text) {
  std::string out;
  while (!text.empty()) {
    const std::size_t end = std::min(text.find("\n\n"), text.size());
    out += fmt::format(".PP\n{}\n", troff(text.substr(0, end)));
    text.remove_prefix(std::min(end + 2, text.size()));
  }
  return out;
}

std::string page_name(const CommandPath& path) {
  std::string name = typed_name(path);
  std::ranges::replace(name, ' ', '-');
  return name;
}

void append_commands(std::string& out, const std::vector<Command>& commands) {
  if (commands.empty()) return;
  out += ".SH COMMANDS\n";
  for (const Command& command : commands) append_tagged(out, command.name, command.summary + ".");
}

}  // namespace

std::string man_page(const Program& program, const CommandPath& path) {
  const Command* const command = path.empty() ? nullptr : path.back();
  const std::string name = page_name(path);
  std::string title = name;
  std::ranges::transform(title, title.begin(), [](char c) {
    return c >= 'a' && c <= 'z' ? static_cast<char>(c - 32) : c;
  });
  std::string summary =
      command == nullptr ? "deduplicated, encrypted, checked backups" : command->summary;
  std::string out =
      fmt::format(".TH \"{}\" 1 \"\" \"Backstay {}\" \"Backstay\"\n", title, BACKSTAY_VERSION);
  out += fmt::format(".SH NAME\n{} \\- {}\n", troff(name), troff(summary));
  out += fmt::format(".SH SYNOPSIS\n.B {}\n", troff(usage_line(path)));
  if (command != nullptr) {
    out += ".SH DESCRIPTION\n" +
           paragraphs(command->description.empty() ? summary + "." : command->description);
    append_commands(out, command->commands);
    if (!command->arguments.empty() || command->trailing) out += ".SH ARGUMENTS\n";
    for (const Argument& argument : command->arguments)
      append_tagged(out, argument.name, argument.help + ".");
    if (command->trailing)
      append_tagged(out, "-- " + command->trailing->name, command->trailing->help + ".");
    append_options(out, "OPTIONS", command->options);
  } else {
    append_commands(out, program.commands);
  }
  append_options(out, "GLOBAL OPTIONS", program.options);
  if (command != nullptr && !command->examples.empty()) {
    out += ".SH EXAMPLES\n";
    for (const Example& example : command->examples) {
      out += fmt::format(".PP\n{}:\n.PP\n.nf\n.RS\n{}\n.RE\n.fi\n", troff(example.what),
                         troff(example.line));
    }
  }
  out += ".SH EXIT STATUS\n";
  for (const ExitCodeHelp& code : exit_code_help()) {
    append_tagged(out, std::to_string(code.code), std::string(code.meaning) + ".");
  }
  out += ".SH SEE ALSO\n";
  out += path.empty() ? "backstay help COMMAND\n" : "backstay(1)\n";
  return out;
}

}  // namespace backstay::cli
