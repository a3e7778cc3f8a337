// The verb restore: a snapshot, or a part of it, becomes files again.
#pragma once

#include <functional>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "engine/activity.h"
#include "repo/repository.h"
#include "snapshot/path_filter.h"
#include "snapshot/snapshot.h"
#include "source/target_tree.h"

namespace backstay::engine {

namespace restoring {
class ChangeKeeper;
}

enum class Overwrite : std::uint8_t {
  kAlways,     // existing files are compared block by block; those that differ are replaced
  kIfChanged,  // files whose size and modification time fit are left alone
  kIfNewer,    // only files that the snapshot has newer
  kNever,      // existing files are left alone
};

struct RestoreOptions {
  // Of the snapshot. When given, it is looked for again once nothing can free what it needs.
  std::optional<snapshot::SnapshotId> id;
  std::string target;  // folder
  // "" restores the snapshot's absolute paths below `target`; else an absolute path in the snapshot
  // whose content goes straight into `target` (a folder's content, or the one file).
  std::string subpath;
  snapshot::PathFilter includes;  // empty: everything
  snapshot::PathFilter excludes;
  // Of what is selected, only these, by their paths in the snapshot, with all that is below them
  // and the folders above.
  std::optional<std::set<std::string>> only;
  Overwrite overwrite = Overwrite::kAlways;
  bool delete_extra =
      false;  // what is in restored folders but not in the snapshot (and not excluded) goes
  // Called for each thing that was deleted, or would be in a dry run, with its path in the
  // snapshot. Thread-safe.
  std::function<void(const std::string& path, snapshot::EntryType type)> on_delete;
  // Places below the target ("/a/b") that go first, with all they hold.
  std::vector<std::string> clear_first;
  // Keeps what will change before anything does (safety.h); null: nothing is kept.
  restoring::ChangeKeeper* keeper = nullptr;
  // Folders that are never deleted, replaced or written into: the repository and the cache.
  std::vector<std::string> keep;
  // A symbolic link to a folder gives way to a folder of the snapshot. Otherwise it is trouble:
  // somebody may have moved the folder to where there is room.
  bool replace_folder_links = false;
  bool dry_run = false;
  bool verify = false;  // read everything back afterwards and compare
  // The same, from the medium as far as the system allows, and types and links with it.
  bool validate = false;
  bool ownership = true;
  std::size_t threads = 0;
  std::uint64_t memory_limit = 0;
};

struct RestoreReport {
  std::uint64_t files_restored = 0;  // everything that is no folder and was written
  std::uint64_t files_unchanged = 0;
  std::uint64_t files_deleted = 0;
  std::uint64_t dirs_deleted = 0;
  std::uint64_t files_failed = 0;
  std::uint64_t dirs_restored = 0;
  std::uint64_t bytes_written = 0;
  std::uint64_t bytes_total = 0;  // sizes of the regular files that were selected
  std::uint64_t attributes_not_set =
      0;  // entries with an attribute that this user or file system refused
  std::uint64_t errors = 0;
  std::uint64_t bytes_verified = 0;
  std::uint64_t differences = 0;       // of errors: found by reading back
  std::uint64_t stretches_lost = 0;    // of the tree: nobody knows what was in them
  std::vector<std::string> unmatched;  // patterns to include that fit nothing in the snapshot
  std::vector<std::string> not_found;  // of RestoreOptions::only: the snapshot does not have them
};

// Fails with not_found when there are patterns to include and nothing at all fits them.
//
// Plans first: what is selected, how many bytes, whether they fit (no_space before the first
// write). A file whose chunks are damaged or missing is reported and not left behind half-written;
// the others are restored.
Result<RestoreReport> restore(repo::Repository& repository, const snapshot::Snapshot& snapshot,
                              const RestoreOptions& options, Activity& activity);

struct DumpOptions {
  std::string path;                        // of the file, in the snapshot
  std::optional<snapshot::SnapshotId> id;  // as in RestoreOptions
};

// Writes the bytes of one file to `write` in order.
Result<void> dump(repo::Repository& repository, const snapshot::Snapshot& snapshot,
                  const DumpOptions& options, const std::function<Result<void>(ByteView)>& write,
                  Activity& activity);

}  // namespace backstay::engine
