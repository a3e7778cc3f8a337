// Ctrl-C and its relatives, turned into a request to stop.
#pragma once

#include <atomic>
#include <csignal>
#include <memory>
#include <stop_token>
#include <thread>

#include "base/error.h"
#include "io/file.h"

namespace backstay::io {

// Made in main() before any thread starts, because threads inherit which signals are blocked. From
// then on SIGINT, SIGTERM and SIGHUP (a closed terminal) request a stop; a second SIGINT or SIGTERM
// ends the process at once with exit code 130. A signal that was ignored when the program started
// (nohup, jobs in the background) stays ignored. SIGPIPE and SIGXFSZ are ignored: a write to a
// closed pipe, or past the largest size that a file may have, fails instead.
class InterruptWatch {
 public:
  static Result<std::unique_ptr<InterruptWatch>> start(std::stop_source stop);
  ~InterruptWatch() { finished(); }
  InterruptWatch(const InterruptWatch&) = delete;
  InterruptWatch& operator=(const InterruptWatch&) = delete;

  // The signal that asked to stop; 0 when none did.
  [[nodiscard]] int first_signal() const { return first_signal_.load(); }
  // Ends the watch: signals do again what they did before. May be called more than once.
  void finished();

 private:
  InterruptWatch(std::stop_source stop, Fd signals, Fd wake, const sigset_t& blocked_before);
  void watch();

  std::stop_source stop_;
  Fd signals_;
  Fd wake_;
  sigset_t blocked_before_;
  std::atomic<int> first_signal_ = 0;
  std::jthread thread_;
};

}  // namespace backstay::io
