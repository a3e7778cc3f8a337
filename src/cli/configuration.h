// Which configuration file there is, and what is in it.
#pragma once

#include <optional>
#include <string>

#include "cli/command.h"
#include "cli/global_options.h"
#include "config/file.h"

namespace backstay::cli {

// That of --config (or BACKSTAY_CONFIG), else the first that is there of
// $XDG_CONFIG_HOME/backstay/config.yaml (.toml), ~/.config/backstay/config.yaml (.toml) and
// /etc/backstay/config.yaml (.toml). Nothing where there is none.
[[nodiscard]] std::optional<std::string> find_configuration(const GlobalOptions& options,
                                                            const Environment& environment);
// The first place where one is looked for; empty where no home is known.
[[nodiscard]] std::string usual_configuration(const Environment& environment);

// The text, with the path made absolute.
struct ConfigurationText {
  std::string path;
  std::string text;
};
Result<ConfigurationText> read_configuration_text(const std::string& path);

// Nothing where there is none; the first problem in it is the failure.
Result<std::optional<config::File>> read_configuration(const Program& program,
                                                       const GlobalOptions& options,
                                                       const Environment& environment);
// The same, and that there is none is the failure.
Result<config::File> need_configuration(const Program& program, const GlobalOptions& options,
                                        const Environment& environment);

// Whether the file holds secrets and others than its owner may read it.
[[nodiscard]] bool shows_secrets(const config::File& file);

// What variables the texts of a file may name.
[[nodiscard]] config::Lookup lookup_of(const Environment& environment);

}  // namespace backstay::cli
