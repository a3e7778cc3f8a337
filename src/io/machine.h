// Facts about this machine and this process.
#pragma once

#include <cstdint>
#include <string>

#include "base/error.h"

namespace backstay::io {

// "unknown" where the kernel gives none.
[[nodiscard]] std::string hostname();
// The name of the effective user, or the number where no name is known.
[[nodiscard]] std::string user_name();
[[nodiscard]] bool is_superuser();
[[nodiscard]] std::uint32_t effective_user();
[[nodiscard]] std::uint64_t process_id();
Result<std::string> current_directory();

// Raises the soft limit of open files as far as the hard one allows, up to 65,536 (programs that
// are started inherit it, and old ones walk through all numbers); returns what holds then.
std::uint64_t raise_open_file_limit();

// Opens /dev/null in the place of a standard input, output or error that was closed when the
// program started. Otherwise the first file of the repository would take that number, and messages
// would be written into it.
Result<void> occupy_standard_descriptors();

}  // namespace backstay::io
