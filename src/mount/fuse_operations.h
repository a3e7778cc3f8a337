// What the kernel asks, answered from the tree.
#pragma once

#include <functional>
#include <stop_token>

#include "mount/file_tree.h"
#include "mount/fuse_library.h"

namespace backstay::mount {

// The user data of the session.
struct FuseContext {
  const FuseLibrary& fuse;
  FileTree& tree;
  std::stop_token stop;  // who waits for the store gives up
  // Trouble that a program was told of as EIO. Thread-safe.
  std::function<void(const Node& node, const Error& error)> report;
};

// The largest read, which libfuse wants to hear as an option of the mount too.
inline constexpr unsigned kReadBytesMax = 1024 * 1024;

[[nodiscard]] const fuse_lowlevel_ops& fuse_operations();

}  // namespace backstay::mount
