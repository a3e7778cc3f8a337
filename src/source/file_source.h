// Files and folders of this machine.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "snapshot/path_filter.h"
#include "source/source.h"

namespace backstay::source {

struct FileSourceOptions {
  std::vector<std::string> paths;  // absolute and clean (snapshot::clean_path), any order
  snapshot::PathFilter excludes;   // decides about the paths and all below, not about folders above
  // Of what is below the paths, only this, with the folders above; each path is asked for. Empty:
  // all.
  std::function<bool(const std::string& path)> selects;
  bool exclude_caches = false;  // of folders with a CACHEDIR.TAG (bford.info/cachedir) only the tag
  std::vector<std::string> exclude_if_present;  // names; of a folder that holds one, it alone
  std::uint64_t exclude_larger_than = 0;        // bytes; 0: no limit
  bool one_file_system = false;  // do not descend into other file systems below a path
  bool with_atime = false;
  std::size_t open_directories_max = 512;  // deeper folders are reopened on the way back
  std::size_t names_memory_max = std::size_t{64}
                                 << 20;  // bytes; larger folders are listed in parts
  // Folders and files that are left out: the repository itself and the cache. Compared by path and
  // by inode, so that a bind mount or a link on the way does not hide them.
  std::vector<std::string> never;
};

// Walks all paths as one sorted tree: folders above them are given too (with their attributes),
// once, and paths inside other paths are given once. Uses getdents and statx without updating
// access times where it may. Trees deeper than PATH_MAX work. A path that does not exist is
// reported as an error.
//
// A path that is a symbolic link is kept as a link. A link on the way to a path is followed and
// kept as the folder that it leads to, unless it lies within another given path. A path given
// inside a folder that is not descended (another file system, a cache) is walked all the same; only
// `excludes` and `never` keep it out.
Result<std::unique_ptr<Source>> open_file_source(FileSourceOptions options, ReportError report);

}  // namespace backstay::source
