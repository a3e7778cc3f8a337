#include "engine/copy/snapshot_file.h"

#include <algorithm>
#include <cstring>
#include <utility>

#include "base/try.h"

namespace backstay::engine::copying {

using snapshot::Entry;
using snapshot::Extent;
using snapshot::ExtentKind;

Result<std::optional<source::FileRun>> SnapshotFile::next_run() {
  if (!std::exchange(started_, true)) extent_ahead_ = TRY(ahead_.next());
  if (!extent_ahead_) return std::nullopt;
  source::FileRun run{
      .offset = offset_, .length = 0, .hole = extent_ahead_->kind == ExtentKind::kHole};
  while (extent_ahead_ && (extent_ahead_->kind == ExtentKind::kHole) == run.hole) {
    run.length += extent_ahead_->length;
    extent_ahead_ = TRY(ahead_.next());
  }
  offset_ += run.length;
  left_in_run_ = run.hole ? 0 : run.length;
  return run;
}

Result<std::size_t> SnapshotFile::read(MutableByteView out) {
  const auto wanted = static_cast<std::size_t>(std::min<std::uint64_t>(out.size(), left_in_run_));
  std::size_t done = 0;
  while (done < wanted) {
    if (left_in_extent_ == 0) TRY(enter_next());
    const auto part =
        static_cast<std::size_t>(std::min<std::uint64_t>(wanted - done, left_in_extent_));
    if (chunk_.empty()) {
      std::memset(out.data() + done, 0, part);
    } else {
      std::memcpy(out.data() + done, chunk_.data() + (chunk_.size() - left_in_extent_), part);
    }
    done += part;
    left_in_extent_ -= part;
  }
  left_in_run_ -= done;
  return done;
}

Result<Entry> SnapshotFile::entry_now() {
  Entry entry = entry_;
  entry.content = {};
  return entry;
}

// The next extent that has bytes; an empty chunk stands for zeros.
Result<void> SnapshotFile::enter_next() {
  std::optional<Extent> extent;
  do {
    extent = TRY(data_.next());
  } while (extent && extent->kind == ExtentKind::kHole);
  if (!extent) return fail(ErrorCode::kCorruption, "content: it ends before the file does");
  left_in_extent_ = extent->length;
  chunk_.clear();
  if (extent->kind != ExtentKind::kChunk) return {};
  if (extent->length > repo::kFrameMax)
    return fail(ErrorCode::kCorruption, "content: too long a chunk");
  return read_chunk({.id = extent->id, .length = static_cast<std::uint32_t>(extent->length)});
}

Result<void> SnapshotFile::read_chunk(const chunk::ChunkRef& ref) {
  const auto at = TRY(from_.locate(ref.id));
  if (!at) {
    return fail(ErrorCode::kNotFound,
                "chunk " + ref.id.short_hex() + " is not in the repository's index");
  }
  Result<repo::FrameData> frame = frames_.find(at->frame);
  if (*frame == nullptr) {
    frame = from_.read_frame(at->frame);
    if (frame) frames_.keep(at->frame, *frame);
  }
  Bytes kept;
  const ByteView bytes = TRY(from_.chunk_of(frame, *at, ref, kept));
  chunk_.assign(bytes.begin(), bytes.end());
  return {};
}

}  // namespace backstay::engine::copying
