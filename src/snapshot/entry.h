// One entry of a snapshot: everything that is kept of a file except its bytes (docs/format.md
// section 6.2).
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/bytes.h"
#include "base/clock.h"
#include "base/error.h"
#include "snapshot/content.h"

namespace backstay::snapshot {

// These numbers are stored in repositories: do not change them.
enum class EntryType : std::uint8_t {
  kFile = 1,
  kDirectory = 2,
  kSymlink = 3,
  kFifo = 4,
  kSocket = 5,
  kCharDevice = 6,
  kBlockDevice = 7,
};
[[nodiscard]] std::string_view to_string(EntryType type);  // "file", "directory", "symlink", ...

// Why a folder of the source is not whole in the snapshot. These numbers are stored in
// repositories: do not change them; later programs may store others, up to 255.
enum class LeftOut : std::uint8_t {
  kNothing = 0,
  kOtherFileSystem = 1,
  kCache = 2,
  kMarked = 3,
};

struct ExtendedAttribute {
  std::string name;
  Bytes value;
  friend bool operator==(const ExtendedAttribute&, const ExtendedAttribute&) = default;
};

struct Entry {
  EntryType type = EntryType::kFile;
  std::uint32_t mode = 0;  // the twelve low bits: permissions, set-id, sticky
  std::uint32_t uid = 0;
  std::uint32_t gid = 0;
  Timestamp modified;
  Timestamp changed;
  std::optional<Timestamp> accessed;  // only when asked for
  std::optional<Timestamp> born;      // where the file system knows it
  std::uint64_t size_bytes = 0;       // logical size of a regular file
  std::uint64_t inode = 0;
  std::uint64_t device = 0;  // of the file system it was on; with inode, names a hard link group
  std::uint64_t links = 1;
  std::uint64_t special_device = 0;  // major << 32 | minor, for device nodes
  std::string symlink_target;
  std::vector<ExtendedAttribute>
      xattrs;                     // sorted by name; POSIX ACLs and capabilities are among them
  std::uint32_t inode_flags = 0;  // FS_IOC_GETFLAGS, only those that can be set
  std::uint32_t project_id = 0;
  bool changed_while_read = false;       // the bytes may mix two states of the file
  ContentRoot content;                   // regular files only
  LeftOut left_out = LeftOut::kNothing;  // folders only: what is missing in it may have been there

  friend bool operator==(const Entry&, const Entry&) = default;
};

// Fails with invalid_argument on an entry that could not be read back: attributes out of order, a
// content that does not cover the size, numbers beyond their limits.
Result<void> validate_entry(const Entry& entry);

// Appends the record of a valid `entry` to `out`. The same entry always gives the same bytes. What
// an entry of this type does not have is left out: the size and content of a folder, the target of
// a file.
void encode_entry(const Entry& entry, Bytes& out);
// Fails with corruption on anything that encode_entry could not have written, unknown fields aside.
Result<Entry> decode_entry(ByteView record);

}  // namespace backstay::snapshot
