// What the subcommands of `key` share, and those that have files of their own.
#pragma once

#include <memory>
#include <string>

#include "cli/command.h"
#include "cli/session.h"
#include "repo/key_slot.h"
#include "repo/repository.h"

namespace backstay::cli {

// unsupported where the repository is not encrypted.
Result<std::unique_ptr<repo::Repository>> open_encrypted(const Context& context,
                                                         KeyUse use = KeyUse::kReading);
// A slot made here and now.
[[nodiscard]] repo::SlotInfo new_slot(const Context& context, repo::SlotKind kind,
                                      std::string label);

// One line for a slot that came, went or changed.
void print_key_change(Console& console, const char* type, const repo::ObjectId& id,
                      const std::string& text);

Command key_check_command();
Command key_combine_command();
Command key_remove_command();
Command key_rotate_command();
Command key_split_command();

}  // namespace backstay::cli
