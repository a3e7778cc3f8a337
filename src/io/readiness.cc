#include "io/readiness.h"

#include <poll.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstdint>

#include "base/try.h"
#include "io/failure.h"
#include "io/file.h"

namespace backstay::io {
namespace {

// How long a request to stop leaves to whoever reads what is still to be written.
constexpr int kLastMomentsMs = 300;

bool is_ready(int fd, short event, int timeout_ms) {
  pollfd one{fd, event, 0};
  return ::poll(&one, 1, timeout_ms) == 1;
}

Result<void> wait_for(int fd, short event, const std::stop_token& stop, const char* doing) {
  const Fd wake(::eventfd(0, EFD_CLOEXEC));
  if (!wake) return fail_io(errno, doing);
  const std::stop_callback on_stop(stop, [&wake] {
    constexpr std::uint64_t kOne = 1;
    // A counter that starts at zero takes this write.
    [[maybe_unused]] const ssize_t put = ::write(wake.get(), &kOne, sizeof kOne);
  });
  std::array<pollfd, 2> both{pollfd{fd, event, 0}, pollfd{wake.get(), POLLIN, 0}};
  while (::poll(both.data(), both.size(), -1) < 0) {
    if (errno != EINTR) return fail_io(errno, doing);
  }
  return {};
}

}  // namespace

Result<void> wait_readable(int fd, const std::stop_token& stop) {
  // What is there already costs one system call.
  if (!stop.stop_requested() && !is_ready(fd, POLLIN, 0)) {
    TRY(wait_for(fd, POLLIN, stop, "waiting for input"));
  }
  if (stop.stop_requested()) return fail(ErrorCode::kCancelled, "stopped while waiting for input");
  return {};
}

Result<void> wait_writable(int fd, const std::stop_token& stop) {
  if (is_ready(fd, POLLOUT, 0)) return {};
  if (!stop.stop_requested()) {
    TRY(wait_for(fd, POLLOUT, stop, "waiting for a reader"));
    if (!stop.stop_requested()) return {};
  }
  if (is_ready(fd, POLLOUT, kLastMomentsMs)) return {};
  return fail(ErrorCode::kCancelled, "stopped while nobody read what was written");
}

}  // namespace backstay::io
