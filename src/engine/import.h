// The verb import: snapshots of another program's repository into one of ours.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "engine/activity.h"
#include "foreign/repository.h"
#include "repo/repository.h"
#include "snapshot/snapshot.h"

namespace backstay::engine {

struct ImportOptions {
  std::optional<repo::Compression> compression;
  bool dry_run = false;
  std::size_t threads = 0;         // 0: one a processor
  std::uint64_t memory_limit = 0;  // bytes; 0: the default
};

enum class ImportOutcome : std::uint8_t { kImported, kThereAlready, kFailed, kWouldBeImported };

// "imported", "there_already", "failed", "would_be_imported"
[[nodiscard]] std::string_view to_string(ImportOutcome outcome);

struct ImportedSnapshot {
  foreign::ForeignSnapshot original;
  ImportOutcome outcome = ImportOutcome::kImported;
  std::optional<snapshot::SnapshotId> id;  // kImported, kThereAlready
  std::uint64_t bytes_added = 0;           // plaintext that our repository did not have
  std::uint64_t bytes_stored = 0;          // what it grew by
  std::string failure;                     // kFailed
};

struct ImportReport {
  std::uint64_t imported = 0;  // in a dry run: would be
  std::uint64_t there_already = 0;
  std::uint64_t failed = 0;
  std::uint64_t bytes_added = 0;
  std::uint64_t bytes_stored = 0;
};

struct ForeignChoice {
  // What `from` lists, oldest first, and of them what is wanted, in the same order.
  std::vector<foreign::ForeignSnapshot> all;
  std::vector<foreign::ForeignSnapshot> wanted;
};

// Brings over what is not there yet, oldest first, and calls `done` after each. Each is a commit of
// its own: what was imported before an interruption stays, and the bytes of the one that was
// interrupted are not stored twice. One that is there is known by its origin. A snapshot that
// cannot be read whole is not imported (kFailed) and the others are. What was stored is compared
// with the original, entry for entry, before it counts as imported.
Result<ImportReport> import_snapshots(foreign::ForeignRepository& from, repo::Repository& to,
                                      const ForeignChoice& choice, const ImportOptions& options,
                                      Activity& activity,
                                      const std::function<void(const ImportedSnapshot&)>& done);

}  // namespace backstay::engine
