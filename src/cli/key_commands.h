// What the subcommands of `key` share, and those that have files of their own.
#pragma once

#include <memory>
#include <string>

#include "cli/command.h"
#include "repo/key_slot.h"
#include "repo/repository.h"

namespace backstay::cli {

// unsupported where the repository is not encrypted.
Result<std::unique_ptr<repo::Repository>> open_encrypted(const Context& context);
// A slot made here and now.
[[nodiscard]] repo::SlotInfo new_slot(const Context& context, repo::SlotKind kind,
                                      std::string label);

Command key_check_command();
Command key_combine_command();
Command key_split_command();

}  // namespace backstay::cli
