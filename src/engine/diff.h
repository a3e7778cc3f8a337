// The verb diff: what differs between two snapshots, at the cost of what differs.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <string>

#include "engine/activity.h"
#include "repo/repository.h"
#include "snapshot/entry.h"
#include "snapshot/tree.h"

namespace backstay::engine {

enum class ChangeKind : std::uint8_t {
  kAdded,
  kRemoved,
  kContent,     // the bytes of a file, the target of a link, the number of a device
  kAttributes,  // nothing but those
  kType,        // it is something else now
};
[[nodiscard]] std::string_view to_string(ChangeKind kind);  // "added", "removed", ...
// One of both is there.
[[nodiscard]] ChangeKind kind_of(const std::optional<snapshot::Entry>& before,
                                 const std::optional<snapshot::Entry>& after);

struct Change {
  std::string path;
  ChangeKind kind = ChangeKind::kAdded;
  std::optional<snapshot::Entry> before;
  std::optional<snapshot::Entry> after;
};

struct DiffReport {
  using Counts = std::map<ChangeKind, std::uint64_t>;  // of all kinds
  Counts files = no_changes();
  Counts folders = no_changes();
  Counts others = no_changes();
  std::uint64_t bytes_added = 0;    // sizes of files that are new or have new bytes
  std::uint64_t bytes_removed = 0;  // sizes that those, and files that are gone, had

  static Counts no_changes();
};

void count_change(DiffReport& report, const Change& change);

// Calls `each` with all that differs at `path` or below it, in the order of a walk; "/" is
// everything. corruption where a page of what differs cannot be read.
Result<DiffReport> diff_snapshots(repo::Repository& repository, const snapshot::TreeRoot& before,
                                  const snapshot::TreeRoot& after, const std::string& path,
                                  const std::function<Result<void>(const Change&)>& each,
                                  Activity& activity);

}  // namespace backstay::engine
