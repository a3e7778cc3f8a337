// What is wrong with a configuration file, or will be when it is used.
#include <fmt/format.h>

#include <algorithm>
#include <memory>

#include "base/try.h"
#include "cli/commands.h"
#include "cli/config_commands.h"
#include "cli/config_vocabulary.h"
#include "cli/configuration.h"
#include "cli/console.h"
#include "cli/duration.h"
#include "cli/job_hook.h"
#include "cli/output_json.h"
#include "cli/output_text.h"
#include "config/file.h"
#include "config/schedule.h"
#include "io/file.h"
#include "io/permissions.h"
#include "json/json.h"
#include "policy/places.h"

namespace backstay::cli {
namespace {

using config::Mark;
using config::Value;

enum class ConfigSeverity : std::uint8_t { kError, kWarning };

struct ConfigFinding {
  ConfigSeverity severity;
  Mark mark;
  std::string message;
};

// Walks through a file whose form is right, and tries every value where it will be used.
class MeaningCheck {
 public:
  MeaningCheck(const config::File& file, const Environment& environment)
      : file_(file), lookup_(lookup_of(environment)) {}

  std::vector<ConfigFinding> run() {
    if (shows_secrets(file_)) {
      warn({.line = 1, .column = 1},
           "others than its owner may read the file, and there are secrets in it");
    }
    if (const Value* const all = file_.top().find("repositories")) {
      for (const config::Pair& pair : all->pairs) {
        check_repository(pair.value);
        GlobalOptions options;
        try_options(make_program(options).options, pair.value);
      }
    }
    for (const char* const group : {"profiles", "jobs"}) {
      const Value* const all = file_.top().find(group);
      if (all == nullptr) continue;
      for (const config::Pair& pair : all->pairs) check_profile(pair.value);
    }
    return std::move(findings_);
  }

 private:
  void warn(Mark mark, std::string message) {
    findings_.push_back({ConfigSeverity::kWarning, mark, std::move(message)});
  }
  void refuse(Mark mark, std::string message) {
    findings_.push_back({ConfigSeverity::kError, mark, std::move(message)});
  }
  // Nothing where variables are missing that may be set when it counts.
  std::optional<std::string> expanded(const Value& value) {
    auto text = config::expand(value.text, lookup_);
    if (text) return *std::move(text);
    warn(value.mark, text.error().message() + " here and now");
    return std::nullopt;
  }
  void check_secret(const Value* value) {
    if (value == nullptr) return;
    const auto text = expanded(*value);
    const auto reference = text ? policy::parse_secret_reference(*text)
                                : Result<policy::SecretReference>(policy::SecretReference());
    if (!reference) return;
    using Kind = policy::SecretReference::Kind;
    if (reference->kind == Kind::kVariable && !lookup_(reference->value)) {
      warn(value->mark, fmt::format("the variable {} is not set here and now", reference->value));
    }
    if (reference->kind != Kind::kFile || !reference->value.starts_with('/')) return;
    const auto others = io::others_may_read(reference->value);
    if (!others)
      warn(value->mark, others.error().describe());
    else if (*others)
      warn(value->mark, fmt::format("others than its owner may read {}", reference->value));
  }
  void check_repository(const Value& repository) {
    for (const char* const key : {"password", "recovery_key", "key"})
      check_secret(repository.find(key));
    if (const Value* const url = repository.find("url")) expanded(*url);
    if (const Value* const variables = repository.find("environment")) {
      for (const config::Pair& pair : variables->pairs) check_secret(&pair.value);
    }
    if (const Value* const copies = repository.find("copies")) {
      for (const Value& copy : copies->items) check_repository(copy);
    }
  }
  void try_option(const Option& option, const Value* value) {
    if (value == nullptr || option.is_flag()) return;
    for (const Value* const one : config::texts_of(*value)) {
      const auto text = expanded(*one);
      if (!text) continue;
      if (const auto set = option.set(*text); !set)
        refuse(one->mark, fmt::format("{}: {}", key_of(option), set.error().describe()));
    }
  }
  void try_options(const std::vector<Option>& options, const Value& from) {
    for (const Option& option : options) {
      if (option.long_name() != "--repo") try_option(option, from.find(key_of(option)));
    }
  }
  void check_section(const Value* section, const Command& command) {
    if (section == nullptr) return;
    for (const Option& option : command.options) try_option(option, section->find(key_of(option)));
    for (const Argument& argument : command.arguments) {
      const Value* const words =
          argument.setting.empty() ? nullptr : section->find(argument.setting);
      if (words == nullptr) continue;
      for (const Value* const word : config::texts_of(*words)) expanded(*word);
    }
    for (const Command& below : command.commands) check_section(section->find(below.name), below);
  }
  // A program of its own takes the values, and goes.
  void check_profile(const Value& profile) {
    GlobalOptions options;
    const Program program = make_program(options);
    try_options(program.options, profile);
    if (const Value* const repository = profile.find("repository")) expanded(*repository);
    for (const Command& command : program.commands) {
      if (takes_settings(command.name)) check_section(profile.find(command.name), command);
    }
    if (const Value* const schedule = profile.find("schedule")) check_schedule(*schedule);
    if (const Value* const hooks = profile.find("hooks")) {
      for (const config::Pair& pair : hooks->pairs) {
        if (const auto hook = read_hook(&pair.value); !hook)
          refuse(pair.mark, fmt::format("{}: {}", pair.key, hook.error().describe()));
      }
    }
  }
  void check_schedule(const Value& said) {
    const auto schedule = config::read_schedule(said);
    if (!schedule) {
      refuse(said.mark, "schedule: " + schedule.error().describe());
      return;
    }
    if (schedule->random_delay == "0") return;
    if (const auto delay = parse_duration(schedule->random_delay); !delay)
      refuse(said.mark, "random_delay: " + delay.error().describe());
  }

