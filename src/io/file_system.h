// What the file system that holds a folder can keep, as far as it says.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "base/error.h"

namespace backstay::io {

struct FileSystemFacts {
  std::string name;                          // "vfat"; empty for one that is not told apart here
  std::uint64_t free_bytes = 0;              // that this user may still write
  std::optional<std::uint64_t> free_inodes;  // nothing where there is no fixed number of them
  bool read_only = false;
  bool ignores_case = false;     // "a" and "A" are one name
  bool keeps_attributes = true;  // owners, modes, links and extended attributes
  std::uint64_t file_bytes_max = ~std::uint64_t{0};
};

// Kinds are told apart by the numbers of statfs(2), and a folder of ext4 or f2fs that ignores case
// by its inode flag. Who cannot be asked (a share that ignores case on its server, say) counts as
// one that can keep everything.
Result<FileSystemFacts> file_system_facts(const std::string& folder);

}  // namespace backstay::io
