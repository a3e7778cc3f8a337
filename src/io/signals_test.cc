#include "io/signals.h"

#include <gtest/gtest.h>
#include <sys/wait.h>
#include <unistd.h>

#include <functional>

#include "io/readiness.h"

namespace backstay::io {
namespace {

// Runs `body` in a process of its own, because signals are a matter of whole processes. The exit
// code, or 128 and the signal.
int in_child(const std::function<int()>& body) {
  const pid_t pid = ::fork();
  if (pid == 0) ::_exit(body());
  int status = 0;
  EXPECT_EQ(::waitpid(pid, &status, 0), pid);
  return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

void wait_for_stop(const std::stop_source& stop) {
  int never[2];
  if (::pipe(&never[0]) != 0) ::_exit(99);
  static_cast<void>(wait_readable(never[0], stop.get_token()).has_value());
}

TEST(InterruptWatch, AsksToStopAtTheFirstSignalOfEachKind) {
  for (const int signal : {SIGINT, SIGTERM, SIGHUP}) {
    EXPECT_EQ(in_child([signal] {
                const std::stop_source stop;
                const auto watch = InterruptWatch::start(stop);
                if (!watch || stop.stop_requested()) return 1;
                ::kill(::getpid(), signal);
                wait_for_stop(stop);
                return (*watch)->first_signal() == signal ? 42 : 2;
              }),
              42);
  }
}

TEST(InterruptWatch, TurnsTheSignalOfALimitedFileIntoAFailure) {
  EXPECT_EQ(in_child([] {
              const auto watch = InterruptWatch::start(std::stop_source());
              ::kill(::getpid(), SIGXFSZ);
              ::kill(::getpid(), SIGPIPE);
              return watch ? 42 : 1;
            }),
            42);
}

TEST(InterruptWatch, EndsTheProcessAtTheSecondInterrupt) {
  for (const int signal : {SIGINT, SIGTERM}) {
    EXPECT_EQ(in_child([signal] {
                const std::stop_source stop;
                const auto watch = InterruptWatch::start(stop);
                ::kill(::getpid(), SIGINT);
                wait_for_stop(stop);
                ::kill(::getpid(), signal);
                for (;;) ::pause();
                return 1;
              }),
              130);
  }
}

TEST(InterruptWatch, TakesTheSignalsOfAnEndingSessionForOneRequest) {
  EXPECT_EQ(in_child([] {
              const std::stop_source stop;
              auto watch = InterruptWatch::start(stop);
              ::kill(::getpid(), SIGHUP);
              wait_for_stop(stop);
              ::kill(::getpid(), SIGTERM);
              ::kill(::getpid(), SIGHUP);
              // A signal that the watch has not taken yet would end the process here.
              int pending = 1;
              while (pending != 0) {
                sigset_t waiting;
                ::sigpending(&waiting);
                pending = ::sigismember(&waiting, SIGTERM) + ::sigismember(&waiting, SIGHUP);
              }
              (*watch)->finished();
              return 42;
            }),
            42);
}

TEST(InterruptWatch, LeavesIgnoredSignalsIgnored) {
  EXPECT_EQ(in_child([] {
              std::signal(SIGHUP, SIG_IGN);
              const std::stop_source stop;
              const auto watch = InterruptWatch::start(stop);
              ::kill(::getpid(), SIGHUP);
              ::kill(::getpid(), SIGTERM);
              wait_for_stop(stop);
              return (*watch)->first_signal() == SIGTERM ? 42 : 1;
            }),
            42);
}

TEST(InterruptWatch, GivesTheSignalsBackWhenFinished) {
  EXPECT_EQ(in_child([] {
              const std::stop_source stop;
              const auto watch = InterruptWatch::start(stop);
              (*watch)->finished();
              (*watch)->finished();
              ::kill(::getpid(), SIGTERM);
              return 1;
            }),
            128 + SIGTERM);
}

TEST(InterruptWatch, TurnsAClosedPipeIntoAFailure) {
  EXPECT_EQ(in_child([] {
              const std::stop_source stop;
              const auto watch = InterruptWatch::start(stop);
              int ends[2];
              if (::pipe(&ends[0]) != 0) return 1;
              const Fd out(ends[1]);
              ::close(ends[0]);
              return write_full(out.get(), as_bytes("x")).has_value() ? 2 : 42;
            }),
            42);
}

}  // namespace
}  // namespace backstay::io
