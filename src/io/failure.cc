#include "io/failure.h"

#include <cerrno>
#include <utility>

namespace backstay::io {

std::unexpected<Error> fail_io(int error_number, std::string what, std::source_location where) {
  Error error = fail_errno(error_number, std::move(what), where).error();
  if (error.code() == ErrorCode::kNoSpace) {
    error = std::move(error).with_hint(
        "Free space on that file system or raise its quota, then run the command again.");
  } else if (error_number == EROFS) {
    error = std::move(error).with_hint(
        "The file system is mounted read-only: choose another folder, or mount it for writing.");
  } else if (error_number == EMFILE || error_number == ENFILE) {
    error =
        std::move(error).with_hint("Raise the limit of open files, for example with ulimit -n.");
  }
  return std::unexpected(std::move(error));
}

}  // namespace backstay::io
