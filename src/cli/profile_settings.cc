#include "cli/profile_settings.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>

#include "backend/open.h"
#include "base/try.h"
#include "cli/config_vocabulary.h"
#include "cli/configuration.h"
#include "cli/key_source.h"
#include "cli/passphrase.h"
#include "policy/places.h"
#include "snapshot/tree_key.h"

namespace backstay::cli {
namespace {

using config::Value;
using policy::SecretReference;
using SecretKind = policy::SecretReference::Kind;

constexpr std::array<std::string_view, 5> kSecretOptions{
    "--password-file", "--password-command", "--recovery-key-file", "--key-file", "--key-command"};
constexpr std::array<std::string_view, 6> kSecretVariables{
    "BACKSTAY_PASSWORD",          "BACKSTAY_PASSWORD_FILE", "BACKSTAY_PASSWORD_COMMAND",
    "BACKSTAY_RECOVERY_KEY_FILE", "BACKSTAY_KEY_FILE",      "BACKSTAY_KEY_COMMAND"};
// What a backup is of is said in one place: on the command line, or in the file.
constexpr std::array<std::string_view, 6> kSources{
    "--stdin", "--stdin-from-command", "--files-from", "--files-from-raw", "paths", "command"};

bool contains(std::span<const std::string_view> names, std::string_view name) {
  return std::ranges::find(names, name) != names.end();
}

// Which settings of a section the command line stands for as a whole.
bool is_replaced(const Command& command, const std::string& name, const AlreadyGiven& given) {
  if (command.name == "backup" && contains(kSources, name)) {
    return given.words || std::ranges::any_of(kSources, [&](std::string_view source) {
             return given.options.contains(source);
           });
  }
  // Snapshots that are named are not for rules.
  return command.name == "forget" && given.words && name.starts_with("--keep-");
}

std::string option_name(std::string_view key) {
  std::string name = "--" + std::string(key);
  std::ranges::replace(name, '_', '-');
  return name;
}

const Value* below(const Value& map, std::string_view key) {
  const Value* const found = map.find(key);
  const bool there = found != nullptr && found->kind != Value::Kind::kNothing;
  return there ? found : nullptr;
}

}  // namespace

Result<std::string> ProfileEnvironment::secret(const SecretReference& reference) const {
  if (reference.kind == SecretKind::kFile) return read_secret_file(reference.value, {});
  if (reference.kind == SecretKind::kCommand) return read_secret_command(reference.value, {});
  if (auto value = given_.get(reference.value)) return *std::move(value);
  return fail(ErrorCode::kNotFound, fmt::format("the variable {} is not set", reference.value));
}

std::optional<std::string> ProfileEnvironment::get(std::string_view name) const {
  if (auto value = given_.get(name)) return value;
  const auto brought = brought_.find(name);
  if (brought == brought_.end()) return std::nullopt;
  const Brought& variable = brought->second;
  if (variable.reference.kind == SecretKind::kAsGiven) {
    return variable.text.empty() ? std::optional<std::string>() : variable.text;
  }
  Result<std::string> value = secret(variable.reference);
  if (value && !value->empty()) return *std::move(value);
  if (tell_) {
    tell_(fmt::format("{}: {} cannot be had: {}", variable.origin, name,
                      value ? "it is empty" : value.error().describe()));
  }
  return std::nullopt;
}

std::string ProfileReader::absolute(const std::string& path) const {
  return snapshot::clean_path(
      path, file_.path().substr(0, std::max<std::size_t>(file_.path().rfind('/'), 1)));
}

std::string ProfileReader::absolute_url(const std::string& url) const {
  return backend::scheme_of(url).empty() ? absolute(url) : url;
}

bool ProfileReader::secrets_are_given(const AlreadyGiven& given) const {
  return std::ranges::any_of(kSecretOptions,
                             [&](std::string_view name) { return given.options.contains(name); }) ||
         std::ranges::any_of(kSecretVariables, [&](std::string_view name) {
           return environment_.given().get(name).has_value();
         });
}

Result<std::string> ProfileReader::expanded(const Value& value) const {
  Result<std::string> text = config::expand(value.text, lookup_of(environment_.given()));
  if (text) return text;
  return std::unexpected(
      Error(ErrorCode::kInvalidArgument,
            config::place_of(file_.path(), value.mark) + ": " + text.error().message())
          .with_hint("Set it, or write ${NAME:-TEXT} for a text that holds where it is not set."));
}

Result<Setting> ProfileReader::setting_of(std::string name, const Value& value) const {
  Setting setting{
      .name = std::move(name), .values = {}, .origin = config::place_of(file_.path(), value.mark)};
  for (const Value* const text : config::texts_of(value))
    setting.values.push_back(TRY(expanded(*text)));
  return setting;
}

Result<void> ProfileReader::add_secret(Settings& settings, const Value& repository) {
  constexpr std::array<std::array<const char*, 3>, 3> kSecrets{
      {{"password", "--password-file", "--password-command"},
       {"recovery_key", "--recovery-key-file", nullptr},
       {"key", "--key-file", "--key-command"}}};
  for (const auto& [key, file_option, command_option] : kSecrets) {
    const Value* const said = below(repository, key);
    if (said == nullptr) continue;
    const std::string origin = config::place_of(file_.path(), said->mark);
    SecretReference reference = TRY(policy::parse_secret_reference(TRY(expanded(*said))));
    if (reference.kind == SecretKind::kFile) {
      settings.program.push_back(
          {.name = file_option, .values = {absolute(reference.value)}, .origin = origin});
    } else if (reference.kind == SecretKind::kCommand && command_option != nullptr) {
      settings.program.push_back(
          {.name = command_option, .values = {reference.value}, .origin = origin});
    } else {
      environment_.bring("BACKSTAY_PASSWORD",
                         {.text = {}, .reference = std::move(reference), .origin = origin});
    }
  }
  return {};
}

Result<void> ProfileReader::add_places(const std::string& name, const Value& repository,
                                       const std::string& url) {
  const Value* const copies = below(repository, "copies");
  if (copies == nullptr || copies->items.empty()) return {};
  const auto text_of = [&](const Value& map, std::string_view key) -> Result<std::string> {
    const Value* const said = below(map, key);
    return said != nullptr ? expanded(*said) : Result<std::string>(std::string());
  };
  const auto secret_of = [&](const Value& map, std::string_view key) -> Result<SecretReference> {
    const std::string text = TRY(text_of(map, key));
    if (text.empty()) return SecretReference();
    SecretReference reference = TRY(policy::parse_secret_reference(text));
    if (reference.kind == SecretKind::kFile) reference.value = absolute(reference.value);
    return reference;
  };
  policy::PlaceSet set;
  set.primary = {.name = name,
                 .url = url,
                 .medium = TRY(text_of(repository, "medium")),
                 .site = TRY(text_of(repository, "site"))};
  for (const Value& copy : copies->items) {
    const std::string when = TRY(text_of(copy, "copy"));
    policy::Place place{.name = TRY(text_of(copy, "name")),
                        .url = TRY(text_of(copy, "url")),
                        .passphrase = TRY(secret_of(copy, "password")),
                        .recovery_key = TRY(secret_of(copy, "recovery_key")),
                        .key = TRY(secret_of(copy, "key")),
                        .medium = TRY(text_of(copy, "medium")),
                        .site = TRY(text_of(copy, "site")),
                        .offline = TRY(text_of(copy, "offline")) == "true"};
    place.url = absolute_url(place.url);
    if (when == "later") place.copied = policy::CopyWhen::kLater;
    set.copies.push_back(std::move(place));
  }
  options_.places = std::make_shared<const policy::PlaceSet>(std::move(set));
  return {};
}

Result<const Value*> ProfileReader::add_repository(Settings& settings, const AlreadyGiven& given) {
  constexpr const Value* kNone = nullptr;
  const Value* const said = below(profile_.value, "repository");
  if (said == nullptr || given.options.contains("--repo")) return kNone;
  const Value* const named = file_.repository(said->text);
  const Value& url = named == nullptr ? *said : *named->find("url");
  Setting setting = TRY(setting_of("--repo", url));
  if (setting.values.size() != 1) return file_.wrong(url.mark, "a repository is one text");
  std::string& place = setting.values.front();
  if (place.starts_with("set:"))
    place = "set:" + absolute(place.substr(4));
  else
    place = absolute_url(place);
  const std::string where = place;
  settings.program.push_back(std::move(setting));
  if (named == nullptr) return kNone;
  if (!secrets_are_given(given)) TRY(add_secret(settings, *named));
  TRY(add_places(said->text, *named, where));
  TRY(add_variables(*named));
  return named;
}

Result<void> ProfileReader::add_variables(const Value& repository) {
  const Value* const variables = below(repository, "environment");
  if (variables == nullptr) return {};
  for (const config::Pair& pair : variables->pairs) {
    std::string text = TRY(expanded(pair.value));
    ProfileEnvironment::Brought brought{
        .text = {}, .reference = {}, .origin = config::place_of(file_.path(), pair.mark)};
    if (auto reference = policy::parse_secret_reference(text)) {
      brought.reference = *std::move(reference);
      if (brought.reference.kind == SecretKind::kFile)
        brought.reference.value = absolute(brought.reference.value);
    } else {
      brought.text = std::move(text);
    }
    environment_.bring(pair.key, std::move(brought));
  }
  return {};
}

Result<void> ProfileReader::add_section(const Value& section, const Command& command,
                                        const AlreadyGiven& given, Settings& settings) const {
  const auto is_argument = [&](const std::string& key) {
    return std::ranges::any_of(command.arguments,
                               [&](const Argument& one) { return one.setting == key; }) ||
           (command.trailing && command.trailing->setting == key);
  };
  for (const config::Pair& pair : section.pairs) {
    const bool has_values =
        pair.value.kind == Value::Kind::kText || pair.value.kind == Value::Kind::kList;
    std::string name = is_argument(pair.key) ? pair.key : option_name(pair.key);
    if (!has_values || is_replaced(command, name, given)) continue;
    settings.command.push_back(TRY(setting_of(std::move(name), pair.value)));
  }
  return {};
}

Result<void> ProfileReader::add_program_options(const Program& program, const Value& from,
                                                const AlreadyGiven& given,
                                                Settings& settings) const {
  for (const Option& option : program.options) {
    const Value* const said = below(from, key_of(option));
    const bool secret = contains(kSecretOptions, option.long_name());
    if (said == nullptr || (secret && secrets_are_given(given))) continue;
    settings.program.push_back(TRY(setting_of(option.long_name(), *said)));
  }
  return {};
}

Result<Settings> ProfileReader::read(const Program& program,
                                     const std::vector<const Command*>& commands,
                                     const AlreadyGiven& given) {
  Settings settings;
  const Value* const repository = TRY(add_repository(settings, given));
  // The first that says something counts.
  TRY(add_program_options(program, profile_.value, given, settings));
  if (repository != nullptr) TRY(add_program_options(program, *repository, given, settings));
  const Value* section = &profile_.value;
  for (const Command* const command : commands) {
    section = below(*section, command->name);
    if (section == nullptr) return settings;
  }
  TRY(add_section(*section, *commands.back(), given, settings));
  return settings;
}

Result<Settings> ProgramSettings::operator()(const std::vector<const Command*>& commands,
                                             const AlreadyGiven& given) {
  if (commands.empty() || !takes_settings(commands.front()->name)) return Settings();
  const auto file = TRY(read_configuration(program_, options_, environment_.given()));
  if (!file) {
    if (options_.profile.empty()) return Settings();
    TRY(need_configuration(program_, options_, environment_.given()));
  }
  if (shows_secrets(*file)) shown_file_ = file->path();
  const std::string name = options_.profile.empty() ? file->default_profile() : options_.profile;
  if (name.empty()) return Settings();
  const config::Profile profile = TRY(file->profile(name));
  return ProfileReader(*file, profile, environment_, options_).read(program_, commands, given);
}

}  // namespace backstay::cli
