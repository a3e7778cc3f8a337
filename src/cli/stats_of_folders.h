// What 'stats SNAP --by-path' and 'stats --over-time' show: where space goes, and when it went.
#pragma once

#include <cstdint>
#include <string>

#include "cli/command.h"
#include "cli/snapshot_choice.h"

namespace backstay::cli {

// `snapshot` may carry a :SUBPATH.
struct ByPath {
  const std::string& snapshot;
  const SnapshotChoice& choice;
  std::uint32_t depth = 1;
};
// Folders of one snapshot, those first for which most is stored.
Result<ExitCode> show_folders(Context& context, const ByPath& asked);

// A line a snapshot, oldest first.
Result<ExitCode> show_over_time(Context& context, const SnapshotChoice& choice);

}  // namespace backstay::cli
