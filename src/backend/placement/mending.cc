#include "backend/placement/mending.h"

namespace backstay::backend::placement {

void Mending::notice(Noticed noticed) {
  const MutexLock lock(mutex_);
  if (known_.contains(noticed.name)) return;
  if (known_.size() >= limits_.objects_max) {
    ++report_.objects_left;
    return;
  }
  known_.insert(noticed.name);
  waiting_.push_back(std::move(noticed));
  if (working_) return;
  working_ = true;
  readers_.run([this] { work(); });
}

void Mending::work() {
  while (true) {
    Noticed noticed;
    {
      const MutexLock lock(mutex_);
      if (waiting_.empty()) {
        working_ = false;
        idle_.notify_all();
        return;
      }
      noticed = std::move(waiting_.front());
      waiting_.pop_front();
    }
    const Result<unsigned> put = mend_(noticed);
    const MutexLock lock(mutex_);
    if (put)
      report_.parts_put += *put;
    else
      ++report_.objects_left;
  }
}

void Mending::wait() {
  const MutexLock lock(mutex_);
  while (working_) idle_.wait(mutex_);
}

Mending::Report Mending::finish() {
  const Readers::Moment until = readers_.now() + limits_.at_end_max;
  const MutexLock lock(mutex_);
  while (working_) {
    const std::chrono::nanoseconds left = until - readers_.now();
    if (left > std::chrono::nanoseconds(0)) {
      idle_.wait_for(mutex_, std::min(left, std::chrono::nanoseconds(std::chrono::seconds(1))));
      continue;
    }
    report_.objects_left += waiting_.size();
    waiting_.clear();
    idle_.wait(mutex_);
  }
  return report_;
}

}  // namespace backstay::backend::placement
