// What stands under a name in an open folder: looking, opening, making, linking and removing it.
//
// Every function takes the descriptor of a folder and one name in it, and none follows a symbolic
// link, so a caller that walks component by component can never be led out of the tree it started
// in. Names are bytes.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/error.h"
#include "io/file.h"
#include "io/metadata.h"

namespace backstay::io {

// An inode to be looked at or changed: a descriptor that was opened for reading or writing, or one
// opened with O_PATH, which also exists for symbolic links, FIFOs, sockets and devices but allows
// less.
enum class NodeAccess : std::uint8_t { kOpen, kPathOnly };
struct NodeRef {
  int fd = -1;
  NodeAccess access = NodeAccess::kOpen;
};

// Refuses (invalid_argument) what is not the name of an entry: empty, ".", "..", longer than 255
// bytes, or with a slash or a zero byte in it.
Result<void> validate_name(std::string_view name);
// 'name' for messages: control characters, which a terminal would obey, are shown as \x1b.
[[nodiscard]] std::string quoted(std::string_view name);

// ---- looking and opening; for folders and for reading see io/metadata.h
// Nothing when no entry has this name.
Result<std::optional<FileStatus>> find_at(int folder, const std::string& name);
// A regular file, for reading and writing. Never opens a FIFO or device (conflict): that could hang
// or start a tape.
Result<Fd> open_for_change_at(int folder, const std::string& name);
// A folder that the user named: links in the path are followed.
Result<Fd> open_folder_path(const std::string& path);
// True when this process may make and remove names in an open folder.
[[nodiscard]] bool may_write_in(int folder);
// True for a folder on which another file system, or a part of one, is mounted.
Result<bool> is_mount_root(int fd);
// O_PATH: for anything; see NodeAccess::kPathOnly.
Result<Fd> open_node_at(int folder, const std::string& name);
// Names in an open folder without "." and "..", in no order. Does not move the descriptor's own
// position.
Result<std::vector<std::string>> names_in(int folder);

// ---- making. already_exists when the name is taken.
Result<void> make_folder_at(int folder, const std::string& name, std::uint32_t mode);
// A new empty file, open for reading and writing.
Result<Fd> create_regular_at(int folder, const std::string& name, std::uint32_t mode);
Result<void> make_symlink_at(int folder, const std::string& name, const std::string& target);
// FIFO, socket or device node with mode 0600.
Result<void> make_special_at(int folder, const std::string& name, FileKind kind,
                             std::uint64_t special_device = 0);
Result<void> link_at(int from_folder, const std::string& from_name, int folder,
                     const std::string& name);
// One step; a non-folder called `to` is replaced. A folder there, or nothing called `from`, is a
// failure.
Result<void> rename_at(int folder, const std::string& from, const std::string& to);

// already_exists when the name is taken; unsupported where the file system cannot tell in one step.
Result<void> rename_if_free_at(int folder, const std::string& from, const std::string& to);

// ---- removing. What is not there counts as removed. Immutable and append-only inodes lose those
// flags when this process may do that; other hard links of the same inode get them back.
Result<void> remove_non_folder_at(int folder, const std::string& name);
// conflict when the folder has something in it.
Result<void> remove_empty_folder_at(int folder, const std::string& name);
// Removes a folder with all it holds, or anything else. Uses a bounded number of descriptors and no
// recursion, so the depth does not matter. Refuses (conflict) to enter a mount point: what is
// mounted there is not part of the tree.
Result<void> remove_tree_at(int folder, const std::string& name);

// Lets the owner in: gives u+rwx (folders) or u+rw (files) to an inode that belongs to this
// process's user. True when something changed, so that the caller tries again.
Result<bool> allow_owner_at(int folder, const std::string& name);
// Takes the immutable and append-only flags from an open file or folder; true when something
// changed.
Result<bool> clear_protection(int fd);

}  // namespace backstay::io
