// Entries between the walk and the tree: files are read in any order and by several threads, the
// tree takes them in the order of the walk.
#pragma once

#include <deque>
#include <memory>
#include <optional>

#include "base/mutex.h"
#include "snapshot/entry.h"
#include "source/source.h"

namespace backstay::engine::backup_stages {

enum class Compared : std::uint8_t { kNew, kChanged, kUnmodified };

// One entry on its way. The reader that works on it owns it until finish(), the tree after that.
struct PendingEntry {
  source::SourceItem item;
  Compared compared = Compared::kNew;
  bool dropped = false;  // could not be read: not in the tree
  bool done = false;     // looked at under the lock of OrderedEntries only
};

class OrderedEntries {
 public:
  explicit OrderedEntries(std::size_t limit) : limit_(limit) {}

  // Adds an entry at the end; waits while the limit is reached. Nothing when stop() was called.
  std::shared_ptr<PendingEntry> push(PendingEntry entry) EXCLUDES(mutex_) {
    auto shared = std::make_shared<PendingEntry>(std::move(entry));
    const MutexLock lock(mutex_);
    while (!stopped_ && slots_.size() >= limit_) changed_.wait(mutex_);
    if (stopped_) return nullptr;
    slots_.push_back(shared);
    if (slots_.size() == 1 && shared->done) changed_.notify_all();
    return shared;
  }

  // The entry is complete. Wakes the tree when it is the one that it waits for.
  void finish(const std::shared_ptr<PendingEntry>& entry) EXCLUDES(mutex_) {
    const MutexLock lock(mutex_);
    entry->done = true;
    if (!slots_.empty() && slots_.front() == entry) changed_.notify_all();
  }

  // The first entry once it is complete; nothing at the end.
  std::shared_ptr<PendingEntry> pop() EXCLUDES(mutex_) {
    const MutexLock lock(mutex_);
    while (!stopped_ && !(closed_ && slots_.empty()) && (slots_.empty() || !slots_.front()->done)) {
      changed_.wait(mutex_);
    }
    if (stopped_ || slots_.empty()) return nullptr;
    auto entry = std::move(slots_.front());
    slots_.pop_front();
    // Half empty before the walk goes on: one wake-up for many entries.
    if (slots_.size() == limit_ / 2) changed_.notify_all();
    return entry;
  }

  void close() EXCLUDES(mutex_) {
    const MutexLock lock(mutex_);
    closed_ = true;
    changed_.notify_all();
  }
  void stop() EXCLUDES(mutex_) {
    const MutexLock lock(mutex_);
    stopped_ = true;
    changed_.notify_all();
  }

 private:
  const std::size_t limit_;
  Mutex mutex_;
  CondVar changed_;
  std::deque<std::shared_ptr<PendingEntry>> slots_ GUARDED_BY(mutex_);
  bool closed_ GUARDED_BY(mutex_) = false;
  bool stopped_ GUARDED_BY(mutex_) = false;
};

}  // namespace backstay::engine::backup_stages
