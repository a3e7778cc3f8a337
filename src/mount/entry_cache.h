// Entries that were looked up lately: a program that looks at a file opens it a moment later.
#pragma once

#include <list>
#include <memory>
#include <string>
#include <unordered_map>

#include "base/mutex.h"
#include "mount/node.h"

namespace backstay::mount {

// Thread-safe. Large enough for the ten thousand entries that programs list before they open the
// first of them.
class EntryCache {
 public:
  explicit EntryCache(std::size_t bytes_max = 12 << 20) : bytes_max_(bytes_max) {}
  using EntryPtr = std::shared_ptr<const snapshot::Entry>;

  EntryPtr find(const Node& node) EXCLUDES(mutex_) {
    const MutexLock lock(mutex_);
    const auto it = by_inode_.find(inode_of(node.identity));
    if (it == by_inode_.end() || it->second->identity != node.identity) return nullptr;
    recent_.splice(recent_.begin(), recent_, it->second);
    return it->second->entry;
  }

  void keep(const Node& node, EntryPtr entry) EXCLUDES(mutex_) {
    const std::size_t bytes = bytes_of(*entry);
    if (bytes > bytes_max_ / 16) return;
    const MutexLock lock(mutex_);
    const auto [it, is_new] = by_inode_.try_emplace(inode_of(node.identity));
    if (!is_new) return;
    recent_.push_front({.identity = node.identity, .entry = std::move(entry), .bytes = bytes});
    it->second = recent_.begin();
    for (bytes_ += bytes; bytes_ > bytes_max_; recent_.pop_back()) {
      by_inode_.erase(inode_of(recent_.back().identity));
      bytes_ -= recent_.back().bytes;
    }
  }

 private:
  struct Kept {
    Identity identity{};
    EntryPtr entry;
    std::size_t bytes = 0;
  };

  static std::size_t bytes_of(const snapshot::Entry& entry) {
    constexpr std::size_t kOfCache = 160;  // what the list and the table take
    std::size_t bytes = kOfCache + sizeof entry + entry.symlink_target.size() +
                        entry.content.extents.size() * sizeof(snapshot::Extent);
    for (const snapshot::ExtendedAttribute& xattr : entry.xattrs)
      bytes += sizeof xattr + xattr.name.size() + xattr.value.size();
    return bytes;
  }

  const std::size_t bytes_max_;
  Mutex mutex_;
  std::size_t bytes_ GUARDED_BY(mutex_) = 0;
  std::list<Kept> recent_ GUARDED_BY(mutex_);
  std::unordered_map<Inode, std::list<Kept>::iterator> by_inode_ GUARDED_BY(mutex_);
};

}  // namespace backstay::mount
