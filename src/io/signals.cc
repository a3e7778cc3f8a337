#include "io/signals.h"

#include <poll.h>
#include <pthread.h>
#include <sys/eventfd.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstdint>

#include "io/failure.h"

namespace backstay::io {
namespace {

constexpr int kExitInterrupted = 130;

// A blocked signal is delivered even where it is ignored, so those must not be in the set.
sigset_t signals_to_watch() {
  sigset_t set;
  ::sigemptyset(&set);
  for (const int signal : {SIGINT, SIGTERM, SIGHUP}) {
    struct sigaction now {};
    const bool ignored =
        ::sigaction(signal, nullptr, &now) == 0 && now.sa_handler == SIG_IGN;  // NOLINT
    if (!ignored) ::sigaddset(&set, signal);
  }
  return set;
}

}  // namespace

Result<std::unique_ptr<InterruptWatch>> InterruptWatch::start(std::stop_source stop) {
  const sigset_t set = signals_to_watch();
  Fd signals(::signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK));
  if (!signals) return fail_io(errno, "watching for signals");
  Fd wake(::eventfd(0, EFD_CLOEXEC));
  if (!wake) return fail_io(errno, "watching for signals");
  sigset_t before;
  if (const int error = ::pthread_sigmask(SIG_BLOCK, &set, &before); error != 0) {
    return fail_io(error, "blocking signals");
  }
  struct sigaction ignore {};
  ignore.sa_handler = SIG_IGN;  // NOLINT
  for (const int signal : {SIGPIPE, SIGXFSZ}) ::sigaction(signal, &ignore, nullptr);
  return std::unique_ptr<InterruptWatch>(
      new InterruptWatch(std::move(stop), std::move(signals), std::move(wake), before));
}

InterruptWatch::InterruptWatch(std::stop_source stop, Fd signals, Fd wake,
                               const sigset_t& blocked_before)
    : stop_(std::move(stop)),
      signals_(std::move(signals)),
      wake_(std::move(wake)),
      blocked_before_(blocked_before),
      thread_([this] { watch(); }) {}

void InterruptWatch::watch() {
  std::array<pollfd, 2> both{pollfd{signals_.get(), POLLIN, 0}, pollfd{wake_.get(), POLLIN, 0}};
  int demands = 0;
  for (;;) {
    if (::poll(both.data(), both.size(), -1) < 0) continue;  // EINTR is all that can be
    if ((both[1].revents & POLLIN) != 0) return;
    signalfd_siginfo info{};
    if (::read(signals_.get(), &info, sizeof info) != ssize_t{sizeof info}) continue;
    const int signal = static_cast<int>(info.ssi_signo);
    // A session that ends sends SIGHUP and SIGTERM together; that is one request, not two.
    if (signal != SIGHUP && ++demands == 2) ::_exit(kExitInterrupted);
    if (first_signal_.load() != 0) continue;
    first_signal_.store(signal);
    stop_.request_stop();
  }
}

void InterruptWatch::finished() {
  if (!thread_.joinable()) return;
  constexpr std::uint64_t kOne = 1;
  [[maybe_unused]] const ssize_t put = ::write(wake_.get(), &kOne, sizeof kOne);
  thread_.join();
  ::pthread_sigmask(SIG_SETMASK, &blocked_before_, nullptr);
}

}  // namespace backstay::io
