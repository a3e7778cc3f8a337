// What reads from many stores have in common: threads that may outlive the read that began them,
// how long stores take to answer, and how many extra requests may be made of it.
//
// A store that has not answered within the time that 19 of 20 of its last reads took is not waited
// for: the next one is asked as well, and the first good answer counts (Dean and Barroso, "The Tail
// at Scale", CACM 2013). Such requests come out of a bucket into which each request puts a tenth,
// so that a day on which all stores are slow does not double the load. A store with a read that is
// overdue is asked last until it answers.
#pragma once

#include <array>
#include <chrono>
#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <thread>
#include <vector>

#include "backend/placement/map.h"
#include "base/clock.h"
#include "base/mutex.h"

namespace backstay::backend::placement {

struct ReadersLimits {
  std::chrono::nanoseconds patience_min = std::chrono::milliseconds(25);
  // For a store of which little is known.
  std::chrono::nanoseconds patience_first = std::chrono::seconds(1);
  double extra_share = 0.1;  // of requests that are made besides
  double extra_at_first = 4;
  double extra_at_once = kShardsMax;  // so many are saved up
  std::size_t threads_max = 128;
};

// Thread-safe.
class Readers {
 public:
  using Moment = std::chrono::steady_clock::time_point;

  // `clock` outlives it.
  explicit Readers(const Clock& clock, ReadersLimits limits = {})
      : clock_(clock), limits_(limits), extra_left_(limits.extra_at_first) {}
  // Waits for what runs; what waits for a thread is dropped.
  ~Readers();
  Readers(const Readers&) = delete;
  Readers& operator=(const Readers&) = delete;

  // Calls task() on a thread, sooner or later.
  void run(std::function<void()> task) EXCLUDES(mutex_);
  [[nodiscard]] Moment now() const { return clock_.monotonic(); }

  // How long an answer of so many bytes may take.
  [[nodiscard]] std::chrono::nanoseconds patience(const StoreId& store, std::uint64_t bytes) const
      EXCLUDES(mutex_);
  // A request is made that somebody asked for.
  void count_request() EXCLUDES(mutex_);
  // Whether so many may be made besides; they are counted then.
  bool may_make_extra(std::size_t count) EXCLUDES(mutex_);
  // A store did not answer in time, and answered after all.
  void begin_overdue(const StoreId& store) EXCLUDES(mutex_);
  void end_overdue(const StoreId& store) EXCLUDES(mutex_);
  [[nodiscard]] bool is_overdue(const StoreId& store) const EXCLUDES(mutex_);
  void took(const StoreId& store, std::uint64_t bytes, std::chrono::nanoseconds time)
      EXCLUDES(mutex_);

  struct Counts {
    std::uint64_t requests = 0;
    std::uint64_t extra = 0;
  };
  [[nodiscard]] Counts counts() const EXCLUDES(mutex_);

 private:
  // The last reads, round and round.
  struct Times {
    std::array<std::chrono::nanoseconds, 64> last{};
    std::size_t count = 0;
  };
  struct Known {
    std::array<Times, 2> times;  // small and large
    unsigned overdue = 0;
  };
  void work() EXCLUDES(mutex_);

  const Clock& clock_;
  const ReadersLimits limits_;
  mutable Mutex mutex_;
  CondVar more_work_;
  std::map<StoreId, Known> stores_ GUARDED_BY(mutex_);
  Counts counts_ GUARDED_BY(mutex_);
  double extra_left_ GUARDED_BY(mutex_);
  std::deque<std::function<void()>> tasks_ GUARDED_BY(mutex_);
  std::size_t idle_ GUARDED_BY(mutex_) = 0;
  bool ending_ GUARDED_BY(mutex_) = false;
  std::vector<std::jthread> threads_ GUARDED_BY(mutex_);
};

}  // namespace backstay::backend::placement
