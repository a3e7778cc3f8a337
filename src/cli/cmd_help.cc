#include <fmt/format.h>

#include <algorithm>
#include <memory>

#include "base/suggest.h"
#include "base/try.h"
#include "cli/commands.h"
#include "cli/console.h"
#include "cli/help_text.h"
#include "io/terminal.h"
#include "json/json.h"

namespace backstay::cli {
namespace {

struct HelpArguments {
  std::vector<std::string> names;
  bool man = false;
};

Result<CommandPath> find_command(const Program& program, const std::vector<std::string>& names) {
  CommandPath path;
  const std::vector<Command>* level = &program.commands;
  for (const std::string& name : names) {
    const auto found = std::ranges::find(*level, name, &Command::name);
    if (found == level->end()) {
      std::vector<std::string> known;
      for (const Command& command : *level) known.push_back(command.name);
      Error error(ErrorCode::kInvalidArgument, fmt::format("there is no command '{}'", name));
      if (const auto near = nearest(name, known)) {
        return std::unexpected(
            std::move(error).with_hint(fmt::format("Did you mean '{}'?", *near)));
      }
      return std::unexpected(std::move(error));
    }
    path.push_back(&*found);
    level = &found->commands;
  }
  return path;
}

Result<ExitCode> run_help(Context& context, const HelpArguments& arguments) {
  const CommandPath path = TRY(find_command(context.program, arguments.names));
  Console& console = context.console;
  const std::string text =
      arguments.man ? man_page(context.program, path)
                    : help_text(context.program, path, io::terminal_width(console.streams().out));
  if (console.json()) {
    json::Json line = json::line_of("help");
    line["command"] = path.empty() ? "" : typed_name(path);
    line["text"] = text;
    console.print_json(line);
  } else {
    console.print(text);
  }
  return ExitCode::kDone;
}

}  // namespace

Command help_command() {
  const auto arguments = std::make_shared<HelpArguments>();
  SetValue add_name = [arguments](std::string_view name) -> Result<void> {
    arguments->names.emplace_back(name);
    return {};
  };
  return {
      .name = "help",
      .summary = "Explain the program or a command",
      .description = {},
      .examples = {{"backstay help backup", "All about a command"},
                   {"backstay help --man restore | man -l -", "The same as a manual page"}},
      .arguments = {{.name = "COMMAND",
                     .help = "the command to explain",
                     .arity = Arity::kAny,
                     .set = add_name}},
      .options = {flag("--man", arguments->man, "print the manual page in the format of man(1)")},
      .run = [arguments](Context& context) { return run_help(context, *arguments); }};
}

}  // namespace backstay::cli
