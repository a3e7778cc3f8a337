// What the process says when it ends. Scripts rely on these numbers.
#pragma once

#include <cstdint>

#include "base/error.h"

namespace backstay::cli {

enum class ExitCode : std::uint8_t {
  kDone = 0,
  kFailed = 1,
  kWrongUsage = 2,
  kPartial = 3,  // some source files could not be read, some files could not be restored
  kNoRepository = 10,
  kNoLease = 11,  // a lease could not be had or held in time
  kWrongKey = 12,
  kDamage = 13,
  kInterrupted = 130,
};

// For an error that ended a command.
[[nodiscard]] ExitCode exit_code_of(ErrorCode code);

}  // namespace backstay::cli
