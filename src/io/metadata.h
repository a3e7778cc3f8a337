// What the kernel knows about a file besides its bytes: status, extended attributes, inode flags,
// holes.
//
// A name is one component, NUL-terminated, looked up in an open folder; only functions that say so
// follow a symbolic link. Nothing here opens a FIFO, a socket or a device for longer than it takes
// to notice.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "base/bytes.h"
#include "base/clock.h"
#include "base/error.h"
#include "io/file.h"

namespace backstay::io {

enum class FileKind : std::uint8_t {
  kUnknown,
  kRegular,
  kDirectory,
  kSymlink,
  kFifo,
  kSocket,
  kCharDevice,
  kBlockDevice,
};

struct FileStatus {
  FileKind kind = FileKind::kUnknown;
  std::uint32_t mode = 0;  // the twelve low bits
  std::uint32_t uid = 0;
  std::uint32_t gid = 0;
  std::uint64_t links = 0;
  std::uint64_t size = 0;
  std::uint64_t inode = 0;
  std::uint64_t device = 0;          // major << 32 | minor of the file system
  std::uint64_t special_device = 0;  // major << 32 | minor of a device node
  Timestamp modified;
  Timestamp changed;
  Timestamp accessed;
  std::optional<Timestamp> born;

  // The same file, whatever happened to its attributes.
  [[nodiscard]] bool same_file(const FileStatus& other) const {
    return inode == other.inode && device == other.device && kind == other.kind;
  }
};

enum class LastLink : std::uint8_t { kKeep, kFollow };

Result<FileStatus> full_status_at(int folder, const char* name, LastLink link = LastLink::kKeep);
Result<FileStatus> full_status_of(int fd);
// By path, following links: for things that the user named.
Result<FileStatus> full_status_of_path(const std::string& path);

// ---- opening
// kPass needs only the right to search the folder, but such a descriptor cannot be listed.
enum class FolderUse : std::uint8_t { kList, kPass };
struct OpenNode {
  Fd fd;
  FileStatus status;
  FolderUse use = FolderUse::kList;  // of a folder
};
// Both leave access times alone where this user may ask for that. Anything else under that name,
// also one that took its place a moment ago, is a `conflict` and is neither followed nor waited
// for.
Result<OpenNode> open_folder_to_walk(int folder, const char* name, FolderUse use,
                                     LastLink link = LastLink::kKeep);
Result<OpenNode> open_file_to_read(int folder, const char* name);
// The root folder "/", for passing through.
Result<OpenNode> open_root();

Result<std::string> read_link_at(int folder, const char* name);

// ---- extended attributes
struct NamedValue {
  std::string name;
  Bytes value;
};

// Reads extended attributes with as few system calls as there are. Keeps buffers: one a thread.
class XattrReader {
 public:
  // Replaces `out` by the attributes by ascending name. On failure `out` holds those that could be
  // read. A file system without extended attributes has none.
  Result<void> read(int fd, std::vector<NamedValue>& out);
  // For what cannot be opened: symbolic links, FIFOs, sockets, devices, and files that this user
  // may not read. Uses listxattrat (Linux 6.13), else a path through /proc/self/fd, which takes
  // four times as long.
  Result<void> read_at(int folder, const char* name, std::vector<NamedValue>& out);

 private:
  struct Place;
  struct Listing {
    std::ptrdiff_t length = 0;  // of names_; negative on failure
    int error = 0;
  };
  Listing list(const Place& place);
  Result<void> read_listed(const Place& place, Listing listing, std::vector<NamedValue>& out);

  Bytes names_;
  Bytes value_;
  bool has_xattrat_ = true;  // until the kernel says otherwise
};

// ---- inode flags
// Flags of FS_IOC_GETFLAGS that a user or root can set. Left out is what the file system alone
// decides (extents, index, encrypted, verity, inline data ...): it cannot be restored and would
// look like a change.
inline constexpr std::uint32_t kSettableInodeFlags =
    0x00000001 |  // s: secure deletion
    0x00000002 |  // u: undelete
    0x00000004 |  // c: compress
    0x00000008 |  // S: synchronous
    0x00000010 |  // i: immutable
    0x00000020 |  // a: append only
    0x00000040 |  // d: no dump
    0x00000080 |  // A: no access times
    0x00000400 |  // m: never compress
    0x00004000 |  // j: journal data
    0x00008000 |  // t: no tail merging
    0x00010000 |  // D: folder updates are synchronous
    0x00020000 |  // T: top of hierarchy
    0x00800000 |  // C: no copy on write
    0x02000000 |  // x: direct access
    0x20000000 |  // P: children inherit the project id
    0x40000000;   // F: case-insensitive folder

struct InodeAttributes {
  std::uint32_t flags = 0;  // within kSettableInodeFlags
  std::uint32_t project_id = 0;
};
// Of an open regular file or folder. File systems that have no flags or projects, or keep them from
// this user, give zeros.
Result<InodeAttributes> inode_attributes_of(int fd);

// ---- bytes
struct FileExtent {
  std::uint64_t offset = 0;
  std::uint64_t length = 0;
  bool hole = false;
};
// The hole or data run of an open file that begins at `offset` and ends at `size` at the latest;
// nothing when the file ends at or before `offset` by now. File systems that do not know holes give
// data.
Result<std::optional<FileExtent>> extent_at(int fd, std::uint64_t offset, std::uint64_t size);

struct Owner {
  std::uint32_t uid = 0;
  std::uint32_t gid = 0;
};
[[nodiscard]] Owner process_owner();

// Tells the kernel that the file will be read from its beginning to its end.
void advise_sequential(int fd);

}  // namespace backstay::io
