// std::mutex and condition variable with clang's thread-safety annotations; GCC ignores them.
// None is held over a callback; one that is held over I/O says so where it is declared, and why.
#pragma once

#include <chrono>
#include <condition_variable>
#include <mutex>

#if defined(__clang__)
#define BACKSTAY_TSA(x) __attribute__((x))
#else
#define BACKSTAY_TSA(x)
#endif
#define GUARDED_BY(m) BACKSTAY_TSA(guarded_by(m))
#define REQUIRES(m) BACKSTAY_TSA(requires_capability(m))
#define EXCLUDES(m) BACKSTAY_TSA(locks_excluded(m))

namespace backstay {

class BACKSTAY_TSA(capability("mutex")) Mutex {
 public:
  void lock() BACKSTAY_TSA(acquire_capability()) { m_.lock(); }
  void unlock() BACKSTAY_TSA(release_capability()) { m_.unlock(); }

 private:
  std::mutex m_;
};

class BACKSTAY_TSA(scoped_lockable) MutexLock {
 public:
  explicit MutexLock(Mutex& m) BACKSTAY_TSA(acquire_capability(m)) : m_(m) { m_.lock(); }
  ~MutexLock() BACKSTAY_TSA(release_capability()) { m_.unlock(); }
  MutexLock(const MutexLock&) = delete;
  MutexLock& operator=(const MutexLock&) = delete;

 private:
  Mutex& m_;
};

// Waits on a Mutex that the caller holds. Spell the loop out at the caller, so that the analysis
// sees the guarded state: while (!ready_) changed_.wait(mutex_);
class CondVar {
 public:
  void wait(Mutex& m) REQUIRES(m) { cv_.wait(m); }
  template <typename Rep, typename Period>
  bool wait_for(Mutex& m, std::chrono::duration<Rep, Period> time) REQUIRES(m) {
    return cv_.wait_for(m, time) == std::cv_status::no_timeout;
  }
  void notify_one() { cv_.notify_one(); }
  void notify_all() { cv_.notify_all(); }

 private:
  std::condition_variable_any cv_;
};

}  // namespace backstay
