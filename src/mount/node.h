// What an inode of the mounted tree stands for.
#pragma once

#include <sys/stat.h>

#include <array>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

#include "mount/snapshot_set.h"
#include "snapshot/entry.h"

namespace backstay::mount {

using Inode = std::uint64_t;
inline constexpr Inode kRootInode = 1;

enum class Place : std::uint8_t {
  kRoot,
  kSnapshots,  // a folder for each snapshot
  kHosts,
  kHost,  // of one host: a link for each of its snapshots
  kTags,
  kTag,
  kLink,    // a symbolic link to the folder of a snapshot
  kByPath,  // a path, whichever snapshots have it: a folder also where it was a file
  kEntry,   // something in a snapshot
};

// The same thing has the same identity in every run of the program, so that backup programs and
// file managers know it again. The first half of it is the inode number.
using Identity = std::array<std::uint8_t, 16>;

struct Node {
  Place place = Place::kRoot;
  bool has_xattrs = false;  // kEntry
  Identity identity{};
  ServedPtr snapshot;  // kEntry
  // kEntry, kByPath: the key in the tree. kHost, kTag: the name of the folder. kLink: its path
  // below the root.
  std::string text;
};

[[nodiscard]] Inode inode_of(const Identity& identity);

[[nodiscard]] Node root_node();
// Of a place that has neither a snapshot nor, for kSnapshots, kHosts and kTags, a text.
[[nodiscard]] Node virtual_node(Place place, std::string text = {});
// All names of a file with several have one identity, as far as they agree on what the file is.
[[nodiscard]] Node entry_node(const ServedPtr& snapshot, std::string key,
                              const snapshot::Entry& entry);

// The folder that holds it.
[[nodiscard]] Inode parent_inode(const Node& folder);

// "/home/u/report.txt in snapshot 1a2b3c4d": for messages.
[[nodiscard]] std::string describe(const Node& node);

// The attributes of an entry as they were backed up. Blocks are those of what is no hole; of files
// whose list of extents is too long to be in the entry, all.
[[nodiscard]] struct stat status_of(const Node& node, const snapshot::Entry& entry);
// Of a folder or link that no snapshot has: `mode` with its type.
[[nodiscard]] struct stat virtual_status(const Node& node, mode_t mode, Timestamp time);

}  // namespace backstay::mount
