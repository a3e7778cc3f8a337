// The verb copy: snapshots of one repository into another, with other keys, packs and compression.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "engine/activity.h"
#include "engine/forget_fence.h"
#include "repo/repository.h"
#include "snapshot/snapshot.h"

namespace backstay::engine {

struct CopyOptions {
  std::optional<repo::Compression> compression;
  bool dry_run = false;
  std::size_t threads = 0;         // 0: one a processor
  std::uint64_t memory_limit = 0;  // bytes; 0: the default
  ForgetWait wait;                 // for forgets in the other repository, when notes are carried
};

enum class CopyOutcome : std::uint8_t {
  kCopied,
  kThereAlready,
  kForgotten,  // between the moment when it was chosen and its turn
  kFailed,
  kWouldBeCopied,
};

// "copied", "there_already", "forgotten", "failed", "would_be_copied"
[[nodiscard]] std::string_view to_string(CopyOutcome outcome);

struct CopiedSnapshot {
  repo::StoredSnapshot original;
  CopyOutcome outcome = CopyOutcome::kCopied;
  std::optional<snapshot::SnapshotId> copy;  // kCopied, kThereAlready
  std::uint64_t bytes_added = 0;             // plaintext that the other repository did not have
  std::uint64_t bytes_stored = 0;            // what it grew by
  std::uint64_t notes_carried = 0;           // changes of tags, and holds
  std::string failure;                       // kFailed
};

struct CopyReport {
  std::uint64_t copied = 0;  // in a dry run: would be
  std::uint64_t there_already = 0;
  std::uint64_t forgotten = 0;
  std::uint64_t failed = 0;
  std::uint64_t bytes_added = 0;
  std::uint64_t bytes_stored = 0;
  std::uint64_t notes_carried = 0;
};

// Copies what is not there yet, oldest first, and calls `done` after each. A copy keeps all that
// the original says of itself, and its origin, by which it is known again. Each is a commit of its
// own: what was copied before an interruption stays, and the bytes of the one that was interrupted
// are not stored twice. A snapshot that cannot be read whole is not copied (kFailed) and the others
// are. What was stored is compared with the original, entry for entry, before it counts as copied.
// Tags that were changed, and holds that bind, follow the copy, also one that is there already; a
// locked hold locks the copy in its store, where that can. Of two copies at once one remains.
//
// invalid_argument when both are the same repository. The list is what `from` had before its index
// was loaded.
Result<CopyReport> copy(repo::Repository& from, repo::Repository& to,
                        const std::vector<repo::StoredSnapshot>& snapshots,
                        const CopyOptions& options, Activity& activity,
                        const std::function<void(const CopiedSnapshot&)>& done);

// What names a snapshot in every repository that it is copied to.
[[nodiscard]] std::string origin_of(const repo::RepositoryId& repository,
                                    const repo::StoredSnapshot& stored);

}  // namespace backstay::engine
