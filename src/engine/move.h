// The end of a move: originals go once their copies were read back and found to be the same.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "engine/activity.h"
#include "engine/forget_fence.h"
#include "repo/repository.h"

namespace backstay::engine {

struct MoveOptions {
  bool dry_run = false;  // nothing is read back, and nothing goes
  std::string host;
  std::string user;
  ForgetWait wait;
};

struct CopiedPair {
  snapshot::SnapshotId original;
  snapshot::SnapshotId copy;
};

enum class MoveOutcome : std::uint8_t {
  kMoved,
  kStays,         // held, the newest good one of its source, or its copy not confirmed yet
  kFailed,        // its copy is not the same, or not there
  kWouldBeMoved,  // of a dry run
};
// "moved", "stays", "failed", "would_be_moved"
[[nodiscard]] std::string_view to_string(MoveOutcome outcome);

struct MovedSnapshot {
  CopiedPair pair;
  MoveOutcome outcome = MoveOutcome::kMoved;
  std::string why;  // kStays, kFailed
};

struct MoveReport {
  std::uint64_t moved = 0;  // in a dry run: would be
  std::uint64_t staying = 0;
  std::uint64_t failed = 0;
  std::uint64_t bytes_compared = 0;
};

// Forgets originals by the protocol of docs/format.md section 8.8, oldest first, each after its
// copy was compared with it byte for byte, as the stores give them back, and found to be there
// still. So at no moment is a snapshot in neither repository; what was cut is done by the next
// move. The index of `from` is loaded. permission_denied when `from` is append-only.
Result<MoveReport> move_originals(repo::Repository& from, repo::Repository& to,
                                  const std::vector<CopiedPair>& pairs, const MoveOptions& options,
                                  Activity& activity,
                                  const std::function<void(const MovedSnapshot&)>& done);

}  // namespace backstay::engine
