// Keys of a snapshot's tree: the path with '/' replaced by a zero byte, so that comparing bytes
// gives the order of a walk (a folder before what is in it, siblings by their bytes) and the inside
// of a folder is one contiguous range. The root folder "/" has the empty key.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>

#include "base/error.h"

namespace backstay::snapshot {

inline constexpr std::size_t kNameBytesMax = 255;
// Room for trees far deeper than 4,096 levels. Pages of such keys stay within 16 MiB.
inline constexpr std::size_t kKeyBytesMax = 1024 * 1024;

// "/usr/share" -> "usr\0share". The path is absolute and clean (no ".", "..", no doubled slash).
[[nodiscard]] std::string key_from_path(std::string_view path);
[[nodiscard]] std::string path_from_key(std::string_view key);  // "usr\0share" -> "/usr/share"

// The last component; empty for the root.
[[nodiscard]] std::string_view name_of_key(std::string_view key);
// The key of the folder that holds it; the root is its own parent.
[[nodiscard]] std::string_view parent_of_key(std::string_view key);
[[nodiscard]] std::string child_key(std::string_view parent, std::string_view name);
// True for `folder` itself and everything below it.
[[nodiscard]] bool is_within(std::string_view key, std::string_view folder);
// The smallest key that is greater than `folder` and everything below it.
[[nodiscard]] std::string key_after_subtree(std::string_view folder);

// Refuses (corruption) components that are empty, "." or "..", contain '/', or are longer than 255
// bytes: such a key never comes from a file system and must never reach one.
Result<void> validate_key(std::string_view key);
// The same for a key of which the first `valid_bytes` are also the start of a key known to be
// valid.
Result<void> validate_key_from(std::string_view key, std::size_t valid_bytes);

// "/a/../b//c" -> "/b/c"; relative paths are joined to `current_directory` first.
[[nodiscard]] std::string clean_path(std::string_view path, std::string_view current_directory);

}  // namespace backstay::snapshot
