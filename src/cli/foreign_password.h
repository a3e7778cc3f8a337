// The password of another program's repository: as its own users have it, and never from the
// command line itself.
#pragma once

#include <optional>
#include <stop_token>
#include <string>
#include <vector>

#include "cli/command.h"

namespace backstay::cli {

struct ForeignPassword {
  std::string file;
  std::string command;
};
// --from-password-file and --from-password-command. `target` outlives the options.
void append_foreign_password_options(std::vector<Option>& options, ForeignPassword& target,
                                     const std::string& environment);

// What the options say, else RESTIC_PASSWORD, RESTIC_PASSWORD_FILE and RESTIC_PASSWORD_COMMAND,
// else what is typed on the terminal. Of files and commands white space around counts for nothing,
// as restic has it.
Result<std::string> restic_password(const Context& context, const ForeignPassword& given);

// What the options say; nothing leaves it to borg, which looks into its own environment.
Result<std::optional<std::string>> borg_passphrase(const Context& context,
                                                   const ForeignPassword& given);

}  // namespace backstay::cli
