#include "mount/snapshot_feed.h"

#include <utility>

namespace backstay::mount {

SnapshotFeed::SnapshotFeed(SnapshotSetPtr first, List list, const Clock& clock, const Times& times)
    : list_(std::move(list)),
      clock_(clock),
      times_(times),
      shown_(std::move(first)),
      listed_at_(clock.monotonic()),
      thread_([this] { list_when_asked(); }) {}

SnapshotFeed::~SnapshotFeed() {
  const MutexLock lock(mutex_);
  closed_ = true;
  asked_changed_.notify_all();
  listed_.notify_all();
}

SnapshotSetPtr SnapshotFeed::shown() const {
  const MutexLock lock(mutex_);
  return shown_;
}

SnapshotSetPtr SnapshotFeed::current() {
  const auto now = clock_.monotonic();
  const auto until = std::chrono::steady_clock::now() + times_.patience;
  const MutexLock lock(mutex_);
  if (!asked_ && now - listed_at_ >= times_.interval) {
    asked_ = true;
    asked_changed_.notify_all();
  }
  while (asked_ && !closed_) {
    const auto left = until - std::chrono::steady_clock::now();
    if (left <= left.zero()) break;
    listed_.wait_for(mutex_, left);
  }
  return shown_;
}

void SnapshotFeed::list_when_asked() {
  for (;;) {
    SnapshotSetPtr before;
    {
      const MutexLock lock(mutex_);
      while (!asked_ && !closed_) asked_changed_.wait(mutex_);
      if (closed_) return;
      before = shown_;
    }
    auto listed = list_(before);
    const MutexLock lock(mutex_);
    if (listed) shown_ = *std::move(listed);
    listed_at_ = clock_.monotonic();
    asked_ = false;
    listed_.notify_all();
  }
}

}  // namespace backstay::mount
