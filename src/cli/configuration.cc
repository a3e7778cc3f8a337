#include "cli/configuration.h"

#include <fmt/format.h>

#include <array>
#include <vector>

#include "base/try.h"
#include "cli/config_vocabulary.h"
#include "io/file.h"
#include "io/machine.h"
#include "io/permissions.h"
#include "snapshot/tree_key.h"

namespace backstay::cli {
namespace {

std::vector<std::string> usual_folders(const Environment& environment) {
  std::vector<std::string> folders;
  const auto given = environment.get("XDG_CONFIG_HOME");
  if (given && given->starts_with('/'))
    folders.push_back(*given + "/backstay");
  else if (const auto home = environment.get("HOME"))
    folders.push_back(*home + "/.config/backstay");
  folders.emplace_back("/etc/backstay");
  return folders;
}

}  // namespace

std::optional<std::string> find_configuration(const GlobalOptions& options,
                                              const Environment& environment) {
  if (!options.config.empty()) return options.config;
  for (const std::string& folder : usual_folders(environment)) {
    for (const char* const name : {"/config.yaml", "/config.toml"}) {
      const auto info = io::file_info(folder + name);
      // One that may not be looked at is there, too, and reading it says so.
      if (info || info.error().code() != ErrorCode::kNotFound) return folder + name;
    }
  }
  return std::nullopt;
}

std::string usual_configuration(const Environment& environment) {
  const std::vector<std::string> folders = usual_folders(environment);
  return folders.size() > 1 ? folders.front() + "/config.yaml" : std::string();
}

Result<ConfigurationText> read_configuration_text(const std::string& path) {
  const Bytes bytes =
      TRY_DOING("reading the configuration file", io::read_file(path, config::kFileBytesMax));
  return ConfigurationText{.path = snapshot::clean_path(path, TRY(io::current_directory())),
                           .text = std::string(as_text(bytes))};
}

Result<std::optional<config::File>> read_configuration(const Program& program,
                                                       const GlobalOptions& options,
                                                       const Environment& environment) {
  const auto path = find_configuration(options, environment);
  if (!path) return std::optional<config::File>();
  const ConfigurationText read = TRY(read_configuration_text(*path));
  return std::optional<config::File>(
      TRY(config::File::load(read.text, read.path, configuration_rule(program))));
}

Result<config::File> need_configuration(const Program& program, const GlobalOptions& options,
                                        const Environment& environment) {
  std::optional<config::File> file = TRY(read_configuration(program, options, environment));
  if (file) return *std::move(file);
  return std::unexpected(
      Error(ErrorCode::kNotFound, "there is no configuration file")
          .with_hint("Make one with 'backstay config init', or name one with --config."));
}

bool shows_secrets(const config::File& file) {
  return file.holds_secrets() && io::others_may_read(file.path()).value_or(false);
}

config::Lookup lookup_of(const Environment& environment) {
  return [&environment](std::string_view name) { return environment.get(name); };
}

}  // namespace backstay::cli
