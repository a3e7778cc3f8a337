// The inodes that the kernel knows, and how often it was told of each.
#pragma once

#include <memory>
#include <unordered_map>

#include "base/mutex.h"
#include "mount/node.h"

namespace backstay::mount {

using NodePtr = std::shared_ptr<const Node>;

// Thread-safe. Holds what the kernel holds, and no more: the kernel says when it forgets. The root
// is always there.
class InodeTable {
 public:
  InodeTable();
  // Counts one lookup. The number is that of the node's identity, unless another node has it: then
  // the next that is free, until the kernel forgets it.
  Inode remember(const Node& node) EXCLUDES(mutex_);
  // Takes `lookups` back; at none the node goes.
  void forget(Inode inode, std::uint64_t lookups) EXCLUDES(mutex_);
  // Null for one that the kernel was not told of, or has forgotten.
  [[nodiscard]] NodePtr find(Inode inode) const EXCLUDES(mutex_);
  [[nodiscard]] std::size_t size() const EXCLUDES(mutex_);

 private:
  struct Known {
    NodePtr node;
    std::uint64_t lookups = 0;
  };
  mutable Mutex mutex_;
  std::unordered_map<Inode, Known> known_ GUARDED_BY(mutex_);
};

}  // namespace backstay::mount
