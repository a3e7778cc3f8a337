// Folders of a restore's target, and the few of them that are open at a time.
#pragma once

#include <cstdint>
#include <list>
#include <memory>
#include <string>
#include <unordered_map>
#include <utility>

#include "base/error.h"
#include "base/mutex.h"
#include "io/file.h"
#include "io/metadata.h"
#include "source/target_tree.h"

namespace backstay::source {

// Shared, so that a folder that leaves the cache stays open for those who are using it at that
// moment.
using FolderHandle = std::shared_ptr<const io::Fd>;

// The most recently used open folders. Thread-safe; descriptors are closed outside the lock.
class TargetHandles {
 public:
  explicit TargetHandles(std::size_t open_max) : open_max_(open_max) {}
  // Null when the folder is not open.
  FolderHandle find(const TargetFolder* folder) EXCLUDES(mutex_);
  // Keeps `opened` for the folder, or the handle that another thread kept first; returns the one
  // kept.
  FolderHandle keep(const TargetFolder* folder, FolderHandle opened) EXCLUDES(mutex_);
  void forget(const TargetFolder* folder) EXCLUDES(mutex_);

 private:
  using Recent = std::list<std::pair<const TargetFolder*, FolderHandle>>;

  const std::size_t open_max_;
  Mutex mutex_;
  Recent recent_ GUARDED_BY(mutex_);  // the last used first
  std::unordered_map<const TargetFolder*, Recent::iterator> places_ GUARDED_BY(mutex_);
};

// Remembers its parent, its name there and its inode. When it is opened again it must be the same
// inode, so a symbolic link or another folder that took its place is never entered.
class TargetFolder : public std::enable_shared_from_this<TargetFolder> {
 public:
  // The root: stays open.
  TargetFolder(io::Fd root, std::shared_ptr<TargetHandles> handles);
  TargetFolder(TargetFolderPtr parent, std::string name, const io::FileStatus& status);
  ~TargetFolder();
  TargetFolder(const TargetFolder&) = delete;
  TargetFolder& operator=(const TargetFolder&) = delete;

  // The folder `name` below this one, which is open as `fd`.
  TargetFolderPtr child(std::string name, io::Fd fd, const io::FileStatus& status);
  // Opens the folder, and those above it as far as needed.
  Result<FolderHandle> handle() const;

 private:
  Result<FolderHandle> open_below(int parent) const;

  TargetFolderPtr parent_;  // null for the root
  std::string name_;
  std::uint64_t device_ = 0;
  std::uint64_t inode_ = 0;
  FolderHandle root_;  // of the root only
  std::shared_ptr<TargetHandles> handles_;
};

}  // namespace backstay::source
