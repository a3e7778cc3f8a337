// Folders of the walk, found again by their keys from any thread.
#pragma once

#include <cstddef>
#include <list>
#include <memory>
#include <string>
#include <string_view>
#include <unordered_map>
#include <utility>

#include "base/error.h"
#include "base/mutex.h"
#include "io/metadata.h"
#include "source/given_paths.h"

namespace backstay::source {

// An open folder; the descriptor is closed when nobody needs it any more.
using FolderPtr = std::shared_ptr<const io::OpenNode>;

// Keeps the folders that were used last open, at most `open_max`. Thread-safe.
class OpenFolders {
 public:
  // `given` must outlive this.
  OpenFolders(const GivenPaths& given, FolderPtr root, std::size_t open_max);

  [[nodiscard]] const FolderPtr& root() const { return root_; }
  void remember(std::string_view key, FolderPtr folder) EXCLUDES(mutex_);
  // The folder with this key. One that is not open any more is opened component by component from
  // the nearest open folder above it, so that no path is too long and no symbolic link that the
  // walk met is followed.
  Result<FolderPtr> find(std::string_view key) EXCLUDES(mutex_);

 private:
  struct KeyHash {
    using is_transparent = void;
    std::size_t operator()(std::string_view key) const {
      return std::hash<std::string_view>{}(key);
    }
  };
  using Recent = std::list<std::pair<std::string, FolderPtr>>;  // the last used first

  [[nodiscard]] FolderPtr look_up(std::string_view key) EXCLUDES(mutex_);

  const GivenPaths& given_;
  const FolderPtr root_;
  const std::size_t open_max_;
  Mutex mutex_;
  Recent recent_ GUARDED_BY(mutex_);
  std::unordered_map<std::string_view, Recent::iterator, KeyHash, std::equal_to<>> by_key_
      GUARDED_BY(mutex_);
};

}  // namespace backstay::source
