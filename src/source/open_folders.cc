#include "source/open_folders.h"

#include <utility>

#include "base/try.h"
#include "snapshot/tree_key.h"

namespace backstay::source {

OpenFolders::OpenFolders(const GivenPaths& given, FolderPtr root, std::size_t open_max)
    : given_(given), root_(std::move(root)), open_max_(open_max) {}

void OpenFolders::remember(std::string_view key, FolderPtr folder) {
  if (key.empty() || open_max_ == 0) return;
  FolderPtr dropped;  // closed after the lock is gone
  const MutexLock lock(mutex_);
  if (const auto found = by_key_.find(key); found != by_key_.end()) {
    dropped = std::exchange(found->second->second, std::move(folder));
    recent_.splice(recent_.begin(), recent_, found->second);
    return;
  }
  if (by_key_.size() >= open_max_) {
    by_key_.erase(recent_.back().first);
    dropped = std::move(recent_.back().second);
    recent_.pop_back();
  }
  recent_.emplace_front(std::string(key), std::move(folder));
  by_key_.emplace(recent_.front().first, recent_.begin());
}

FolderPtr OpenFolders::look_up(std::string_view key) {
  if (key.empty()) return root_;
  const MutexLock lock(mutex_);
  const auto found = by_key_.find(key);
  if (found == by_key_.end()) return nullptr;
  recent_.splice(recent_.begin(), recent_, found->second);
  return found->second->second;
}

Result<FolderPtr> OpenFolders::find(std::string_view key) {
  std::string_view above = key;
  FolderPtr folder = look_up(above);
  while (!folder) {
    above = snapshot::parent_of_key(above);
    folder = look_up(above);
  }
  if (above.size() == key.size()) return folder;
  std::size_t at = above.empty() ? 0 : above.size() + 1;
  while (at < key.size()) {
    const std::size_t end = std::min(key.find('\0', at), key.size());
    const std::string name(key.substr(at, end - at));
    const io::LastLink link =
        given_.is_only_above(key.substr(0, end)) ? io::LastLink::kFollow : io::LastLink::kKeep;
    const int fd = folder->fd.get();
    folder = std::make_shared<const io::OpenNode>(
        TRY(io::open_folder_to_walk(fd, name.c_str(), io::FolderUse::kPass, link)));
    at = end + 1;
  }
  remember(key, folder);
  return folder;
}

}  // namespace backstay::source
