// What a restore is going to do, found out before it does anything.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "engine/restore/changes.h"
#include "engine/restore/needs.h"
#include "engine/restore/site.h"
#include "io/file_system.h"

namespace backstay::engine::restoring {

struct Plan {
  std::uint64_t files = 0;  // everything that is no folder
  std::uint64_t dirs = 0;
  std::uint64_t dirs_new = 0;
  std::uint64_t files_written = 0;  // those that the overwrite rule does not leave alone
  std::uint64_t files_new = 0;      // of those: nothing has their name
  std::uint64_t files_unchanged = 0;
  std::uint64_t files_left = 0;        // of those: the overwrite rule says so
  std::uint64_t bytes = 0;             // sizes of the regular files
  std::uint64_t bytes_written = 0;     // of files; kFull: without what they have already
  std::uint64_t bytes_needed = 0;      // what the target grows by at least
  std::uint64_t bytes_freed = 0;       // by removing what a killed restore left
  std::uint64_t inodes_needed = 0;     // the same, and no more than that
  std::uint64_t bytes_largest = 0;     // of one file
  std::uint64_t links = 0;             // symbolic and further hard ones, devices, FIFOs and sockets
  std::uint64_t errors = 0;            // met on the way: something may be missing above
  std::vector<std::string> unmatched;  // patterns to include that fit nothing
  std::vector<std::string> not_found;  // of RestoreOptions::only
  Needs needs;                         // kFull
};

// kFull also compares bytes, looks for every chunk in the index, and reports files with missing
// ones: for dry runs.
enum class PlanDepth : std::uint8_t { kTotals, kFull };
Result<Plan> make_plan(Site& site, PlanDepth depth);
// The totals, and what of the target changes: existing files are compared for that. What killed
// restores left in it goes, or gets its name back.
Result<Plan> plan_changes(Site& site, TargetChanges& changes);

// no_space when the plan surely does not fit, permission_denied when the file system takes nothing.
// `target` may not exist yet.
Result<void> check_room(const Plan& plan, const std::string& target);
// What the target's file system cannot keep of what is planned, in sentences.
[[nodiscard]] std::vector<std::string> target_warnings(const Plan& plan,
                                                       const io::FileSystemFacts& facts);
// What of the free space is left for a time: the plan does not need it.
[[nodiscard]] std::uint64_t spare_bytes(const Plan& plan, const std::string& target);

}  // namespace backstay::engine::restoring
