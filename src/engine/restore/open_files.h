// The few files that are open for writing at a time, while many are written in pieces.
#pragma once

#include <list>
#include <memory>
#include <optional>
#include <unordered_map>
#include <utility>

#include "base/error.h"
#include "base/mutex.h"
#include "io/direct_write.h"
#include "io/file.h"

namespace backstay::engine::restoring {

struct FileJob;

struct OpenFile {
  io::Fd fd;
  std::optional<io::DirectFile> direct;  // of large new files
};
// Shared, so that a file that leaves the cache stays open for those who write to it at that moment.
using FileHandle = std::shared_ptr<const OpenFile>;

// The most recently used files. Thread-safe; descriptors are closed outside the lock.
class OpenFiles {
 public:
  explicit OpenFiles(std::size_t open_max) : open_max_(open_max) {}
  // Opens the file again when it is not open any more; its bytes stay.
  Result<FileHandle> get(const FileJob& job) EXCLUDES(mutex_);
  // Keeps the file open, or the handle that another thread kept first; returns the one kept.
  FileHandle keep(const FileJob& job, io::Fd fd) EXCLUDES(mutex_);
  void forget(const FileJob& job) EXCLUDES(mutex_);

 private:
  using Recent = std::list<std::pair<const FileJob*, FileHandle>>;

  const std::size_t open_max_;
  Mutex mutex_;
  Recent recent_ GUARDED_BY(mutex_);  // the last used first
  std::unordered_map<const FileJob*, Recent::iterator> places_ GUARDED_BY(mutex_);
};

}  // namespace backstay::engine::restoring
