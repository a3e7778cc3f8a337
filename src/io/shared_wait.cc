#include "io/shared_wait.h"

#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <array>
#include <cerrno>

#include "base/try.h"
#include "io/failure.h"

namespace backstay::io {

Result<WaitEnd> WaitEnd::make() {
  Fd wake(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK));
  if (!wake) return fail_io(errno, "making what ends a wait");
  return WaitEnd(std::move(wake));
}

void WaitEnd::request() {
  constexpr std::uint64_t kOne = 1;
  // Where it does not fit, the counter is far from zero already.
  [[maybe_unused]] const ssize_t put = ::write(wake_.get(), &kOne, sizeof kOne);
}

Result<SharedWait> SharedWait::make(int fd, const WaitEnd& end) {
  Fd epoll(::epoll_create1(EPOLL_CLOEXEC));
  if (!epoll) return fail_io(errno, "making a place to wait");
  const auto add = [&epoll](int one, std::uint32_t events) {
    epoll_event event{};
    event.events = events;
    event.data.fd = one;
    return ::epoll_ctl(epoll.get(), EPOLL_CTL_ADD, one, &event) == 0;
  };
  if (!add(fd, EPOLLIN | EPOLLEXCLUSIVE) || !add(end.fd(), EPOLLIN))
    return fail_io(errno, "making a place to wait");
  return SharedWait(std::move(epoll), end.fd());
}

Result<void> SharedWait::wait() {
  std::array<epoll_event, 2> events{};
  int ready = -1;
  while (ready <= 0) {
    ready = ::epoll_wait(epoll_.get(), events.data(), static_cast<int>(events.size()), -1);
    if (ready < 0 && errno != EINTR) return fail_io(errno, "waiting for requests");
  }
  for (int i = 0; i < ready; ++i) {
    if (events[static_cast<std::size_t>(i)].data.fd == end_)
      return fail(ErrorCode::kCancelled, "stopped while waiting for requests");
  }
  return {};
}

}  // namespace backstay::io
