// The verb backup: a source goes in, a snapshot comes out.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "engine/activity.h"
#include "repo/repository.h"
#include "snapshot/snapshot.h"
#include "source/source.h"

namespace backstay::engine {

// How the pieces of a file are cut.
enum class Cutting : std::uint8_t {
  kAuto,  // fixed pieces for database files and disk images (recognised by their first bytes), else
          // by content
  kContent,
  kFixed,
};

// A file that is gone by the time it is read: trouble, as a rule, but not where somebody watches
// the files and will be told that it went. The paths of the series must be there in any case.
enum class Vanishing : std::uint8_t { kIsReported, kIsNormal };

struct BackupOptions {
  snapshot::BackupType type = snapshot::BackupType::kIncremental;
  std::vector<std::string> paths;  // recorded in the snapshot; with host they name the series
  std::vector<std::string> tags;
  std::string host;
  std::string user;
  std::string description;
  std::vector<std::string> excludes;
  std::uint64_t exclude_larger_than = 0;       // what the source leaves out, for the record
  std::vector<std::string> places_left_out;    // the same: absolute and clean
  std::optional<snapshot::SnapshotId> parent;  // else chosen by type
  // What is recorded, but for the tree, the parent and what it cost here: for copies. Then a source
  // that cannot be read whole is a failure (corruption), and the options above do not count.
  const snapshot::Snapshot* copy_of = nullptr;
  // Of a copy: fills in what its original does not say, from what was found here.
  std::function<void(const snapshot::Snapshot& made, snapshot::Snapshot& copy)> complete_copy;
  // Sees the snapshot when all that it refers to is stored; a failure keeps it from being made.
  std::function<Result<void>(const snapshot::Snapshot&)> accept;
  std::optional<repo::Compression> compression;
  Cutting cutting = Cutting::kAuto;
  Vanishing vanishing = Vanishing::kIsReported;
  bool dry_run = false;
  bool skip_if_unchanged = false;
  std::size_t threads = 0;         // 0: one a processor
  std::uint64_t memory_limit = 0;  // bytes; 0: the default of about 120 MiB in flight
  std::uint64_t source_bytes = 0;  // of memory that the source holds, and the limit includes
};

struct BackupReport {
  // Nothing in a dry run, or when nothing changed and skip_if_unchanged was asked for.
  std::optional<snapshot::SnapshotId> id;
  snapshot::Snapshot snapshot;  // complete also when it was not stored
  bool skipped_unchanged = false;
  // Of stats.errors: files that were read, but while somebody wrote to them.
  std::uint64_t changed_while_read = 0;
};

// Opens the source once it is known what to compare with; its hooks report to this run.
using OpenSource =
    std::function<Result<std::unique_ptr<source::Source>>(source::SourceHooks hooks)>;

// The type recorded is `full` when there is nothing to compare with. Fails with not_found when
// nothing at all could be read, and commits nothing then. Single files that fail make the snapshot
// partial and are reported.
Result<BackupReport> backup(repo::Repository& repository, const OpenSource& open_source,
                            const BackupOptions& options, Activity& activity);

// The snapshot that a backup of this series compares with: for incremental the last one of the same
// host and paths, for differential the last full one of them, for full none. Content of files that
// look unchanged is taken from it unread, so it is one that a full key made, and none of a day that
// is still to come.
std::optional<repo::StoredSnapshot> choose_parent(
    const std::vector<repo::StoredSnapshot>& snapshots, const BackupOptions& options,
    Timestamp now);

}  // namespace backstay::engine
