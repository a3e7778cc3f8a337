// One file to a stream: in order, with the frames that come next already on their way.
#include <fmt/format.h>

#include <algorithm>
#include <deque>
#include <future>
#include <thread>
#include <utility>

#include "base/try.h"
#include "engine/restore.h"
#include "engine/restore/limits.h"
#include "engine/restore/read_lease.h"
#include "engine/restore/workers.h"
#include "snapshot/content.h"
#include "snapshot/tree_key.h"

namespace backstay::engine {
namespace restoring {
namespace {

using snapshot::Entry;
using snapshot::EntryType;
using snapshot::Extent;
using snapshot::ExtentKind;
using WriteBytes = std::function<Result<void>(ByteView)>;

// Runs that wait to be written, however small they are.
constexpr std::size_t kWaitingMax = 4096;

class FileStream {
 public:
  FileStream(repo::Repository& repository, const WriteBytes& write, const Limits& limits,
             Activity& activity)
      : repository_(repository),
        write_(write),
        limits_(limits),
        activity_(activity),
        workers_(limits.threads, kWaitingMax) {}

  Result<void> add(const Extent& extent) {
    Run run{.length = extent.length, .chunk = {}, .at = {}, .frame = {}};
    if (extent.kind == ExtentKind::kChunk) TRY(start_fetching(extent, run));
    waiting_bytes_ += run.frame_bytes;
    waiting_.push_back(std::move(run));
    while (waiting_.size() > kWaitingMax || waiting_bytes_ > limits_.read_ahead_bytes)
      TRY(write_next());
    return {};
  }

  Result<void> finish() {
    while (!waiting_.empty()) TRY(write_next());
    return {};
  }

 private:
  using Fetched = std::shared_future<Result<repo::FrameData>>;
  struct Run {
    std::uint64_t length = 0;
    std::optional<chunk::ChunkRef> chunk;  // absent: zeros
    repo::ChunkLocation at;
    Fetched frame;
    std::size_t frame_bytes = 0;  // of the first run that needs a frame
  };

  Result<void> start_fetching(const Extent& extent, Run& run) {
    const auto location = TRY(repository_.locate(extent.id));
    if (!location || extent.length > repo::kFrameMax) {
      return fail(ErrorCode::kNotFound,
                  "chunk " + extent.id.short_hex() + " is not in the repository's index");
    }
    run.chunk =
        chunk::ChunkRef{.id = extent.id, .length = static_cast<std::uint32_t>(extent.length)};
    run.at = *location;
    if (!last_fetched_.valid() || last_frame_ != location->frame) {
      std::promise<Result<repo::FrameData>> promise;
      last_fetched_ = promise.get_future().share();
      last_frame_ = location->frame;
      run.frame_bytes = location->frame.raw_length;
      workers_.submit(
          [this, frame = location->frame, promise = std::move(promise)]() mutable {
            promise.set_value(activity_.stop.stop_requested() ? stopped()
                                                              : repository_.read_frame(frame));
          },
          1);
    }
    run.frame = last_fetched_;
    return {};
  }

  static Result<repo::FrameData> stopped() {
    return fail(ErrorCode::kCancelled, "the operation was stopped");
  }

  Result<void> write_next() {
    if (activity_.stop.stop_requested()) TRY(stopped());
    const Run run = std::move(waiting_.front());
    waiting_.pop_front();
    waiting_bytes_ -= run.frame_bytes;
    if (!run.chunk) return write_zeros(run.length);
    TRY(write_chunk(run));
    activity_.progress.bytes_done.fetch_add(run.length, std::memory_order_relaxed);
    return {};
  }

  Result<void> write_chunk(const Run& run) {
    const Result<repo::FrameData>& frame = run.frame.get();
    Bytes kept;
    return write_(TRY(repository_.chunk_of(frame, run.at, *run.chunk, kept)));
  }

  Result<void> write_zeros(std::uint64_t length) {
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

Result<Entry> find_file(repo::Repository& repository, const snapshot::Snapshot& snapshot,
                        const std::string& path) {
  const std::optional<Entry> entry =
      TRY_DOING("looking for " + path,
                snapshot::find_entry(repository, snapshot.tree, snapshot::key_from_path(path)));
  if (!entry) {
    return std::unexpected(
        Error(ErrorCode::kNotFound, fmt::format("the snapshot has no {}", path))
            .with_hint("List what is in the snapshot with: backstay ls SNAPSHOT [FOLDER]"));
  }
  if (entry->type != EntryType::kFile) {
    return std::unexpected(
        Error(ErrorCode::kInvalidArgument,
              fmt::format("{} is a {}, and only files can be written to a stream", path,
                          snapshot::to_string(entry->type)))
            .with_hint("Use 'backstay restore', or name a file."));
  }
  return *entry;
}

}  // namespace
}  // namespace restoring

Result<void> dump(repo::Repository& repository, const snapshot::Snapshot& snapshot,
                  const DumpOptions& options, const std::function<Result<void>(ByteView)>& write,
                  Activity& activity) {
  using namespace restoring;
  const LeasePtr lease = TRY(take_read_lease(repository, "dump", activity));
  if (options.id && lease) TRY(require_snapshot(repository, *options.id));
  const std::string clean = snapshot::clean_path(options.path, "/");
  const Entry entry = TRY(find_file(repository, snapshot, clean));
  activity.progress.files_total = 1;
  activity.progress.bytes_total = entry.size_bytes;
  activity.progress.set_current(clean);

  const Limits limits = limits_for(usual_threads(repository.store(), 0), 0);
  FileStream stream(repository, write, limits, activity);
  const auto pump = [&]() -> Result<void> {
    TRY(snapshot::for_each_extent(
        entry.content, entry.size_bytes, repository,
        [&](std::uint64_t, const Extent& extent) { return stream.add(extent); }));
    return stream.finish();
  };
  TRY_DOING("reading " + clean, pump());
  activity.progress.files_done = 1;
  return {};
}

}  // namespace backstay::engine
