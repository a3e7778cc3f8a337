// What keeps an object of a folder from being removed: a time in an extended attribute, which
// programs heed, and the inode's immutable flag, which the kernel enforces for everybody.
//
// The flag needs CAP_LINUX_IMMUTABLE and a file system that has it. Where a process may not set it,
// the time stands alone. The flag is set after the time and cleared before the time changes, so
// that a crash in between leaves the time, and the next retain() the flag.
#pragma once

#include <optional>
#include <string>

#include "base/clock.h"
#include "base/error.h"

namespace backstay::backend {

// Whether files on the file system of this folder can have such a time.
[[nodiscard]] bool keeps_attributes(const std::string& folder);
// Whether this process may make files there immutable. Tried with a file that has no name.
[[nodiscard]] bool may_make_immutable(const std::string& folder);

// Of an open file. corruption when the attribute is there and says no time.
Result<std::optional<Timestamp>> read_retention(int fd);
Result<void> extend_retention(int fd, Timestamp until);

// Sets the flag where that is allowed; false where it is not.
bool make_immutable(int fd);
[[nodiscard]] bool is_immutable(int fd);

}  // namespace backstay::backend
