// What differs between a snapshot and the files of this machine.
#pragma once

#include <functional>
#include <string>

#include "engine/diff.h"
#include "snapshot/snapshot.h"

namespace backstay::engine {

// As diff_snapshots(), with what is there now in place of the second snapshot. What looks as it did
// when it was backed up (size, times, inode) is not read; of the rest the bytes are compared, by
// the ids of their chunks, so that nothing but the list of files comes from the repository.
//
// What the backup left out is not looked for. What cannot be read is told to activity.report and is
// no difference. not_found when the snapshot covers nothing of `path`.
Result<DiffReport> diff_with_files(repo::Repository& repository, const snapshot::Snapshot& snapshot,
                                   const std::string& path,
                                   const std::function<Result<void>(const Change&)>& each,
                                   Activity& activity);

}  // namespace backstay::engine
