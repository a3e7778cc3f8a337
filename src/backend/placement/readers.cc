#include "backend/placement/readers.h"

#include <algorithm>

namespace backstay::backend::placement {
namespace {

// Below, the time is that of the round trip; above, that of the line.
constexpr std::uint64_t kLargeBytes = 256 * 1024;
// Fewer reads say nothing.
constexpr std::size_t kTimesMin = 8;

std::size_t class_of(std::uint64_t bytes) {
  return bytes >= kLargeBytes ? 1 : 0;
}

}  // namespace

Readers::~Readers() {
  std::vector<std::jthread> threads;
  {
    const MutexLock lock(mutex_);
    ending_ = true;
    tasks_.clear();
    threads.swap(threads_);
    more_work_.notify_all();
  }
}

void Readers::run(std::function<void()> task) {
  const MutexLock lock(mutex_);
  tasks_.push_back(std::move(task));
  if (idle_ >= tasks_.size() || threads_.size() >= limits_.threads_max)
    more_work_.notify_one();
  else
    threads_.emplace_back([this] { work(); });
}

void Readers::work() {
  while (true) {
    std::function<void()> task;
    {
      const MutexLock lock(mutex_);
      ++idle_;
      while (tasks_.empty() && !ending_) more_work_.wait(mutex_);
      --idle_;
      if (tasks_.empty()) return;
      task = std::move(tasks_.front());
      tasks_.pop_front();
    }
    task();
  }
}

std::chrono::nanoseconds Readers::patience(const StoreId& store, std::uint64_t bytes) const {
  const MutexLock lock(mutex_);
  const auto known = stores_.find(store);
  if (known == stores_.end()) return limits_.patience_first;
  const Times& times = known->second.times[class_of(bytes)];
  if (times.count < kTimesMin) return limits_.patience_first;
  const std::size_t filled = std::min(times.count, times.last.size());
  auto sorted = times.last;
  std::sort(sorted.begin(), sorted.begin() + static_cast<std::ptrdiff_t>(filled));
  return std::max(limits_.patience_min, sorted[filled * 95 / 100]);
}

void Readers::count_request() {
  const MutexLock lock(mutex_);
  ++counts_.requests;
  extra_left_ = std::min(limits_.extra_at_once, extra_left_ + limits_.extra_share);
}

bool Readers::may_make_extra(std::size_t count) {
  const MutexLock lock(mutex_);
  if (extra_left_ < static_cast<double>(count)) return false;
  extra_left_ -= static_cast<double>(count);
  counts_.extra += count;
  return true;
}

void Readers::begin_overdue(const StoreId& store) {
  const MutexLock lock(mutex_);
  ++stores_[store].overdue;
}

void Readers::end_overdue(const StoreId& store) {
  const MutexLock lock(mutex_);
  --stores_[store].overdue;
}

bool Readers::is_overdue(const StoreId& store) const {
  const MutexLock lock(mutex_);
  const auto known = stores_.find(store);
  return known != stores_.end() && known->second.overdue > 0;
}

void Readers::took(const StoreId& store, std::uint64_t bytes, std::chrono::nanoseconds time) {
  const MutexLock lock(mutex_);
  Times& times = stores_[store].times[class_of(bytes)];
  times.last[times.count++ % times.last.size()] = time;
}

Readers::Counts Readers::counts() const {
  const MutexLock lock(mutex_);
  return counts_;
}

}  // namespace backstay::backend::placement
