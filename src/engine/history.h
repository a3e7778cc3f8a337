// The verb history: the versions that a path has had, over all snapshots.
#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <vector>

#include "engine/activity.h"
#include "engine/diff.h"
#include "repo/repository.h"
#include "snapshot/entry.h"

namespace backstay::engine {

// One state of the path on one host, as long as it lasted.
struct PathVersion {
  std::string host;
  ChangeKind change = ChangeKind::kAdded;  // against the version before it on that host
  std::optional<snapshot::Entry> entry;    // nothing: the path is not there
  std::vector<std::size_t> snapshots;      // numbers of those that were given, ascending
};

// Oldest first, by the first snapshot of each. A snapshot in whose paths `path` does not lie says
// nothing. A folder has a new version (content) when anything below it is another; with
// `attributes` not asked for, what differs in those alone is the same version.
enum class AttributesCount : std::uint8_t { kNo, kYes };
Result<std::vector<PathVersion>> versions_of(repo::Repository& repository,
                                             const std::vector<repo::StoredSnapshot>& snapshots,
                                             const std::string& path, AttributesCount attributes,
                                             Activity& activity);

}  // namespace backstay::engine
