#include "mount/node.h"

#include <sys/sysmacros.h>

#include <algorithm>
#include <cstring>

#include "crypto/hash.h"
#include "engine/restore/link_groups.h"
#include "snapshot/tree_key.h"

namespace backstay::mount {

namespace {

using snapshot::Entry;
using snapshot::EntryType;

constexpr std::uint64_t kBlockBytes = 512;        // of st_blocks
constexpr std::uint64_t kAllocationBytes = 4096;  // as file systems give space

Identity identity_of(Place place, ByteView snapshot, std::string_view text) {
  Bytes all{static_cast<std::uint8_t>(place)};
  append(all, snapshot);
  append(all, as_bytes(text));
  const crypto::Digest digest = crypto::blake3(all);
  Identity identity;
  std::memcpy(identity.data(), digest.bytes.data(), identity.size());
  return identity;
}

// Not the key, but what all names of the file have in common.
std::string link_text(const Entry& entry) {
  Bytes text{0};  // no key begins so
  append_le(text, entry.device);
  append_le(text, entry.inode);
  append(text, engine::restoring::digest_of_common(entry).bytes);
  return std::string(as_text(text));
}

mode_t type_bits(EntryType type) {
  switch (type) {
    case EntryType::kFile:
      return S_IFREG;
    case EntryType::kDirectory:
      return S_IFDIR;
    case EntryType::kSymlink:
      return S_IFLNK;
    case EntryType::kFifo:
      return S_IFIFO;
    case EntryType::kSocket:
      return S_IFSOCK;
    case EntryType::kCharDevice:
      return S_IFCHR;
    case EntryType::kBlockDevice:
      return S_IFBLK;
  }
  return S_IFREG;
}

timespec to_timespec(Timestamp time) {
  return {.tv_sec = time.seconds, .tv_nsec = static_cast<long>(time.nanos)};
}

std::uint64_t allocated_bytes(const Entry& entry) {
  if (entry.content.level > 0) return entry.size_bytes;
  std::uint64_t bytes = 0;
  for (const snapshot::Extent& extent : entry.content.extents)
    if (extent.kind != snapshot::ExtentKind::kHole) bytes += extent.length;
  return bytes;
}

}  // namespace

Inode inode_of(const Identity& identity) {
  const auto number = load_le<Inode>(identity.data());
  return number > kRootInode ? number : number + 2;
}

Node virtual_node(Place place, std::string text) {
  Node node{.place = place, .identity = identity_of(place, {}, text), .snapshot = {}, .text = {}};
  node.text = std::move(text);
  return node;
}

Node root_node() {
  Node node = virtual_node(Place::kRoot);
  node.identity = {kRootInode};
  static_assert(sizeof(Inode) * 2 == sizeof(Identity));
  return node;
}

Node entry_node(const ServedPtr& snapshot, std::string key, const Entry& entry) {
  const bool linked = entry.links > 1 && entry.type != EntryType::kDirectory;
  const std::string shared = linked ? link_text(entry) : std::string();
  return {.place = Place::kEntry,
          .has_xattrs = !entry.xattrs.empty(),
          .identity = identity_of(Place::kEntry, snapshot->id.bytes, linked ? shared : key),
          .snapshot = snapshot,
          .text = std::move(key)};
}

Inode parent_inode(const Node& folder) {
  switch (folder.place) {
    case Place::kHost:
      return inode_of(virtual_node(Place::kHosts).identity);
    case Place::kTag:
      return inode_of(virtual_node(Place::kTags).identity);
    case Place::kByPath:
      if (folder.text.empty()) return kRootInode;
      return inode_of(
          virtual_node(Place::kByPath, std::string(snapshot::parent_of_key(folder.text))).identity);
    case Place::kEntry:
      if (folder.text.empty()) return inode_of(virtual_node(Place::kSnapshots).identity);
      return inode_of(identity_of(Place::kEntry, folder.snapshot->id.bytes,
                                  snapshot::parent_of_key(folder.text)));
    default:
      return kRootInode;
  }
}

std::string describe(const Node& node) {
  switch (node.place) {
    case Place::kEntry:
      return snapshot::path_from_key(node.text) + " in snapshot " + node.snapshot->id.short_hex();
    case Place::kByPath:
      return "the versions of " + snapshot::path_from_key(node.text);
    default:
      return "the mounted folder " + node.text;
  }
}

struct stat status_of(const Node& node, const Entry& entry) {
  struct stat status {};
  status.st_ino = inode_of(node.identity);
  status.st_mode = type_bits(entry.type) | (entry.mode & 07777);
  status.st_nlink = std::max<std::uint64_t>(entry.links, 1);
  status.st_uid = entry.uid;
  status.st_gid = entry.gid;
  if (entry.type == EntryType::kCharDevice || entry.type == EntryType::kBlockDevice)
    status.st_rdev = makedev(static_cast<unsigned>(entry.special_device >> 32),
                             static_cast<unsigned>(entry.special_device & 0xffffffff));
  status.st_blksize = 128 * 1024;
  if (entry.type == EntryType::kFile) {
    status.st_size = static_cast<off_t>(entry.size_bytes);
    const std::uint64_t allocated =
        (allocated_bytes(entry) + kAllocationBytes - 1) / kAllocationBytes;
    status.st_blocks = static_cast<blkcnt_t>(allocated * (kAllocationBytes / kBlockBytes));
  } else if (entry.type == EntryType::kSymlink) {
    status.st_size = static_cast<off_t>(entry.symlink_target.size());
  }
  status.st_mtim = to_timespec(entry.modified);
  status.st_ctim = to_timespec(entry.changed);
  status.st_atim = to_timespec(entry.accessed.value_or(entry.modified));
  return status;
}

struct stat virtual_status(const Node& node, mode_t mode, Timestamp time) {
  struct stat status {};
  status.st_ino = inode_of(node.identity);
  status.st_mode = mode;
  status.st_nlink = 1;
  status.st_blksize = 4096;
  status.st_mtim = status.st_ctim = status.st_atim = to_timespec(time);
  return status;
}

}  // namespace backstay::mount
