#include "io/stream.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <climits>
#include <optional>

#include "base/try.h"
#include "io/failure.h"
#include "io/file.h"
#include "io/readiness.h"

namespace backstay::io {
namespace {

constexpr std::size_t kPieceBytes = std::size_t{64} << 10;
// How long output goes on after a request to stop, however keen its reader is.
constexpr std::chrono::milliseconds kLastMoments{500};

bool can_wait(int fd) {
  struct stat st {};
  return ::fstat(fd, &st) != 0 || (!S_ISREG(st.st_mode) && !S_ISBLK(st.st_mode));
}

}  // namespace

bool is_readable(int fd) {
  const int flags = ::fcntl(fd, F_GETFL);
  return flags >= 0 && (flags & O_ACCMODE) != O_WRONLY;
}

Result<std::size_t> read_stream(int fd, MutableByteView out, const std::stop_token& stop) {
  for (;;) {
    TRY(wait_readable(fd, stop));
    const ssize_t got = ::read(fd, out.data(), out.size());
    if (got >= 0) return static_cast<std::size_t>(got);
    // Another process that reads the same stream may have been faster.
    if (errno != EINTR && errno != EAGAIN) return fail_io(errno, "reading");
  }
}

Result<std::size_t> read_available(int fd, MutableByteView out) {
  for (;;) {
    const ssize_t got = ::read(fd, out.data(), out.size());
    if (got >= 0) return static_cast<std::size_t>(got);
    if (errno == EAGAIN) return 0U;
    if (errno != EINTR) return fail_io(errno, "reading");
  }
}

Result<Bytes> read_whole_stream(int fd, std::uint64_t size_max, const std::stop_token& stop) {
  Bytes out;
  // A short secret is not moved, so that its owner can wipe all there is of it.
  out.reserve(2 * kPieceBytes);
  for (;;) {
    const std::size_t before = out.size();
    out.resize(before + kPieceBytes);
    const std::size_t got = TRY(read_stream(fd, MutableByteView(out).subspan(before), stop));
    out.resize(before + got);
    if (got == 0) return out;
    if (out.size() > size_max) {
      return fail(ErrorCode::kInvalidArgument, fmt::format("it is larger than {} bytes", size_max));
    }
  }
}

Result<Bytes> read_file_or_stream(const std::string& path, std::uint64_t size_max,
                                  const std::stop_token& stop) {
  // With O_NONBLOCK the FIFO opens at once, and poll waits until somebody has written.
  const Fd fd(::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK));
  if (!fd) return fail_io(errno, "opening " + path);
  return TRY_DOING("reading " + path, read_whole_stream(fd.get(), size_max, stop));
}

Result<void> write_stream(int fd, ByteView bytes, const std::stop_token& stop) {
  if (!can_wait(fd)) return write_full(fd, bytes);
  std::optional<std::chrono::steady_clock::time_point> deadline;
  while (!bytes.empty()) {
    if (stop.stop_requested()) {
      const auto now = std::chrono::steady_clock::now();
      if (!deadline) deadline = now + kLastMoments;
      if (now > *deadline) return fail(ErrorCode::kCancelled, "stopped while writing");
    }
    TRY(wait_writable(fd, stop));
    // A pipe that is ready takes this much without blocking, and nothing larger for certain.
    const ssize_t put = ::write(fd, bytes.data(), std::min<std::size_t>(bytes.size(), PIPE_BUF));
    if (put >= 0) {
      bytes = bytes.subspan(static_cast<std::size_t>(put));
    } else if (errno != EINTR && errno != EAGAIN) {
      return fail_io(errno, "writing");
    }
  }
  return {};
}

}  // namespace backstay::io
