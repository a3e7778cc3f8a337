// Many threads that wait for one descriptor, of which each request wakes one.
#pragma once

#include <cstdint>

#include "base/error.h"
#include "io/file.h"

namespace backstay::io {

// The end of all waiting for some descriptor. Outlives the waits.
class WaitEnd {
 public:
  static Result<WaitEnd> make();
  // Every wait ends, and none begins.
  void request();
  [[nodiscard]] int fd() const { return wake_.get(); }

 private:
  explicit WaitEnd(Fd wake) : wake_(std::move(wake)) {}
  Fd wake_;
};

// One thread's place among those that wait. What comes wakes one of those that wait
// (EPOLLEXCLUSIVE, epoll_ctl(2)), and none that is busy; a lock that they take in turn costs two
// more switches for each request.
class SharedWait {
 public:
  static Result<SharedWait> make(int fd, const WaitEnd& end);
  // Returns when a read may not block; cancelled when the end was requested. Another thread may
  // have read what was there.
  Result<void> wait();

 private:
  SharedWait(Fd epoll, int end) : epoll_(std::move(epoll)), end_(end) {}
  Fd epoll_;
  int end_;
};

}  // namespace backstay::io
