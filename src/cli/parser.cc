// The only file that sees CLI11, which cuts the command line into options, values and words. What
// they mean, and what to say when they mean nothing, is decided here from the tables.
#include "cli/parser.h"

#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <map>
#include <memory>
#include <set>

#include "base/suggest.h"
#include "base/try.h"

namespace backstay::cli {
namespace {

constexpr std::string_view kHelpNames = "-h,--help";

Error wrong(std::string message) {
  return {ErrorCode::kInvalidArgument, std::move(message)};
}

// Words before and after the first "--". CLI11 takes "--name=" for an option without a value, so
// such a word becomes two.
struct SplitWords {
  std::vector<std::string> before;
  std::vector<std::string> after;
};
SplitWords split_words(const std::vector<std::string>& words) {
  SplitWords split;
  const auto dashes = std::ranges::find(words, "--");
  for (auto word = words.begin(); word != dashes; ++word) {
    const bool empty_value = word->starts_with("--") && word->find('=') == word->size() - 1;
    if (empty_value) {
      split.before.push_back(word->substr(0, word->size() - 1));
      split.before.emplace_back();
    } else {
      split.before.push_back(*word);
    }
  }
  if (dashes != words.end()) split.after.assign(dashes + 1, words.end());
  return split;
}

// One level of commands in CLI11's terms, with the way back to our tables.
class Level {
 public:
  Level(CLI::App& app, const Program& program, const Command* command)
      : app_(app), program_(program), command_(command) {
    app_.set_help_flag();
    app_.allow_extras();
    app_.require_subcommand(0, 1);
    add_flag(std::string(kHelpNames), nullptr);
    if (command == nullptr) add_flag("--version", nullptr);
    for (const Option& option : program.options) {
      if (!is_hidden(option)) add(option);
    }
    if (command != nullptr) {
      for (const Option& option : command->options) add(option);
    }
    for (const Command& child : command == nullptr ? program.commands : command->commands) {
      CLI::App* const below = app_.add_subcommand(child.name);
      children_.push_back(std::make_unique<Level>(*below, program, &child));
    }
  }

  [[nodiscard]] const Command* command() const { return command_; }
  [[nodiscard]] const Level* chosen() const {
    for (const auto& child : children_) {
      if (child->app_.parsed()) return child.get();
    }
    return nullptr;
  }
  [[nodiscard]] bool asked(const std::string& name) const { return app_.count(name) > 0; }
  // Words that are neither options nor commands, in order.
  [[nodiscard]] std::vector<std::string> words() const { return app_.remaining(); }

  // Gives every value to its option in the order of the command line. Those of the program are
  // noted as words, too.
  Result<void> set_options(std::set<const Option*>& seen,
                           std::vector<std::string>& program_words) const {
    std::map<const CLI::Option*, std::size_t> taken;
    for (const CLI::Option* const parsed : app_.parse_order()) {
      const auto found = tables_.find(parsed);
      if (found == tables_.end()) continue;
      const Option& option = *found->second;
      const bool again = !seen.insert(&option).second;
      if (again && option.repeat == Repeat::kRefused) {
        return std::unexpected(
            wrong(fmt::format("{} is given twice, and only one can be meant", option.long_name()))
                .with_hint("Run the command once for each."));
      }
      const std::string value = option.is_flag() ? "" : parsed->results().at(taken[parsed]++);
      TRY_DOING(option.long_name(), option.set(value));
      if (!is_of_program(option)) continue;
      program_words.push_back(option.long_name() + (option.is_flag() ? "" : "=" + value));
    }
    return {};
  }

  [[nodiscard]] std::vector<std::string> option_names() const {
    std::vector<std::string> names{"--help"};
    for (const auto& [unused, option] : tables_) {
      for (std::string& name : option->split_names()) names.push_back(std::move(name));
    }
    std::ranges::sort(names);
    return names;
  }
  [[nodiscard]] std::vector<std::string> command_names() const {
    std::vector<std::string> names;
    for (const auto& child : children_) names.push_back(child->command_->name);
    return names;
  }

