#include "io/unnamed_file.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <unistd.h>

#include <cerrno>

#include "io/failure.h"

namespace backstay::io {
namespace {

// What the kernel answers when a file system (or an old kernel) has no unnamed files.
bool lacks_unnamed_files(int error) {
  return error == EOPNOTSUPP || error == EISDIR || error == EINVAL || error == ENOSYS;
}

}  // namespace

Result<Fd> create_unnamed(int at, const std::string& folder, std::uint32_t mode) {
  Fd fd(::openat(at, folder.c_str(), O_RDWR | O_TMPFILE | O_CLOEXEC, mode));
  if (fd) return fd;
  if (lacks_unnamed_files(errno))
    return fail(ErrorCode::kUnsupported, "this file system has no files without a name");
  return fail_io(errno, "making a file without a name");
}

// By descriptor this needs a capability on most kernels; through /proc it does not, but /proc may
// be missing.
Result<void> name_unnamed(int file, int at, const std::string& path) {
  if (::linkat(file, "", at, path.c_str(), AT_EMPTY_PATH) == 0) return {};
  if (errno != EEXIST) {
    const std::string link = fmt::format("/proc/self/fd/{}", file);
    if (::linkat(AT_FDCWD, link.c_str(), at, path.c_str(), AT_SYMLINK_FOLLOW) == 0) return {};
  }
  switch (errno) {
    case EEXIST:
    case ENOSPC:
    case EDQUOT:
    case EIO:
    case EROFS:
      return fail_io(errno, "giving a file its name");
    default:
      return fail(ErrorCode::kUnsupported, "a file without a name cannot be given one here");
  }
}

}  // namespace backstay::io
