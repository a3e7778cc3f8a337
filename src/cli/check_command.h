// A program of the user's that looks at what was restored.
#pragma once

#include <cstdint>
#include <string>

#include "cli/command.h"
#include "snapshot/snapshot.h"

namespace backstay::cli {

struct CheckCommand {
  std::string line;  // cut into words without a shell (io/process.h)
  std::string target;
  snapshot::SnapshotId snapshot;
  std::string restore_id;  // empty: nothing was kept
};
// invalid_argument for a line that cannot be cut.
Result<void> require_words(const std::string& line);
// What the program ended with; its output goes to standard error. It finds BACKSTAY_RESTORE_TARGET,
// BACKSTAY_RESTORE_SNAPSHOT and BACKSTAY_RESTORE_ID in its environment.
Result<std::int64_t> run_check_command(const Context& context, const CheckCommand& command);

}  // namespace backstay::cli
