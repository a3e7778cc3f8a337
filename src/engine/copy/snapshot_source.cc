#include "engine/copy/snapshot_source.h"

#include <utility>

#include "base/try.h"
#include "engine/copy/snapshot_file.h"

namespace backstay::engine::copying {

namespace {

using snapshot::EntryType;

constexpr std::size_t kFrameCacheBytes = std::size_t{16} << 20;

}  // namespace

// The cache of frames, that of metadata which the repository keeps itself, the filter of its index,
// and a chunk and the frame that it is cut from.
std::uint64_t memory_of_source(const repo::Repository& from) {
  constexpr std::uint64_t kMetadataCacheBytes = std::uint64_t{8} << 20;
  return kFrameCacheBytes + kMetadataCacheBytes + from.index().totals().filter_bytes +
         2 * std::uint64_t{from.config().cut.max_bytes};
}

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
