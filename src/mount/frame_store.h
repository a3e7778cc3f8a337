// Decoded frames for many readers at once: fetched by threads of its own, each frame once, and kept
// up to a limit.
#pragma once

#include <cstddef>
#include <cstdint>
#include <deque>
#include <functional>
#include <list>
#include <map>
#include <memory>
#include <optional>
#include <thread>
#include <utility>
#include <vector>

#include "base/mutex.h"
#include "repo/repository.h"

namespace backstay::mount {

// Whether who waits has given up: the program that reads was told to stop, or the mount ends. Asked
// a few times a second.
using GivenUp = std::function<bool()>;

// The plaintext of one chunk, and what keeps it in memory.
struct ChunkBytes {
  repo::FrameData owner;
  ByteView bytes;
};

// Thread-safe. The bytes of frames that are kept or on their way stay below the limit, but for what
// readers wait for at this moment.
class FrameStore {
 public:
  struct Limits {
    std::size_t bytes_max = 64 << 20;
    std::size_t threads = 2;
  };
  FrameStore(repo::Repository& repository, const Limits& limits);
  ~FrameStore();

  // Every byte was authenticated and belongs to the chunk. Where its frame is damaged the chunk is
  // looked for elsewhere. cancelled when the reader gave up. What failed is asked for again the
  // next time.
  Result<ChunkBytes> chunk(const chunk::ChunkRef& ref, const repo::ChunkLocation& at,
                           const GivenUp& given_up) EXCLUDES(mutex_);
  // Begins to fetch a frame that will be asked for, where there is room for it.
  void expect(const repo::FrameLocation& frame) EXCLUDES(mutex_);
  [[nodiscard]] const Limits& limits() const { return limits_; }
  [[nodiscard]] std::size_t bytes() const EXCLUDES(mutex_);

 private:
  using Key = std::pair<repo::ObjectId, std::uint32_t>;
  struct Slot {
    repo::FrameLocation frame;
    std::optional<Result<repo::FrameData>> result;
    std::optional<chunk::ChunkRef> verified;  // a chunk in it that was compared with its id
    std::size_t bytes = 0;
    bool wanted = false;  // somebody waits: it is fetched before what is only expected
    bool under_way = false;
  };
  using SlotPtr = std::shared_ptr<Slot>;

  enum class Urgency : std::uint8_t { kExpected, kWanted };

  SlotPtr slot_for(const repo::FrameLocation& frame, Urgency urgency) REQUIRES(mutex_);
  Result<SlotPtr> wait_for(const repo::FrameLocation& frame, const GivenUp& given_up)
      EXCLUDES(mutex_);
  void make_room(std::size_t bytes) REQUIRES(mutex_);
  void finished(const SlotPtr& slot, Result<repo::FrameData> result) EXCLUDES(mutex_);
  void fetch_until_closed() EXCLUDES(mutex_);

  repo::Repository& repository_;
  const Limits limits_;
  mutable Mutex mutex_;
  CondVar queued_;
  CondVar fetched_;
  bool closed_ GUARDED_BY(mutex_) = false;
  std::size_t bytes_ GUARDED_BY(mutex_) = 0;
  std::list<SlotPtr> recent_ GUARDED_BY(mutex_);  // the one that was used last in front
  std::map<Key, std::list<SlotPtr>::iterator> slots_ GUARDED_BY(mutex_);
  std::deque<SlotPtr> wanted_ GUARDED_BY(mutex_);
  std::deque<SlotPtr> expected_ GUARDED_BY(mutex_);
  std::vector<std::jthread> threads_;  // last, so that they end before what they use
};

}  // namespace backstay::mount
