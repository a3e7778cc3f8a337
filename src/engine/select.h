// Which snapshot a person means.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/clock.h"
#include "repo/repository.h"

namespace backstay::engine {

struct SnapshotFilter {
  std::string host;                // empty: any
  std::vector<std::string> tags;   // all of them
  std::vector<std::string> paths;  // all of them
};
[[nodiscard]] bool fits(const snapshot::Snapshot& snapshot, const SnapshotFilter& filter);

struct SnapshotArgument {
  std::string which;    // "latest", "latest~2", "@2026-11-21", "1a2b3c4d"
  std::string subpath;  // absolute and clean, or empty
};
// "latest:/etc" -> {"latest", "/etc"}; times may hold colons, the subpath starts at ":/".
[[nodiscard]] SnapshotArgument parse_snapshot_argument(std::string_view text);

// An id that no snapshot has means the copy of the snapshot that has it elsewhere. not_found with
// a hint when nothing fits; invalid_argument when a prefix is short or fits several.
// `snapshots` is oldest first. Safety snapshots are meant by their ids; `latest` and times mean one
// only where there are no others.
Result<repo::StoredSnapshot> select_snapshot(const std::vector<repo::StoredSnapshot>& snapshots,
                                             const SnapshotFilter& filter, std::string_view which,
                                             Timestamp now);

}  // namespace backstay::engine
