// The verb export: a snapshot, or a part of it, becomes an archive that needs no Backstay.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>

#include "archive/archive_writer.h"
#include "base/rng.h"
#include "engine/activity.h"
#include "repo/repository.h"
#include "snapshot/path_filter.h"
#include "snapshot/snapshot.h"

namespace backstay::engine {

struct ExportOptions {
  std::optional<snapshot::SnapshotId> id;  // as in RestoreOptions
  std::string subpath;                     // as there: its content, or the one file
  snapshot::PathFilter includes;           // empty: everything
  snapshot::PathFilter excludes;
  archive::Format format = archive::Format::kTar;
  // Not empty: encrypted. A tar as a whole, in the format of age; the files of a ZIP.
  std::string passphrase;
  std::size_t threads = 0;
  std::uint64_t memory_limit = 0;
};

struct ExportReport {
  std::uint64_t files = 0;  // all that is no folder
  std::uint64_t dirs = 0;
  std::uint64_t bytes_files = 0;    // sizes of the regular files
  std::uint64_t bytes_written = 0;  // of the archive
  std::uint64_t not_held = 0;       // what the format has no place for; noted, and left out
  std::uint64_t errors = 0;         // files and stretches of the tree that are missing
};

// Writes the archive to `write` in order; members have their paths in the snapshot without the
// first "/", or from the subpath on. What the index does not have is reported and left out. A frame
// that turns out to be damaged when its file is half written ends the export (corruption): what was
// written then is no archive.
Result<ExportReport> export_to_archive(repo::Repository& repository,
                                       const snapshot::Snapshot& snapshot,
                                       const ExportOptions& options, Rng& rng,
                                       const std::function<Result<void>(ByteView)>& write,
                                       Activity& activity);

}  // namespace backstay::engine
