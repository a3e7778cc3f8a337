// What a profile comes to, and where each value comes from.
#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <memory>
#include <set>

#include "base/try.h"
#include "cli/config_commands.h"
#include "cli/config_vocabulary.h"
#include "cli/configuration.h"
#include "cli/console.h"
#include "config/file.h"
#include "json/json.h"
#include "policy/places.h"

namespace backstay::cli {
namespace {

using config::Value;

enum class SettingOrigin : std::uint8_t { kCommandLine, kEnvironment, kFile, kDefault };

struct Shown {
  std::string key;                  // "backup.exclude"
  std::vector<std::string> values;  // secrets masked
  SettingOrigin origin;
  std::string place;  // "FILE:LINE:COLUMN", the variable, or empty
};

std::string_view setting_word(SettingOrigin origin) {
  constexpr std::string_view kWords[] = {"command_line", "environment", "file", "default"};
  return kWords[static_cast<std::size_t>(origin)];
}

class Collector {
 public:
  Collector(const Context& context, const config::File& file, const config::Profile& profile)
      : context_(context), file_(file), profile_(profile) {}

  std::vector<Shown> collect(bool effective) {
    add_repository();
    if (effective) {
      add_program_options();
      for (const Command& command : context_.program.commands) {
        const Value* const section = profile_.value.find(command.name);
        if (section != nullptr && section->kind == Value::Kind::kMap)
          add_options(command.name + ".", *section, command);
      }
    }
    // What is left: all of it without --effective.
    for (const config::Pair& pair : profile_.value.pairs) {
      if (pair.key != "repository") add_value(pair.key, pair.value);
    }
    return std::move(shown_);
  }

 private:
  void add(Shown one) {
    if (seen_.insert(one.key).second) shown_.push_back(std::move(one));
  }
  [[nodiscard]] std::string place(const Value& value) const {
    return config::place_of(file_.path(), value.mark);
  }
  // As it stands there: variables are not looked up.
  void add_value(const std::string& key, const Value& value) {
    if (value.kind == Value::Kind::kMap) {
      for (const config::Pair& pair : value.pairs) add_value(key + "." + pair.key, pair.value);
      return;
    }
    std::vector<std::string> values;
    for (const Value* const text : config::texts_of(value)) {
      if (text->kind == Value::Kind::kText)
        values.push_back(masked(key, text->text));
      else
        add_value(fmt::format("{}.{}", key, values.size()), *text);
    }
    if (!values.empty() || value.kind != Value::Kind::kList)
      add({key, std::move(values), SettingOrigin::kFile, place(value)});
  }
  [[nodiscard]] static std::string masked(const std::string& key, const std::string& text) {
    const bool variable = key.find(".environment.") != key.npos;
    const bool secret =
        variable && config::names_secret(key) && !policy::parse_secret_reference(text);
    return secret ? "***" : config::without_password(text);
  }
  void add_repository() {
    const GlobalOptions& options = context_.options;
    if (!options.repository.empty()) {
      const bool given = std::ranges::any_of(
          options.given, [](const std::string& word) { return word.starts_with("--repo"); });
      add({"repository",
           {config::without_password(options.repository)},
           given ? SettingOrigin::kCommandLine : SettingOrigin::kEnvironment,
           given ? "--repo" : "BACKSTAY_REPO"});
      return;
    }
    const Value* const said = profile_.value.find("repository");
    if (said == nullptr) return;
    add({"repository", {config::without_password(said->text)}, SettingOrigin::kFile, place(*said)});
    repository_ = file_.repository(said->text);
    if (repository_ != nullptr) add_value("repositories." + said->text, *repository_);
  }
  void add_program_options() {
    for (const Option& option : context_.program.options) {
      const std::string name = option.long_name();
      if (name == "--repo" || name == "--config" || name == "--profile" || name == "--json")
        continue;
      add_option("", profile_.value, option);
    }
  }
  void add_options(const std::string& before, const Value& section, const Command& command) {
    for (const Option& option : command.options) add_option(before, section, option);
    for (const Command& below : command.commands) {
      const Value* const there = section.find(below.name);
      if (there != nullptr && there->kind == Value::Kind::kMap)
        add_options(before + below.name + ".", *there, below);
    }
  }
  void add_option(const std::string& before, const Value& section, const Option& option) {
    const std::string key = before + key_of(option);
    const std::string word = option.long_name();
    for (const std::string& given : context_.options.given) {
      if (!before.empty() || (given != word && !given.starts_with(word + "="))) continue;
      add({key,
           {given == word ? "true" : given.substr(word.size() + 1)},
           SettingOrigin::kCommandLine,
           word});
      return;
    }
    const auto variable = option.environment.empty() ? std::optional<std::string>()
                                                     : context_.environment.get(option.environment);
    if (variable) {
      add({key, {*variable}, SettingOrigin::kEnvironment, option.environment});
    } else if (const Value* const said = section.find(key_of(option))) {
      add_value(key, *said);
    } else if (const Value* const of_repository = said_by_repository(before, option)) {
      add_value(key, *of_repository);
    } else {
      std::vector<std::string> values;
      if (!option.initial.empty()) values.push_back(option.initial);
      add({key, std::move(values), SettingOrigin::kDefault, ""});
    }
  }

