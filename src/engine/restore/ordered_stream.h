// The bytes of files to a stream: in order, with the frames that come next already on their way.
#pragma once

#include <cstdint>
#include <deque>
#include <functional>
#include <future>
#include <optional>

#include "engine/activity.h"
#include "engine/restore/limits.h"
#include "engine/restore/workers.h"
#include "repo/repository.h"
#include "snapshot/content.h"

namespace backstay::engine::restoring {

// For one thread. What is given outlives it. A failure is final.
class OrderedStream {
 public:
  using WriteBytes = std::function<Result<void>(ByteView)>;
  OrderedStream(repo::Repository& repository, const WriteBytes& write, const Limits& limits,
                Activity& activity);

  // Its bytes come after those of all before. May write what was added long before.
  Result<void> add(const snapshot::Extent& extent);
  // Called when all that was added before is written: what a file begins with, for example.
  Result<void> then(std::function<Result<void>()> mark);
  // Writes all that still waits.
  Result<void> finish();

 private:
  using Fetched = std::shared_future<Result<repo::FrameData>>;
  struct Run {
    std::function<Result<void>()> mark;  // instead of all that follows
    std::uint64_t length = 0;
    std::optional<chunk::ChunkRef> chunk;  // absent: zeros
    repo::ChunkLocation at;
    Fetched frame;
    std::size_t frame_bytes = 0;  // of the first run that needs a frame
  };

  Result<void> enqueue(Run run);
  Result<void> start_fetching(const snapshot::Extent& extent, Run& run);
  Result<void> write_next();
  Result<void> write_chunk(const Run& run);
  Result<void> write_zeros(std::uint64_t length);

  repo::Repository& repository_;
  const WriteBytes& write_;
  const Limits& limits_;
  Activity& activity_;
  std::deque<Run> waiting_;
  std::size_t waiting_bytes_ = 0;
  repo::FrameLocation last_frame_;
  Fetched last_fetched_;
  Workers workers_;  // last, so that its threads end before what they use
};

}  // namespace backstay::engine::restoring
