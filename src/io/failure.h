// Failures of system calls, with the hint that a person needs.
#pragma once

#include <source_location>
#include <string>

#include "base/error.h"

namespace backstay::io {

// As fail_errno, and says what to do about a full disk and about too many open files.
[[nodiscard]] std::unexpected<Error> fail_io(
    int error_number, std::string what,
    std::source_location where = std::source_location::current());

}  // namespace backstay::io
