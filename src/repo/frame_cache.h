// Decoded frames that were read lately: neighbouring tree pages and content lists share a frame.
#pragma once

#include <list>
#include <map>
#include <memory>
#include <utility>

#include "base/bytes.h"
#include "base/mutex.h"
#include "repo/location.h"

namespace backstay::repo {

// Least recently used frames go when the bytes exceed the limit. Thread-safe.
class FrameCache {
 public:
  explicit FrameCache(std::size_t bytes_max) : bytes_max_(bytes_max) {}

  std::shared_ptr<const Bytes> find(const FrameLocation& frame) EXCLUDES(mutex_) {
    const MutexLock lock(mutex_);
    const auto it = by_place_.find({frame.pack, frame.offset});
    if (it == by_place_.end()) return nullptr;
    recent_.splice(recent_.begin(), recent_, it->second);
    return it->second->data;
  }

  void keep(const FrameLocation& frame, std::shared_ptr<const Bytes> data) EXCLUDES(mutex_) {
    const MutexLock lock(mutex_);
    const Place place{frame.pack, frame.offset};
    if (by_place_.contains(place)) return;
    bytes_ += data->size();
    recent_.push_front({place, std::move(data)});
    by_place_[place] = recent_.begin();
    while (bytes_ > bytes_max_ && recent_.size() > 1) {
      bytes_ -= recent_.back().data->size();
      by_place_.erase(recent_.back().place);
      recent_.pop_back();
    }
  }

 private:
  using Place = std::pair<ObjectId, std::uint32_t>;
  struct Kept {
    Place place;
    std::shared_ptr<const Bytes> data;
  };
  const std::size_t bytes_max_;
  Mutex mutex_;
  std::list<Kept> recent_ GUARDED_BY(mutex_);
  std::map<Place, std::list<Kept>::iterator> by_place_ GUARDED_BY(mutex_);
  std::size_t bytes_ GUARDED_BY(mutex_) = 0;
};

}  // namespace backstay::repo
