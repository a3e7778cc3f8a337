#include "engine/restore/ordered_stream.h"

#include <algorithm>
#include <thread>
#include <utility>

#include "base/try.h"
#include "engine/restore/locate_chunk.h"

namespace backstay::engine::restoring {
namespace {

using snapshot::Extent;
using snapshot::ExtentKind;

// Runs that wait to be written, however small they are.
constexpr std::size_t kWaitingMax = 4096;

Result<repo::FrameData> stopped() {
  return fail(ErrorCode::kCancelled, "the operation was stopped");
}

}  // namespace

OrderedStream::OrderedStream(repo::Repository& repository, const WriteBytes& write,
                             const Limits& limits, Activity& activity)
    : repository_(repository),
      write_(write),
      limits_(limits),
      activity_(activity),
      workers_(limits.threads, kWaitingMax) {}

Result<void> OrderedStream::add(const Extent& extent) {
  Run run{.mark = {}, .length = extent.length, .chunk = {}, .at = {}, .frame = {}};
  if (extent.kind == ExtentKind::kChunk) TRY(start_fetching(extent, run));
  return enqueue(std::move(run));
}

Result<void> OrderedStream::then(std::function<Result<void>()> mark) {
  return enqueue({.mark = std::move(mark), .chunk = {}, .at = {}, .frame = {}});
}

Result<void> OrderedStream::finish() {
  while (!waiting_.empty()) TRY(write_next());
  return {};
}

Result<void> OrderedStream::enqueue(Run run) {
  waiting_bytes_ += run.frame_bytes;
  waiting_.push_back(std::move(run));
  while (waiting_.size() > kWaitingMax || waiting_bytes_ > limits_.read_ahead_bytes)
    TRY(write_next());
  return {};
}

Result<void> OrderedStream::start_fetching(const Extent& extent, Run& run) {
  const repo::ChunkLocation location = TRY(locate_chunk(repository_, extent));
  run.chunk = chunk::ChunkRef{.id = extent.id, .length = static_cast<std::uint32_t>(extent.length)};
  run.at = location;
  if (!last_fetched_.valid() || last_frame_ != location.frame) {
    std::promise<Result<repo::FrameData>> promise;
    last_fetched_ = promise.get_future().share();
    last_frame_ = location.frame;
    run.frame_bytes = location.frame.raw_length;
    workers_.submit(
        [this, frame = location.frame, promise = std::move(promise)]() mutable {
          promise.set_value(activity_.stop.stop_requested() ? stopped()
                                                            : repository_.read_frame(frame));
        },
        1);
  }
  run.frame = last_fetched_;
  return {};
}

Result<void> OrderedStream::write_next() {
  if (activity_.stop.stop_requested()) TRY(stopped());
  const Run run = std::move(waiting_.front());
  waiting_.pop_front();
  waiting_bytes_ -= run.frame_bytes;
  if (run.mark) return run.mark();
  if (!run.chunk) return write_zeros(run.length);
  TRY(write_chunk(run));
  activity_.progress.bytes_done.fetch_add(run.length, std::memory_order_relaxed);
  return {};
}

Result<void> OrderedStream::write_chunk(const Run& run) {
  const Result<repo::FrameData>& frame = run.frame.get();
  Bytes kept;
  return write_(TRY(repository_.chunk_of(frame, run.at, *run.chunk, kept)));
}

Result<void> OrderedStream::write_zeros(std::uint64_t length) {
  const Bytes zeros(
      static_cast<std::size_t>(std::min<std::uint64_t>(length, limits_.zero_buffer_bytes)));
  while (length > 0) {
    if (activity_.stop.stop_requested()) TRY(stopped());
    const auto step = static_cast<std::size_t>(std::min<std::uint64_t>(length, zeros.size()));
    TRY(write_(ByteView(zeros).first(step)));
    length -= step;
    activity_.progress.bytes_done.fetch_add(step, std::memory_order_relaxed);
  }
  return {};
}

}  // namespace backstay::engine::restoring
