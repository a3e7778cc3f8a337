// What the folders of a mounted repository are called. Names are made of what a repository says, so
// whatever it says must give one that a file system can have.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "base/clock.h"

namespace backstay::mount {

// Whether the kernel may see it as one component of a path: not empty, no "." or "..", no '/' and
// no zero byte, at most 255 bytes.
[[nodiscard]] bool can_be_served(std::string_view name);

// "2026-11-20T10-30-00Z": in UTC, so that names are the same for everybody who mounts, and without
// colons, which stand for a host where paths are given to scp and rsync.
[[nodiscard]] std::string name_of_time(Timestamp time);

// A host or tag as the name of a folder: '/', '%' and control characters become %2F and the like,
// and so does what would be no name at all. Different texts of up to 80 bytes give different names;
// of longer ones a hash of the whole stands at the end.
[[nodiscard]] std::string folder_name(std::string_view text);

// One version of a file, beside the others: the snapshot that has it first, its size in bytes, and
// the name of the file, so that it sorts by time and opens with the right program. Of a name that
// would be too long only the end is kept.
[[nodiscard]] std::string version_name(std::string_view snapshot, std::uint64_t size_bytes,
                                       std::string_view file);

}  // namespace backstay::mount
