// Entries between the walk and the tree: files are read in any order and by several threads, the
// tree takes them in the order of the walk.
#pragma once

#include <deque>
#include <memory>
#include <vector>

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

// With no change time, the next backup takes the attributes from the source again and not from this
// entry.
inline void distrust_if_incomplete(source::SourceItem& item) {
  if (item.incomplete) item.entry.changed = {};
}

class OrderedEntries {
 public:
  using Entries = std::vector<std::shared_ptr<PendingEntry>>;

  explicit OrderedEntries(std::size_t limit) : limit_(limit) {}

  // Adds entries at the end, many at once, since waking a thread costs more than an entry; waits
  // while the limit is reached. False when stop() was called.
  bool push(Entries& entries) EXCLUDES(mutex_) {
    if (entries.empty()) return true;
    const MutexLock lock(mutex_);
    while (!stopped_ && slots_.size() >= limit_) changed_.wait(mutex_);
    if (stopped_) return false;
    const bool awaited = slots_.empty() && entries.front()->done;
    for (auto& entry : entries) slots_.push_back(std::move(entry));
    entries.clear();
    if (awaited) changed_.notify_all();
    return true;
  }

  // The entries, pushed before, are complete. Wakes the tree when it waits for one of them.
  void finish(const Entries& entries) EXCLUDES(mutex_) {
    const MutexLock lock(mutex_);
    const bool waits = !slots_.empty() && !slots_.front()->done;
    for (const auto& entry : entries) entry->done = true;
    if (waits && slots_.front()->done) changed_.notify_all();
  }

  // The first entries, as far as they are complete, at least one; none at the end.
  Entries pop() EXCLUDES(mutex_) {
    Entries entries;
    const MutexLock lock(mutex_);
    while (!stopped_ && !(closed_ && slots_.empty()) && (slots_.empty() || !slots_.front()->done)) {
      changed_.wait(mutex_);
    }
    if (stopped_) return entries;
    const bool was_full = slots_.size() >= limit_ / 2;
    while (!slots_.empty() && slots_.front()->done && entries.size() < kPopMax) {
      entries.push_back(std::move(slots_.front()));
      slots_.pop_front();
    }
    // Half empty before the walk goes on: one wake-up for many entries.
    if (was_full && slots_.size() < limit_ / 2) changed_.notify_all();
    return entries;
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
  static constexpr std::size_t kPopMax = 256;

  const std::size_t limit_;
  Mutex mutex_;
  CondVar changed_;
  std::deque<std::shared_ptr<PendingEntry>> slots_ GUARDED_BY(mutex_);
  bool closed_ GUARDED_BY(mutex_) = false;
  bool stopped_ GUARDED_BY(mutex_) = false;
};

}  // namespace backstay::engine::backup_stages
