#include "mount/inode_table.h"

namespace backstay::mount {

InodeTable::InodeTable() {
  known_[kRootInode] = {.node = std::make_shared<const Node>(root_node()), .lookups = 1};
}

Inode InodeTable::remember(const Node& node) {
  const MutexLock lock(mutex_);
  for (Inode inode = inode_of(node.identity);; ++inode) {
    if (inode <= kRootInode && node.place != Place::kRoot) continue;
    Known& known = known_[inode];
    if (known.node == nullptr) known.node = std::make_shared<const Node>(node);
    if (known.node->identity != node.identity) continue;
    ++known.lookups;
    return inode;
  }
}

void InodeTable::forget(Inode inode, std::uint64_t lookups) {
  const MutexLock lock(mutex_);
  const auto it = known_.find(inode);
  if (it == known_.end() || inode == kRootInode) return;
  if (it->second.lookups <= lookups)
    known_.erase(it);
  else
    it->second.lookups -= lookups;
}

NodePtr InodeTable::find(Inode inode) const {
  const MutexLock lock(mutex_);
  const auto it = known_.find(inode);
  return it == known_.end() ? nullptr : it->second.node;
}

std::size_t InodeTable::size() const {
  const MutexLock lock(mutex_);
  return known_.size();
}

}  // namespace backstay::mount
