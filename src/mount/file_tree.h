// The mounted tree as a whole, without FUSE: what is where, and what it is.
//
//   latest                      -> snapshots/TIME-ID
//   snapshots/TIME-ID/...       the files of a snapshot; snapshots/latest
//   hosts/HOST/TIME-ID          -> ../../snapshots/TIME-ID; hosts/HOST/latest
//   tags/TAG/TIME-ID            -> the same by tag
//   by-path/PATH/...            every path that any snapshot has, as a folder; where it was a file,
//                               its versions lie in it: TIME-ID_SIZE_NAME, each content once
//
// Files and folders of a snapshot are read when somebody asks for them; nothing is read beforehand.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "mount/entry_cache.h"
#include "mount/frame_store.h"
#include "mount/inode_table.h"
#include "mount/open_file.h"
#include "mount/open_folder.h"
#include "mount/path_versions.h"
#include "mount/snapshot_feed.h"

namespace backstay::mount {

struct Found {
  Inode inode = 0;
  struct stat status {};  // with this inode
  Lasting lasting = Lasting::kForEver;
};

// Thread-safe. Inodes are those that lookup() and remember() gave; of others not_found.
class FileTree {
 public:
  // All must outlive it. What takes long ends when `stop` is requested.
  FileTree(repo::Repository& repository, SnapshotFeed& feed, FrameStore& frames,
           std::stop_token stop)
      : repository_(repository),
        feed_(feed),
        frames_(frames),
        versions_(repository, std::move(stop)) {}

  // Counts as one lookup of what is found; nothing where there is no such name.
  Result<std::optional<Found>> lookup(Inode folder, std::string_view name);
  // Counts as one lookup of a child that was listed.
  Found remember(const Child& child);
  void forget(Inode inode, std::uint64_t lookups) { inodes_.forget(inode, lookups); }

  Result<Found> status(Inode inode);
  Result<std::string> link_target(Inode inode);
  // Sorted by name.
  Result<std::vector<snapshot::ExtendedAttribute>> xattrs(Inode inode);
  Result<std::unique_ptr<OpenFolder>> open_folder(Inode inode);
  Result<std::unique_ptr<OpenFile>> open_file(Inode inode);

  // Null for inodes that are not known.
  [[nodiscard]] NodePtr node(Inode inode) const { return inodes_.find(inode); }
  // For statistics of the whole.
  [[nodiscard]] SnapshotSetPtr shown() const { return feed_.shown(); }
  [[nodiscard]] std::size_t inodes() const { return inodes_.size(); }

 private:
  using EntryPtr = std::shared_ptr<const snapshot::Entry>;

  Result<NodePtr> require_node(Inode inode) const;
  Result<EntryPtr> entry_of(const Node& node);
  Result<std::optional<Child>> child_of(const Node& folder, std::string_view name);
  Result<std::optional<Child>> entry_child(const ServedPtr& snapshot, std::string key,
                                           std::string_view name);
  Result<std::optional<Child>> path_child(const Node& folder, std::string_view name);
  [[nodiscard]] std::optional<Child> listed_child(const Node& folder, std::string_view name);
  [[nodiscard]] std::vector<Child> listed_children(const Node& folder);
  Result<std::vector<Child>> path_children(const Node& folder);
  Result<struct stat> status_of_node(const Node& node);

  repo::Repository& repository_;
  SnapshotFeed& feed_;
  FrameStore& frames_;
  InodeTable inodes_;
  PathVersions versions_;
  EntryCache entries_;
};

}  // namespace backstay::mount
