// A first configuration file.
#include <fmt/format.h>

#include <array>
#include <memory>

#include "base/try.h"
#include "cli/config_commands.h"
#include "cli/configuration.h"
#include "cli/console.h"
#include "io/file.h"
#include "io/machine.h"
#include "io/stream.h"
#include "io/terminal.h"
#include "json/json.h"
#include "snapshot/tree_key.h"

namespace backstay::cli {
namespace {

struct FirstAnswers {
  std::string repository = "/mnt/backup/repository";
  std::string password = "file:/etc/backstay/password";
  std::string folder = "/home";
};

// A text in YAML's double quotes.
std::string in_quotes(std::string_view text) {
  std::string out = "\"";
  for (const char c : text) {
    if (c == '"' || c == '\\') out += '\\';
    out += c;
  }
  return out + "\"";
}

std::string example(const FirstAnswers& answers) {
  return fmt::format(
      R"(# Settings of backstay. 'backstay config check' says what is wrong with this file,
# 'backstay config show home --effective' what a job comes to.
# docs/configuration.md describes every key; keys are the names of options with '_' for '-'.
version: 1

repositories:
  main:
    url: {}
    # Where the passphrase is: env:NAME, file:PATH or command:PROGRAM. Never the passphrase itself.
    password: {}
    # Variables of the store, when it needs some:
    # environment:
    #   AWS_ACCESS_KEY_ID: env:MY_KEY_ID
    #   AWS_SECRET_ACCESS_KEY: file:/etc/backstay/s3-secret
    # Other repositories that get each snapshot, too (docs/copies.md):
    # copies:
    #   - {{name: garden, url: "sftp://backup@garden.example/srv/backups"}}

profiles:
  # What jobs have in common; they take it over with 'extends'.
  usual:
    repository: main
    # limit_upload: 10M
    forget:
      keep_daily: 7
      keep_weekly: 5
      keep_monthly: 12
    prune: {{}}

jobs:
  # 'backstay run home' does what stands here: backup, copy, forget, prune and check, in this order.
  home:
    extends: usual
    backup:
      paths: [{}]
      exclude: ["*.tmp", ".cache"]
      tag: [daily]
    check:
      read_data_subset: 1%
    # hooks:
    #   before: {{command: "systemctl stop shop", timeout: 2m}}
    #   after: [systemctl, start, shop]
    #   on_failure: "echo $BACKSTAY_JOB failed | mail -s backup root"
    # 'backstay schedule install' makes a timer of it:
    schedule: {{every: daily, at: "02:30"}}

# What is meant where neither --profile nor BACKSTAY_PROFILE says another.
default_profile: usual
)",
      in_quotes(answers.repository), in_quotes(answers.password), in_quotes(answers.folder));
}

// The line that is typed, without its end; what is usual when it is empty.
Result<std::string> ask_line(Context& context, const std::string& question,
                             const std::string& usual) {
  context.console.say_plainly(fmt::format("{} [{}]: ", question, usual));
  std::string line;
  std::array<std::uint8_t, 1> byte{};
  for (;;) {
    const std::size_t got = TRY(io::read_stream(0, byte, context.stop.get_token()));
    if (got == 0 || byte[0] == '\n') break;
    line += static_cast<char>(byte[0]);
  }
  return line.empty() ? usual : line;
}

Result<FirstAnswers> ask_all(Context& context) {
  FirstAnswers answers;
  answers.repository = TRY(ask_line(
      context, "Where is the repository, or is to be (folder or URL)?", answers.repository));
  answers.password =
      TRY(ask_line(context, "Where is its passphrase (env:NAME, file:PATH, command:PROGRAM)?",
                   answers.password));
  answers.folder = TRY(ask_line(context, "Which folder is to be backed up?", answers.folder));
  return answers;
}

Result<ExitCode> write_first_file(Context& context, std::string path, bool no_questions) {
  if (path.empty()) path = context.options.config;
  if (path.empty()) path = usual_configuration(context.environment);
  if (path.empty()) {
    return std::unexpected(
        Error(ErrorCode::kInvalidArgument, "no home folder is known to put the file into")
            .with_hint("Say where: 'backstay config init FILE'."));
  }
  path = snapshot::clean_path(path, TRY(io::current_directory()));
  if (io::file_info(path, io::Links::kStay)) {
    return std::unexpected(Error(ErrorCode::kAlreadyExists, path + " is there already")
                               .with_hint("It is never overwritten; name another place for it."));
  }
  const bool asks = !no_questions && !context.console.json() && io::is_terminal(0) &&
                    context.console.streams().messages_are_terminal;
  const std::string text = example(asks ? TRY(ask_all(context)) : FirstAnswers());
  TRY(io::make_directories(path.substr(0, std::max<std::size_t>(path.rfind('/'), 1))));
  const ByteView bytes = as_bytes(text);
  TRY_DOING("writing the configuration file",
            io::create_file(path, {&bytes, 1}, io::Durability::kSynced));
  if (context.console.json()) {
    json::Json line = json::line_of("created");
    json::put_text(line, "file", path);
    context.console.print_json(line);
  } else {
    context.console.print(
        fmt::format("{} is written. Look through it, then: backstay config check\n", path));
  }
  return ExitCode::kDone;
}

}  // namespace

Command config_init_command() {
  struct Arguments {
    std::string file;
    bool no_questions = false;
  };
  const auto arguments = std::make_shared<Arguments>();
  Argument file{.name = "FILE",
                .help = "--config, or the first usual place, by default",
                .arity = Arity::kOptional,
                .set = [arguments](std::string_view path) -> Result<void> {
                  arguments->file = path;
                  return {};
                }};
  return {.name = "init",
          .summary = "Write a first configuration file",
          .description =
              "Asks for the repository and what is to be backed up when it runs on a terminal, and "
              "writes an example with comments otherwise. A file that is there is never "
              "overwritten.",
          .examples = {{"backstay config init", "In the home folder"},
                       {"backstay config init /etc/backstay/config.yaml", "For the machine"}},
          .arguments = {std::move(file)},
          .options = {flag("--no-questions", arguments->no_questions,
                           "write the example, also on a terminal")},
          .run = [arguments](Context& context) {
            return write_first_file(context, arguments->file, arguments->no_questions);
          }};
}

}  // namespace backstay::cli
