// Frames on their way into new packs, compressed and sealed beside the thread that reads old ones.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <thread>
#include <vector>

#include "base/bounded_queue.h"
#include "base/mutex.h"
#include "repo/repository.h"
#include "repo/store_session.h"

namespace backstay::engine::prune_stages {

class Restorage {
 public:
  // What is to be stored, and what its bytes belong to.
  struct Item {
    repo::RawFrame frame;
    repo::FrameData shared;
    Bytes own;
  };

  // `threads` 0: the calling one does it all.
  Restorage(repo::Repository& repository, std::size_t uploads, std::size_t threads);
  ~Restorage();
  Restorage(const Restorage&) = delete;
  Restorage& operator=(const Restorage&) = delete;

  // From one thread. Waits while enough is on its way; fails with the first failure of any item.
  Result<void> add(std::unique_ptr<Item> item) EXCLUDES(mutex_);
  // All that was added is durable and in the index. Nothing is added later.
  Result<void> finish() EXCLUDES(mutex_);

  [[nodiscard]] std::uint64_t bytes_stored() const { return session_.totals().bytes_stored; }
  // Something could not be stored, so that nothing more can be.
  [[nodiscard]] bool broken() const EXCLUDES(mutex_);

 private:
  void store_all() EXCLUDES(mutex_);
  void store(const Item& item, repo::FrameEncoder& encoder) EXCLUDES(mutex_);
  Result<void> outcome() const EXCLUDES(mutex_);

  repo::StoreSession session_;
  repo::FrameEncoder encoder_;  // of the calling thread
  mutable Mutex mutex_;
  std::optional<Error> failure_ GUARDED_BY(mutex_);
  BoundedQueue<std::unique_ptr<Item>> waiting_;
  std::vector<std::jthread> threads_;
};

}  // namespace backstay::engine::prune_stages
