// Equal pieces of memory for bytes that several hold at once: who reads bytes into a slab and who
// still works on what was read before share it, and nobody copies. Their number is a limit that
// holds by construction.
#pragma once

#include <cstddef>
#include <memory>
#include <utility>
#include <vector>

#include "base/mutex.h"
#include "base/page_buffer.h"

namespace backstay {

// Shared; goes back to its pool when the last holder lets go of it.
using Slab = std::shared_ptr<PageBuffer>;

// Thread-safe. Must outlive its slabs.
class SlabPool {
 public:
  SlabPool(std::size_t slab_bytes, std::size_t slabs) : slab_bytes_(slab_bytes), left_(slabs) {}

  // Waits until one is free; null after abort(). Who waits may hold slabs, as long as there are
  // more slabs than all who wait can hold together. Where `bytes_needed` is more than a slab has,
  // it is memory of its own, above the limit: callers see to it that this is rare.
  Slab take(std::size_t bytes_needed) EXCLUDES(mutex_) {
    if (bytes_needed > slab_bytes_) return std::make_shared<PageBuffer>(bytes_needed);
    PageBuffer buffer;
    {
      const MutexLock lock(mutex_);
      while (!aborted_ && left_ == 0) free_.wait(mutex_);
      if (aborted_) return nullptr;
      --left_;
      if (!spare_.empty()) {
        buffer = std::move(spare_.back());
        spare_.pop_back();
      }
    }
    if (buffer.size() == 0) buffer = PageBuffer(slab_bytes_);
    return Slab(new PageBuffer(std::move(buffer)), [this](PageBuffer* slab) {
      give_back(std::move(*slab));
      delete slab;
    });
  }

  void abort() EXCLUDES(mutex_) {
    const MutexLock lock(mutex_);
    aborted_ = true;
    free_.notify_all();
  }

  [[nodiscard]] std::size_t slab_bytes() const { return slab_bytes_; }

 private:
  void give_back(PageBuffer slab) EXCLUDES(mutex_) {
    const MutexLock lock(mutex_);
    spare_.push_back(std::move(slab));
    ++left_;
    free_.notify_one();
  }

  const std::size_t slab_bytes_;
  Mutex mutex_;
  CondVar free_;
  std::vector<PageBuffer> spare_ GUARDED_BY(mutex_);  // the last used first: it is in the caches
  std::size_t left_ GUARDED_BY(mutex_);
  bool aborted_ GUARDED_BY(mutex_) = false;
};

}  // namespace backstay
