// A queue with a limit, for one stage handing work to the next. The limit counts weight (bytes, or
// 1 per item), so that memory in flight is a number one can add up.
#pragma once

#include <cstddef>
#include <deque>
#include <optional>
#include <utility>

#include "base/mutex.h"

namespace backstay {

// Thread-safe for any number of producers and consumers. close() ends it: producers are refused,
// consumers drain what is left. abort() also throws away what is left.
template <typename T>
class BoundedQueue {
 public:
  explicit BoundedQueue(std::size_t weight_max) : weight_max_(weight_max) {}

  // Waits while the queue is full. An item heavier than the whole limit is let through alone.
  // False when the queue was closed; the item is then dropped.
  bool push(T item, std::size_t weight = 1) EXCLUDES(mutex_) {
    const MutexLock lock(mutex_);
    while (!closed_ && !items_.empty() && weight_ + weight > weight_max_) space_.wait(mutex_);
    if (closed_) return false;
    items_.emplace_back(std::move(item), weight);
    weight_ += weight;
    filled_.notify_one();
    return true;
  }

  // Waits while the queue is empty; nothing when it is closed and drained.
  std::optional<T> pop() EXCLUDES(mutex_) {
    const MutexLock lock(mutex_);
    while (items_.empty() && !closed_) filled_.wait(mutex_);
    if (items_.empty()) return std::nullopt;
    auto [item, weight] = std::move(items_.front());
    items_.pop_front();
    weight_ -= weight;
    space_.notify_all();
    return std::move(item);
  }

  void close() EXCLUDES(mutex_) {
    const MutexLock lock(mutex_);
    closed_ = true;
    space_.notify_all();
    filled_.notify_all();
  }

  void abort() EXCLUDES(mutex_) {
    const MutexLock lock(mutex_);
    closed_ = true;
    items_.clear();
    weight_ = 0;
    space_.notify_all();
    filled_.notify_all();
  }

 private:
  Mutex mutex_;
  CondVar space_;
  CondVar filled_;
  std::deque<std::pair<T, std::size_t>> items_ GUARDED_BY(mutex_);
  const std::size_t weight_max_;
  std::size_t weight_ GUARDED_BY(mutex_) = 0;
  bool closed_ GUARDED_BY(mutex_) = false;
};

}  // namespace backstay
