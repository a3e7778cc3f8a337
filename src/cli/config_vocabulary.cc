#include "cli/config_vocabulary.h"

#include <algorithm>
#include <array>

namespace backstay::cli {
namespace {

using config::Rule;

// A file cannot say where it is itself, and --repo is its `repository`. What one accepts once is no
// setting.
constexpr std::array<std::string_view, 4> kNotInFiles{"--repo", "--config", "--profile",
                                                      "--accept-changed"};

Rule rule_of(const Option& option) {
  Rule::Kind kind = Rule::Kind::kText;
  if (option.is_flag())
    kind = Rule::Kind::kFlag;
  else if (option.counts == Counts::kAll)
    kind = Rule::Kind::kTexts;
  return {.kind = kind, .help = option.help, .examples = option.choices};
}

Rule section_of(const Command& command) {
  Rule section{.kind = Rule::Kind::kSection, .help = command.summary};
  const auto add_argument = [&](const Argument& argument) {
    if (argument.setting.empty()) return;
    section.add(argument.setting, {.kind = Rule::Kind::kTexts, .help = argument.help});
  };
  for (const Argument& argument : command.arguments) add_argument(argument);
  if (command.trailing) add_argument(*command.trailing);
  for (const Option& option : command.options) section.add(key_of(option), rule_of(option));
  for (const Command& below : command.commands) section.add(below.name, section_of(below));
  return section;
}

}  // namespace

std::string key_of(const Option& option) {
  std::string key = option.long_name().substr(2);
  std::ranges::replace(key, '-', '_');
  return key;
}

config::Rule configuration_rule(const Program& program) {
  config::Vocabulary vocabulary;
  for (const Option& option : program.options) {
    if (std::ranges::find(kNotInFiles, option.long_name()) == kNotInFiles.end())
      vocabulary.settings.emplace_back(key_of(option), rule_of(option));
  }
  for (const Command& command : program.commands) {
    if (takes_settings(command.name))
      vocabulary.sections.emplace_back(command.name, section_of(command));
  }
  return config::file_rule(vocabulary);
}

bool takes_settings(std::string_view command) {
  constexpr std::array<std::string_view, 7> kWithout{"config",     "run",  "schedule", "version",
                                                     "completion", "help", "self-test"};
  return std::ranges::find(kWithout, command) == kWithout.end();
}

}  // namespace backstay::cli
