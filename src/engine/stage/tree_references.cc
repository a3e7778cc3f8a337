#include "engine/stage/tree_references.h"

#include "base/try.h"
#include "snapshot/content.h"

namespace backstay::engine::staging {

Result<void> for_each_data_chunk(
    chunk::ChunkReader& metadata, const snapshot::TreeRoot& tree,
    const std::function<Result<void>(const std::string& key, const chunk::ChunkRef& ref)>& each) {
  snapshot::TreeCursor cursor(metadata, tree);
  while (const auto item = TRY(cursor.next())) {
    if (item->entry.type != snapshot::EntryType::kFile) continue;
    TRY(snapshot::for_each_extent(
        item->entry.content, item->entry.size_bytes, metadata,
        [&](std::uint64_t, const snapshot::Extent& extent) -> Result<void> {
          if (extent.kind != snapshot::ExtentKind::kChunk) return {};
          if (extent.length > repo::kFrameMax)
            return fail(ErrorCode::kCorruption, "content: too long a chunk");
          return each(item->key,
                      {.id = extent.id, .length = static_cast<std::uint32_t>(extent.length)});
        }));
  }
  return {};
}

Result<Bytes> WatchedReader::read(const chunk::ChunkRef& ref) {
  TRY(seen_(ref));
  return read_(ref);
}

}  // namespace backstay::engine::staging
