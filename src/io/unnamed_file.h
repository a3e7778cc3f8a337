// Files that have no name until they are whole (O_TMPFILE and linkat): nobody can open them, and
// what dies leaves nothing.
#pragma once

#include <cstdint>
#include <string>

#include "base/error.h"
#include "io/file.h"

namespace backstay::io {

// A new empty file in the file system of `folder`, a path from the open folder `at` (or AT_FDCWD)
// on. Open for reading and writing whatever its mode is. unsupported where there are no such files.
Result<Fd> create_unnamed(int at, const std::string& folder, std::uint32_t mode);

// already_exists when the name is taken, whatever it is: nothing is replaced and no link followed.
// unsupported where this process cannot do it.
Result<void> name_unnamed(int file, int at, const std::string& path);

}  // namespace backstay::io
