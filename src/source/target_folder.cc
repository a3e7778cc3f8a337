#include "source/target_folder.h"

#include <utility>
#include <vector>

#include "base/try.h"
#include "io/node.h"

namespace backstay::source {

FolderHandle TargetHandles::find(const TargetFolder* folder) {
  const MutexLock lock(mutex_);
  const auto place = places_.find(folder);
  if (place == places_.end()) return nullptr;
  recent_.splice(recent_.begin(), recent_, place->second);
  return place->second->second;
}

FolderHandle TargetHandles::keep(const TargetFolder* folder, FolderHandle opened) {
  Recent evicted;  // destroyed, and so closed, after the lock is gone
  const MutexLock lock(mutex_);
  const auto place = places_.find(folder);
  if (place != places_.end()) return place->second->second;
  recent_.emplace_front(folder, opened);
  places_.emplace(folder, recent_.begin());
  while (recent_.size() > open_max_ && recent_.size() > 1) {
    places_.erase(recent_.back().first);
    evicted.splice(evicted.begin(), recent_, std::prev(recent_.end()));
  }
  return opened;
}

void TargetHandles::forget(const TargetFolder* folder) {
  Recent evicted;
  const MutexLock lock(mutex_);
  const auto place = places_.find(folder);
  if (place == places_.end()) return;
  evicted.splice(evicted.begin(), recent_, place->second);
  places_.erase(place);
}

TargetFolder::TargetFolder(io::Fd root, std::shared_ptr<TargetHandles> handles)
    : root_(std::make_shared<const io::Fd>(std::move(root))), handles_(std::move(handles)) {}

TargetFolder::TargetFolder(TargetFolderPtr parent, std::string name, const io::FileStatus& status)
    : parent_(std::move(parent)),
      name_(std::move(name)),
      device_(status.device),
      inode_(status.inode),
      handles_(parent_->handles_) {}

// Lets the folders above go one by one: as nested destructors, a tree of a million levels would
// overflow the stack.
TargetFolder::~TargetFolder() {
  handles_->forget(this);
  TargetFolderPtr above = std::move(parent_);
  while (above != nullptr && above.use_count() == 1) {
    TargetFolderPtr next = std::move(above->parent_);
    above = std::move(next);
  }
}

TargetFolderPtr TargetFolder::child(std::string name, io::Fd fd, const io::FileStatus& status) {
  auto folder = std::make_shared<TargetFolder>(shared_from_this(), std::move(name), status);
  handles_->keep(folder.get(), std::make_shared<const io::Fd>(std::move(fd)));
  return folder;
}

Result<FolderHandle> TargetFolder::handle() const {
  // The closed folders from this one up to the nearest open one.
  std::vector<const TargetFolder*> closed;
  FolderHandle open;
  for (const TargetFolder* at = this; open == nullptr; at = at->parent_.get()) {
    open = at->root_ != nullptr ? at->root_ : handles_->find(at);
    if (open == nullptr) closed.push_back(at);
  }
  for (auto at = closed.rbegin(); at != closed.rend(); ++at) {
    open = handles_->keep(*at, TRY((*at)->open_below(open->get())));
  }
  return open;
}

Result<FolderHandle> TargetFolder::open_below(int parent) const {
  const auto replaced = [&] {
    return fail(ErrorCode::kConflict, "the folder " + io::quoted(name_) +
                                          " of the target was replaced by another program");
  };
  Result<io::OpenNode> opened =
      io::open_folder_to_walk(parent, name_.c_str(), io::FolderUse::kList);
  if (!opened) {
    const ErrorCode code = opened.error().code();
    if (code == ErrorCode::kConflict || code == ErrorCode::kNotFound) return replaced();
    return std::unexpected(std::move(opened).error());
  }
  if (opened->status.device != device_ || opened->status.inode != inode_) return replaced();
  return std::make_shared<const io::Fd>(std::move(opened->fd));
}

}  // namespace backstay::source
