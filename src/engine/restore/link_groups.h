// Hard links: the names of one file, which the snapshot lists one by one.
//
// The first name restored is the holder of the bytes; every later one becomes a link to it once it
// is whole. Groups are forgotten when all their names were met, so memory is bounded by those
// groups that the walk has met in part. Only files that this run made, or found to be equal, are
// ever linked to.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <unordered_map>
#include <vector>

#include "base/mutex.h"
#include "crypto/hash.h"
#include "engine/restore/folder_node.h"

namespace backstay::engine::restoring {

// Of what all names of one file have in common: type, bytes, target, device number. An inode number
// that was used again while the backup ran must not make two files one.
[[nodiscard]] crypto::Digest digest_of_common(const snapshot::Entry& entry);

// A name that becomes a link.
struct LinkMember {
  FolderNodePtr folder;
  std::string name;
  bool was_same = false;  // what stands there was a name of the same file before
};

class LinkGroup {
 public:
  enum class State : std::uint8_t { kPending, kReady, kFailed };

  LinkGroup(source::TargetFolderPtr folder, std::string name, std::string path)
      : folder_(std::move(folder)), name_(std::move(name)), path_(std::move(path)) {}

  // Of the holder.
  [[nodiscard]] const source::TargetFolderPtr& folder() const { return folder_; }
  [[nodiscard]] const std::string& name() const { return name_; }
  [[nodiscard]] const std::string& path() const { return path_; }

  // kPending: the member waits, and settle() hands it to whoever finishes the holder. Otherwise
  // `member` is untouched and the caller goes on with it.
  State join(LinkMember& member) EXCLUDES(mutex_);
  // The holder is whole, or will never be. Returns those that waited.
  std::vector<LinkMember> settle(State state) EXCLUDES(mutex_);
  [[nodiscard]] State state() const EXCLUDES(mutex_);

 private:
  const source::TargetFolderPtr folder_;
  const std::string name_;
  const std::string path_;
  mutable Mutex mutex_;
  State state_ GUARDED_BY(mutex_) = State::kPending;
  std::vector<LinkMember> waiting_ GUARDED_BY(mutex_);
};
using LinkGroupPtr = std::shared_ptr<LinkGroup>;

// Used by the walk alone.
class LinkGroups {
 public:
  // The group that this entry belongs to, or null when the entry is the first of it that counts.
  // Every name of a group is asked for once.
  LinkGroupPtr find(const snapshot::Entry& entry);
  // `group` is what later names of the same file are linked with.
  void add(const snapshot::Entry& entry, LinkGroupPtr group);

 private:
  struct Inode {
    std::uint64_t device = 0;
    std::uint64_t number = 0;
    friend bool operator==(const Inode&, const Inode&) = default;
  };
  struct InodeHash {
    std::size_t operator()(const Inode& inode) const {
      return static_cast<std::size_t>(inode.number * 0x9e3779b97f4a7c15ULL ^ inode.device);
    }
  };
  struct Known {
    LinkGroupPtr group;
    crypto::Digest digest;  // of what all names of a file have in common
    std::uint64_t names_left = 0;
  };
  std::unordered_map<Inode, Known, InodeHash> known_;
};

}  // namespace backstay::engine::restoring
