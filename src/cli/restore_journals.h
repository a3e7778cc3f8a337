// Restores that keep what they change: where their journals are, and what all commands that make
// one give to the engine.
#pragma once

#include <string>
#include <vector>

#include "cli/command.h"
#include "engine/restore_safety.h"
#include "json/json_fwd.h"
#include "repo/repository.h"

namespace backstay::cli {

// Of this user: $XDG_STATE_HOME/backstay, else ~/.local/state/backstay; empty where neither is
// known. What is in it is neither backed up nor restored over.
[[nodiscard]] std::string state_folder(const Environment& environment);
[[nodiscard]] std::string journals_folder(const Environment& environment);

// What restores leave alone: the repository, where it is a folder, the cache, and the journals.
[[nodiscard]] std::vector<std::string> kept_folders(const Context& context,
                                                    const repo::Repository& repository);

// `context` and `repository` outlive it. `kept`: folders that are neither restored over nor kept.
[[nodiscard]] engine::SafetyOptions safety_options(const Context& context,
                                                   const repo::Repository& repository,
                                                   std::vector<std::string> kept);

// A failure of a restore that had begun to change something: how to go on, and how to go back.
[[nodiscard]] Error with_ways_on(Error error, const engine::RestoreSafety& safety);

[[nodiscard]] json::Json restore_line(const engine::KnownRestore& known);

}  // namespace backstay::cli
