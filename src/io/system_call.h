// The failure of a system call on a local file, for the files of this room.
#pragma once

#include <cerrno>
#include <string>
#include <utility>

#include "base/error.h"
#include "io/failure.h"

namespace backstay::io {

// As fail_io, which leaves some numbers to "unavailable", where a retry is meant to help. Here it
// would not: busy things are a conflict, and what a file system has no room or notion for is
// unsupported.
[[nodiscard]] inline std::unexpected<Error> fail_call(
    int error_number, std::string what,
    std::source_location where = std::source_location::current()) {
  const auto with_code = [&](ErrorCode code) {
    const Error mapped = fail_io(error_number, std::move(what), where).error();
    return fail(code, mapped.message(), where);
  };
  switch (error_number) {
    case EBUSY:
    case ETXTBSY:
      return with_code(ErrorCode::kConflict);
    case ENOTTY:
    case E2BIG:
    case ERANGE:
    case EMLINK:
    case ENODATA:
      return with_code(ErrorCode::kUnsupported);
    case EOVERFLOW:
      return with_code(ErrorCode::kInvalidArgument);
    default:
      return fail_io(error_number, std::move(what), where);
  }
}

}  // namespace backstay::io