 private:
  [[nodiscard]] bool is_of_program(const Option& option) const {
    return std::ranges::any_of(program_.options,
                               [&](const Option& one) { return &one == &option; });
  }
  // By one of the command's own of the same name, which stands behind the command's name.
  [[nodiscard]] bool is_hidden(const Option& global) const {
    return command_ != nullptr && std::ranges::any_of(command_->options, [&](const Option& own) {
             return own.long_name() == global.long_name();
           });
  }
  void add_flag(const std::string& names, const Option* option) {
    CLI::Option* const added = app_.add_flag(names)->disable_flag_override();
    if (option != nullptr) tables_[added] = option;
  }
  void add(const Option& option) {
    if (option.is_flag()) {
      add_flag(option.names, &option);
      return;
    }
    CLI::Option* const added = app_.add_option(option.names);
    added->expected(1)->multi_option_policy(CLI::MultiOptionPolicy::TakeAll);
    added->allow_extra_args(false);
    tables_[added] = &option;
  }

  CLI::App& app_;
  const Program& program_;
  const Command* command_;
  std::map<const CLI::Option*, const Option*> tables_;
  std::vector<std::unique_ptr<Level>> children_;
};

Error unknown_option(const Level& level, const std::string& word) {
  const std::string name = word.substr(0, word.find('='));
  Error error = wrong(fmt::format("there is no option '{}'", name));
  if (const auto near = nearest(name, level.option_names())) {
    return std::move(error).with_hint(fmt::format("Did you mean {}?", *near));
  }
  return error;
}

Error unknown_command(const Level& level, const std::string& word) {
  Error error = wrong(fmt::format("there is no command '{}'", word));
  if (const auto near = nearest(word, level.command_names())) {
    return std::move(error).with_hint(fmt::format("Did you mean '{}'?", *near));
  }
  return std::move(error).with_hint("'backstay help' lists the commands.");
}

bool looks_like_option(const std::string& word) {
  return word.size() > 1 && word[0] == '-';
}

// Hands the words to the command's arguments from left to right; each takes what those behind it
// can spare.
Result<void> set_arguments(const std::vector<Argument>& arguments,
                           const std::vector<std::string>& words) {
  const auto needs_one = [](const Argument& argument) {
    return argument.arity == Arity::kOne || argument.arity == Arity::kAtLeastOne;
  };
  auto needed = static_cast<std::size_t>(std::ranges::count_if(arguments, needs_one));
  std::size_t next = 0;
  for (const Argument& argument : arguments) {
    if (needs_one(argument)) --needed;
    const bool many = argument.arity == Arity::kAny || argument.arity == Arity::kAtLeastOne;
    const std::size_t left = words.size() - next;
    const std::size_t spare = left > needed ? left - needed : 0;
    const std::size_t wanted = many ? spare : std::min<std::size_t>(spare, 1);
    std::size_t count =
        needs_one(argument) ? std::max(wanted, std::min<std::size_t>(left, 1)) : wanted;
    if (count == 0 && needs_one(argument)) {
      return std::unexpected(wrong(fmt::format("{} is missing", argument.name)));
    }
    for (; count > 0; --count) TRY_DOING(argument.name, argument.set(words[next++]));
  }
  if (next == words.size()) return {};
  return std::unexpected(wrong(fmt::format("there is nothing to do with '{}'", words[next])));
}

Result<void> set_from_environment(const std::vector<Option>& options,
                                  const Environment& environment, std::set<const Option*>& seen) {
  for (const Option& option : options) {
    const bool looked_up = option.environment_use == EnvironmentUse::kFallback;
    if (option.environment.empty() || !looked_up || seen.contains(&option)) continue;
    if (const auto value = environment.get(option.environment)) {
      TRY_DOING("environment variable " + option.environment, option.set(*value));
      seen.insert(&option);
    }
  }
  return {};
}

// One setting of a configuration file, unless the option is set already.
Result<void> set_from(const Setting& setting, const std::vector<Option>& options,
                      std::set<const Option*>& seen) {
  const auto found = std::ranges::find_if(
      options, [&](const Option& option) { return option.long_name() == setting.name; });
  if (found == options.end() || seen.contains(&*found)) return {};
  seen.insert(&*found);
  for (const std::string& value : setting.values) {
    if (found->is_flag() && value != "true") continue;
    TRY_DOING(setting.origin + ": " + setting.name.substr(2),
              found->set(found->is_flag() ? "" : value));
  }
  return {};
}

// The words of an argument, where the command line has none for it.
void add_words(const Settings& settings, const std::string& name, std::vector<std::string>& words) {
  if (name.empty() || !words.empty()) return;
  for (const Setting& setting : settings.command) {
    if (setting.name == name)
      words.insert(words.end(), setting.values.begin(), setting.values.end());
  }
}

// Words of the command line, and those that it takes from a configuration file instead.
Result<void> set_words(const Command& command, const SplitWords& split,
                       std::vector<std::string> words, const Settings& settings) {
  if (!command.trailing) words.insert(words.end(), split.after.begin(), split.after.end());
  for (const Argument& argument : command.arguments) add_words(settings, argument.setting, words);
  TRY(set_arguments(command.arguments, words));
  if (!command.trailing) return {};
  std::vector<std::string> after = split.after;
  add_words(settings, command.trailing->setting, after);
  return set_arguments({*command.trailing}, after);
}

// A command line that has been cut.
struct Cut {
  const SplitWords& split;
  const std::vector<const Level*>& levels;
};

Result<void> set_command(const Program& program, const Cut& cut, const Environment& environment,
                         const ReadSettings& read_settings, Parsed& parsed) {
  const Command& command = *parsed.command();
  std::set<const Option*> seen;
  for (const Level* const level : cut.levels) TRY(level->set_options(seen, parsed.program_words));
  TRY(set_from_environment(program.options, environment, seen));
  TRY(set_from_environment(command.options, environment, seen));
  const std::vector<std::string> words = cut.levels.back()->words();
  Settings settings;
  if (read_settings) {
    AlreadyGiven given{.options = {}, .words = !words.empty() || !cut.split.after.empty()};
    for (const Option* const option : seen) given.options.insert(option->long_name());
    settings = TRY(read_settings(parsed.commands, given));
  }
  for (const Setting& setting : settings.program) TRY(set_from(setting, program.options, seen));
  for (const Setting& setting : settings.command) TRY(set_from(setting, command.options, seen));
  for (const Option& option : command.options) {
    if (option.required && !seen.contains(&option)) {
      return std::unexpected(
          wrong(fmt::format("{} {} is missing", option.long_name(), option.value)));
    }
  }
  return set_words(command, cut.split, words, settings);
}

// The first word that belongs to nothing, at any level.
std::optional<Error> find_stray_word(const std::vector<const Level*>& levels) {
  for (const Level* const level : levels) {
    for (const std::string& word : level->words()) {
      if (looks_like_option(word)) return unknown_option(*level, word);
      if (level != levels.back() || !level->command_names().empty())
        return unknown_command(*level, word);
    }
  }
  return std::nullopt;
}

// CLI11's complaint about an option, said in our words. Its messages begin with the option's name.
Error option_error(const CLI::ParseError& error) {
  const std::string_view text = error.what();
  std::string name(text.substr(0, text.find_first_of(": ")));
  if (!name.starts_with('-')) name.insert(0, name.size() == 1 ? "-" : "--");
  if (dynamic_cast<const CLI::ArgumentMismatch*>(&error) == nullptr)
    return wrong(std::string(text));
  if (text.find("override") != std::string_view::npos ||
      text.find("no match") != std::string_view::npos) {
    return wrong(fmt::format("{} takes no value", name));
  }
  return wrong(fmt::format("{} needs a value", name));
}

}  // namespace

Parsed parse(const Program& program, const std::vector<std::string>& words,
             const Environment& environment, const ReadSettings& settings) {
  Parsed parsed;
  CLI::App app;
  const Level top(app, program, nullptr);
  const SplitWords split = split_words(words);
  std::optional<Error> broken;
  try {
    // CLI11 takes the words from the back.
    app.parse(std::vector<std::string>(split.before.rbegin(), split.before.rend()));
  } catch (const CLI::ParseError& error) {
    broken = option_error(error);
  }
  std::vector<const Level*> levels{&top};
  bool help = top.asked("--help");
  while (const Level* const next = levels.back()->chosen()) {
    levels.push_back(next);
    parsed.commands.push_back(next->command());
    help = help || next->asked("--help");
  }
  if (help) {
    parsed.wish = Wish::kHelp;
    return parsed;
  }
  if (top.asked("--version")) {
    parsed.wish = Wish::kVersion;
    return parsed;
  }
  parsed.error = broken ? std::move(broken) : find_stray_word(levels);
  if (parsed.error) return parsed;
  const Command* const command = parsed.command();
  if (command == nullptr || !command->run) {
    parsed.error = wrong("a command is missing");
    return parsed;
  }
  if (auto set = set_command(program, {split, levels}, environment, settings, parsed); !set) {
    parsed.error = std::move(set).error();
  }
  return parsed;
}

}  // namespace backstay::cli
