#include "io/readiness.h"

#include <poll.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <algorithm>
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

// -1 for ever.
static int milliseconds_until(std::chrono::steady_clock::time_point until) {
  using std::chrono::steady_clock;
  constexpr std::chrono::hours kOnce{1};
  if (until == steady_clock::time_point::max()) return -1;
  const auto left = until - steady_clock::now();
  if (left <= steady_clock::duration::zero()) return 0;
  const auto some = std::min<steady_clock::duration>(left, kOnce);
  return static_cast<int>(std::chrono::ceil<std::chrono::milliseconds>(some).count());
}

Result<ReadyDescriptor> wait_readable_of(int first, int second, const std::stop_token& stop,
                                         std::chrono::steady_clock::time_point until) {
  constexpr const char* kDoing = "waiting for input";
  const Fd wake(::eventfd(0, EFD_CLOEXEC));
  if (!wake) return fail_io(errno, kDoing);
  const std::stop_callback on_stop(stop, [&wake] {
    constexpr std::uint64_t kOne = 1;
    // A counter that starts at zero takes this write.
    [[maybe_unused]] const ssize_t put = ::write(wake.get(), &kOne, sizeof kOne);
  });
  // poll() passes over what is negative.
  std::array<pollfd, 3> all{pollfd{first, POLLIN, 0}, pollfd{second, POLLIN, 0},
                            pollfd{wake.get(), POLLIN, 0}};
  for (;;) {
    const int ready = ::poll(all.data(), all.size(), milliseconds_until(until));
    if (ready < 0 && errno != EINTR) return fail_io(errno, kDoing);
    if (stop.stop_requested())
      return fail(ErrorCode::kCancelled, "stopped while waiting for input");
    if (ready > 0) return all[0].revents != 0 ? ReadyDescriptor::kFirst : ReadyDescriptor::kSecond;
    if (std::chrono::steady_clock::now() >= until) return ReadyDescriptor::kNone;
  }
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
