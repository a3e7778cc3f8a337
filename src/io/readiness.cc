#include "io/readiness.h"

#include <poll.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstdint>

#include "io/failure.h"
#include "io/file.h"

namespace backstay::io {

Result<void> wait_readable(int fd, const std::stop_token& stop) {
  const Fd wake(::eventfd(0, EFD_CLOEXEC));
  if (!wake) return fail_io(errno, "waiting for input");
  const std::stop_callback on_stop(stop, [&wake] {
    constexpr std::uint64_t kOne = 1;
    // A counter that starts at zero takes this write.
    [[maybe_unused]] const ssize_t put = ::write(wake.get(), &kOne, sizeof kOne);
  });
  std::array<pollfd, 2> both{pollfd{fd, POLLIN, 0}, pollfd{wake.get(), POLLIN, 0}};
  while (::poll(both.data(), both.size(), -1) < 0) {
    if (errno != EINTR) return fail_io(errno, "waiting for input");
  }
  if (stop.stop_requested()) return fail(ErrorCode::kCancelled, "stopped while waiting for input");
  return {};
}

}  // namespace backstay::io
