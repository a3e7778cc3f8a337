#include "engine/copy/snapshot_source.h"

#include <algorithm>
#include <cstring>
#include <utility>

#include "base/try.h"
#include "snapshot/extent_cursor.h"

namespace backstay::engine::copying {

namespace {

using snapshot::Entry;
using snapshot::EntryType;
using snapshot::Extent;
using snapshot::ExtentKind;

constexpr std::size_t kFrameCacheBytes = std::size_t{16} << 20;

// Two cursors over the same extents: one looks where runs end, the other gives their bytes.
class SnapshotFile final : public source::FileReader {
 public:
  SnapshotFile(repo::Repository& from, repo::FrameCache& frames, Entry entry)
      : from_(from),
        frames_(frames),
        entry_(std::move(entry)),
        ahead_(entry_.content, from),
        data_(entry_.content, from) {}

  Result<std::optional<source::FileRun>> next_run() override {
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

  Result<std::size_t> read(MutableByteView out) override {
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

  // Nobody changes it meanwhile.
  Result<Entry> entry_now() override {
    Entry entry = entry_;
    entry.content = {};
    return entry;
  }

 private:
  // The next extent that has bytes; an empty chunk stands for zeros.
  Result<void> enter_next() {
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

  Result<void> read_chunk(const chunk::ChunkRef& ref) {
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

  repo::Repository& from_;
  repo::FrameCache& frames_;
  const Entry entry_;
  snapshot::ExtentCursor ahead_;
  snapshot::ExtentCursor data_;
  std::optional<Extent> extent_ahead_;
  bool started_ = false;
  std::uint64_t offset_ = 0;
  std::uint64_t left_in_run_ = 0;
  std::uint64_t left_in_extent_ = 0;
  Bytes chunk_;
};

}  // namespace

SnapshotSource::SnapshotSource(repo::Repository& from, const snapshot::TreeRoot& tree,
                               const std::optional<snapshot::TreeRoot>& before)
    : from_(from), frames_(kFrameCacheBytes), cursor_(from, tree) {
  if (before) before_.emplace(from, *before);
}

Result<std::optional<source::SourceItem>> SnapshotSource::next() {
  std::optional<snapshot::TreeItem> item = TRY(cursor_.next());
  if (!item) return std::nullopt;
  const bool other = item->entry.type == EntryType::kFile && !same_content_before(*item);
  return source::SourceItem{.key = std::move(item->key),
                            .entry = std::move(item->entry),
                            .complete = true,
                            .read_anyway = other};
}

bool SnapshotSource::same_content_before(const snapshot::TreeItem& item) {
  while (before_ && (!std::exchange(before_started_, true) ||
                     (before_head_ && before_head_->key < item.key))) {
    auto next = before_->next();
    if (!next) {
      before_.reset();
    } else {
      before_head_ = *std::move(next);
    }
  }
  return before_ && before_head_ && before_head_->key == item.key &&
         before_head_->entry.type == EntryType::kFile &&
         before_head_->entry.content == item.entry.content;
}

Result<std::unique_ptr<source::FileReader>> SnapshotSource::open(source::SourceItem& item) {
  if (snapshot::covered_bytes(item.entry.content) != item.entry.size_bytes) {
    return fail(ErrorCode::kCorruption, "content: it does not cover the size of the file");
  }
  return std::make_unique<SnapshotFile>(from_, frames_, item.entry);
}

}  // namespace backstay::engine::copying
