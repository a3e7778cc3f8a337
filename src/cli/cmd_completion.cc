#include <memory>

#include "base/try.h"
#include "cli/commands.h"
#include "cli/completion.h"
#include "cli/console.h"
#include "json/json.h"

namespace backstay::cli {
namespace {

std::string script_for(const Program& program, const std::string& shell) {
  if (shell == "bash") return bash_completion(program);
  if (shell == "zsh") return zsh_completion(program);
  return fish_completion(program);
}

Result<ExitCode> run_completion(Context& context, const std::string& shell) {
  const std::string script = script_for(context.program, shell);
  if (context.console.json()) {
    json::Json line = json::line_of("completion");
    line["shell"] = shell;
    line["script"] = script;
    context.console.print_json(line);
  } else {
    context.console.print(script);
  }
  return ExitCode::kDone;
}

}  // namespace

Command completion_command() {
  const auto shell = std::make_shared<std::string>();
  Argument argument{.name = "SHELL",
                    .help = "bash, zsh or fish",
                    .arity = Arity::kOne,
                    .set = {},
                    .choices = {"bash", "zsh", "fish"}};
  argument.set = [shell, choices = argument.choices](std::string_view text) -> Result<void> {
    *shell = text;
    for (const std::string& choice : choices) {
      if (choice == text) return {};
    }
    return std::unexpected(not_a_choice(text, choices));
  };
  return {.name = "completion",
          .summary = "Print a completion script for a shell",
          .description = {},
          .examples = {{"backstay completion bash > /etc/bash_completion.d/backstay", "For bash"},
                       {"backstay completion zsh > /usr/local/share/zsh/site-functions/_backstay",
                        "For zsh"},
                       {"backstay completion fish > ~/.config/fish/completions/backstay.fish",
                        "For fish"}},
          .arguments = {std::move(argument)},
          .run = [shell](Context& context) { return run_completion(context, *shell); }};
}

}  // namespace backstay::cli
