// The snapshots that are shown, kept up to date without making anybody wait for a slow store.
#pragma once

#include <chrono>
#include <functional>
#include <stop_token>
#include <thread>

#include "base/clock.h"
#include "base/mutex.h"
#include "mount/snapshot_set.h"

namespace backstay::mount {

// Thread-safe. Lists again when somebody looks and the last listing is older than the interval: a
// mount that nobody looks at asks the store for nothing.
class SnapshotFeed {
 public:
  // What is there now, by a thread of the feed's own. The set that was given when nothing is new. A
  // failure leaves what is shown as it is, and is told by whoever lists.
  using List = std::function<Result<SnapshotSetPtr>(const SnapshotSetPtr& shown)>;
  struct Times {
    std::chrono::milliseconds interval{5000};
    std::chrono::milliseconds patience{2000};  // that who looks has for a listing
  };
  SnapshotFeed(SnapshotSetPtr first, List list, const Clock& clock, const Times& times);
  ~SnapshotFeed();

  [[nodiscard]] SnapshotSetPtr current() EXCLUDES(mutex_);
  // As it is shown, whatever the store has by now.
  [[nodiscard]] SnapshotSetPtr shown() const EXCLUDES(mutex_);

 private:
  void list_when_asked() EXCLUDES(mutex_);

  const List list_;
  const Clock& clock_;
  const Times times_;
  mutable Mutex mutex_;
  CondVar asked_changed_;
  CondVar listed_;
  SnapshotSetPtr shown_ GUARDED_BY(mutex_);
  std::chrono::steady_clock::time_point listed_at_ GUARDED_BY(mutex_);
  bool asked_ GUARDED_BY(mutex_) = false;
  bool closed_ GUARDED_BY(mutex_) = false;
  std::jthread thread_;  // last, so that it ends before what it uses
};

}  // namespace backstay::mount
