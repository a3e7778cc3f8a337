// What a configuration file may say: what the options of the program say, by the same names.
#pragma once

#include <string>
#include <string_view>

#include "cli/command.h"
#include "config/rule.h"

namespace backstay::cli {

// "--keep-daily" -> "keep_daily".
[[nodiscard]] std::string key_of(const Option& option);
// The rule of the whole file, made of the program's tables.
[[nodiscard]] config::Rule configuration_rule(const Program& program);
// Whether a command takes settings of a profile. Those that are about configuration, and those that
// need none, must work while a file is wrong.
[[nodiscard]] bool takes_settings(std::string_view command);

}  // namespace backstay::cli
