// Setting what a file system keeps of an inode beside its bytes.
//
// Failures tell apart what the caller may count and go on (permission_denied, unsupported,
// invalid_argument and no_space: this user, file system or kernel cannot keep the value) from
// everything else.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/bytes.h"
#include "base/clock.h"
#include "base/error.h"
#include "io/node.h"

namespace backstay::io {

// Nothing leaves that half as it is. Clears set-id bits and file capabilities, as the kernel has
// it.
Result<void> set_owner(NodeRef node, std::optional<std::uint32_t> uid,
                       std::optional<std::uint32_t> gid);
// The twelve low bits. Symbolic links have no mode of their own: unsupported.
Result<void> set_mode(NodeRef node, std::uint32_t mode);
// A time that the file system cannot hold is moved to the nearest one it can, without a failure:
// look again where that matters. An absent `accessed` stays as it is.
Result<void> set_times(NodeRef node, std::optional<Timestamp> accessed, Timestamp modified);

// XFS shows root each ACL a second time, in a form of its own. The name that everybody knows it by,
// or nothing for all other attributes.
[[nodiscard]] std::optional<std::string_view> acl_shown_twice(std::string_view name);
// Names of the extended attributes that this user may see, ascending; none where the file system
// has none.
Result<std::vector<std::string>> xattr_names(NodeRef node);
// Nothing when there is no such attribute.
Result<std::optional<Bytes>> xattr_value(NodeRef node, const std::string& name);
// Whether the file system of an open file or folder has attributes of users.
[[nodiscard]] bool has_user_xattrs(int fd);
Result<void> set_xattr(NodeRef node, const std::string& name, ByteView value);
// An attribute that is not there counts as removed.
Result<void> remove_xattr(NodeRef node, const std::string& name);

// FS_IMMUTABLE_FL and FS_APPEND_FL: while they are set, not even root may change or remove the
// inode.
inline constexpr std::uint32_t kProtectionFlags = 0x00000010 | 0x00000020;
// FS_IOC_GETFLAGS and FS_IOC_SETFLAGS, for files and folders that are open for reading. Zero where
// the file system has none.
Result<std::uint32_t> inode_flags(int fd);
Result<void> set_inode_flags(int fd, std::uint32_t flags);
// FS_IOC_FSGETXATTR and FS_IOC_FSSETXATTR. Zero where the file system has none.
Result<std::uint32_t> project_id(int fd);
Result<void> set_project_id(int fd, std::uint32_t id);

// Sets the size; what is beyond the old end is a hole.
Result<void> set_size(int fd, std::uint64_t size_bytes);
// The range reads as zeros afterwards and takes no space where the file system can do that; the
// size stays.
Result<void> punch_hole(int fd, std::uint64_t offset, std::uint64_t length);

}  // namespace backstay::io
