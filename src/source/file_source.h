// Files and folders of this machine.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "snapshot/path_filter.h"
#include "source/source.h"

namespace backstay::source {

struct FileSourceOptions {
  std::vector<std::string> paths;       // absolute and clean (snapshot::clean_path), any order
  snapshot::PathFilter excludes;
  bool exclude_caches = false;          // folders with a CACHEDIR.TAG (https://bford.info/cachedir/): kept empty
  std::vector<std::string> exclude_if_present;  // names; a folder that holds one is kept empty
  std::uint64_t exclude_larger_than = 0;  // bytes; 0: no limit
  bool one_file_system = false;         // do not descend into other file systems below a path
  bool with_atime = false;
  std::size_t open_directories_max = 512;  // deeper folders are reopened on the way back
  // Folders and files that are never entered: the repository itself and the cache.
  std::vector<std::string> never;
};

// Walks all paths as one sorted tree: folders above them are given too (with their attributes), once, and
// paths inside other paths are given once. Uses getdents and statx without updating access times where it may.
// Trees deeper than PATH_MAX work. A path that does not exist is reported as an error.
Result<std::unique_ptr<Source>> open_file_source(FileSourceOptions options, ReportError report);

}  // namespace backstay::source