  [[nodiscard]] const Value* said_by_repository(const std::string& before,
                                                const Option& option) const {
    const bool may = before.empty() && repository_ != nullptr;
    return may ? repository_->find(key_of(option)) : nullptr;
  }

  const Context& context_;
  const Value* repository_ = nullptr;  // that is used, where the file describes it
  const config::File& file_;
  const config::Profile& profile_;
  std::vector<Shown> shown_;
  std::set<std::string> seen_;
};

void print_setting(Console& console, const Shown& one) {
  if (console.json()) {
    json::Json line = json::line_of("setting");
    line["key"] = one.key;
    json::put_texts(line, "values", one.values);
    line["origin"] = setting_word(one.origin);
    json::put_text(line, "place", one.place);
    console.print_json(line);
    return;
  }
  const std::string value =
      one.values.empty() ? "-" : fmt::format("{}", fmt::join(one.values, ", "));
  const std::string from = one.place.empty() ? std::string(setting_word(one.origin)) : one.place;
  console.print(fmt::format("{} = {}   # {}\n", one.key, value, from));
}

struct ShowArguments {
  std::string profile;
  bool effective = false;
};

Result<ExitCode> show_profile(Context& context, const ShowArguments& arguments) {
  const config::File file =
      TRY(need_configuration(context.program, context.options, context.environment));
  std::string name = arguments.profile;
  if (name.empty()) name = context.options.profile;
  if (name.empty()) name = file.default_profile();
  if (name.empty()) {
    std::vector<std::string> all = file.names(config::ProfileKind::kJob);
    std::ranges::move(file.names(config::ProfileKind::kProfile), std::back_inserter(all));
    return std::unexpected(
        Error(ErrorCode::kInvalidArgument, "which profile is not said")
            .with_hint(all.empty() ? "The file has none."
                                   : fmt::format("There are: {}.", fmt::join(all, ", "))));
  }
  const config::Profile profile = TRY(file.profile(name));
  for (const Shown& one : Collector(context, file, profile).collect(arguments.effective))
    print_setting(context.console, one);
  return ExitCode::kDone;
}

}  // namespace

Command config_show_command() {
  const auto arguments = std::make_shared<ShowArguments>();
  Argument profile{.name = "PROFILE",
                   .help = "or job; --profile, or the default one of the file, by default",
                   .arity = Arity::kOptional,
                   .set = [arguments](std::string_view name) -> Result<void> {
                     arguments->profile = name;
                     return {};
                   }};
  return {.name = "show",
          .summary = "Show what a profile says, and where each value comes from",
          .description =
              "Every value of the profile, with what it takes over from others, and the line of "
              "the file it stands on. With --effective also what the command line and the "
              "environment say instead, and the defaults of the rest. Secrets are masked.",
          .examples = {{"backstay config show home --effective", "All that holds for a job"}},
          .arguments = {std::move(profile)},
          .options = {flag("--effective", arguments->effective,
                           "with the environment, the command line and the defaults")},
          .run = [arguments](Context& context) { return show_profile(context, *arguments); }};
}

}  // namespace backstay::cli