  const config::File& file_;
  const config::Lookup lookup_;
  std::vector<ConfigFinding> findings_;
};

struct Checked {
  std::string path;
  std::size_t profiles = 0;
  std::size_t jobs = 0;
  std::vector<ConfigFinding> findings;
};

Result<Checked> check_file(Context& context, const std::string& given) {
  const auto path = given.empty() ? find_configuration(context.options, context.environment)
                                  : std::optional<std::string>(given);
  if (!path) TRY(need_configuration(context.program, context.options, context.environment));
  const ConfigurationText read = TRY(read_configuration_text(*path));
  auto loaded = config::File::read(read.text, read.path, configuration_rule(context.program));
  Checked checked;
  checked.path = read.path;
  for (config::Problem& problem : loaded.problems)
    checked.findings.push_back({ConfigSeverity::kError, problem.mark, std::move(problem.message)});
  if (!loaded.file) return checked;
  checked.profiles = loaded.file->names(config::ProfileKind::kProfile).size();
  checked.jobs = loaded.file->names(config::ProfileKind::kJob).size();
  if (checked.findings.empty())
    checked.findings = MeaningCheck(*loaded.file, context.environment).run();
  return checked;
}

void print_config_finding(Console& console, const std::string& path, const ConfigFinding& finding) {
  const std::string place =
      finding.mark.line == 0 ? std::string() : config::place_of(path, finding.mark) + ": ";
  const char* const severity = finding.severity == ConfigSeverity::kError ? "error" : "warning";
  if (!console.json()) {
    console.print(fmt::format("{}{}: {}\n", place, severity, finding.message));
    return;
  }
  json::Json line = json::line_of("problem");
  line["severity"] = severity;
  json::put_text(line, "file", path);
  line["line"] = finding.mark.line;
  line["column"] = finding.mark.column;
  line["message"] = finding.message;
  console.print_json(line);
}

ExitCode conclude_check(Console& console, const Checked& checked) {
  for (const ConfigFinding& finding : checked.findings)
    print_config_finding(console, checked.path, finding);
  const auto errors = static_cast<std::size_t>(
      std::ranges::count(checked.findings, ConfigSeverity::kError, &ConfigFinding::severity));
  const std::size_t warnings = checked.findings.size() - errors;
  if (console.json()) {
    json::Json line = json::line_of("summary");
    json::put_text(line, "file", checked.path);
    line["profiles"] = checked.profiles;
    line["jobs"] = checked.jobs;
    line["errors"] = errors;
    line["warnings"] = warnings;
    console.print_json(line);
  } else if (errors == 0) {
    console.print(fmt::format("{}: {}, {}; {}\n", checked.path,
                              counted(checked.profiles, "profile"), counted(checked.jobs, "job"),
                              warnings == 0 ? "nothing is wrong" : counted(warnings, "warning")));
  }
  if (errors == 0) return ExitCode::kDone;
  const Error error =
      Error(ErrorCode::kInvalidArgument,
            fmt::format("{} cannot be used: {}", checked.path, counted(errors, "error")))
          .with_hint("docs/configuration.md has an example of everything.");
  if (console.json()) console.print_json(error_line(error));
  console.error(error);
  return exit_code_of(error.code());
}

}  // namespace

Command config_check_command() {
  const auto file = std::make_shared<std::string>();
  Argument argument{.name = "FILE",
                    .help = "instead of the one that commands take",
                    .arity = Arity::kOptional,
                    .set = [file](std::string_view path) -> Result<void> {
                      *file = path;
                      return {};
                    }};
  return {.name = "check",
          .summary = "Say all that is wrong with a configuration file",
          .description =
              "Names every mistake with its line and column, and what was probably meant. Values "
              "are tried where they will be used. What may be right elsewhere is a warning: "
              "variables that are not set, files of secrets that are missing, or that others may "
              "read. No secret is read, and no repository opened. Exit code 2 when the file cannot "
              "be used.",
          .examples = {{"backstay config check", "The file that commands take"},
                       {"backstay config check ./new.yaml", "Another one"}},
          .arguments = {std::move(argument)},
          .run = [file](Context& context) -> Result<ExitCode> {
            return conclude_check(context.console, TRY(check_file(context, *file)));
          }};
}

}  // namespace backstay::cli
