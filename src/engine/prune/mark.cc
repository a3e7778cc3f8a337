#include "engine/prune/mark.h"

#include <vector>

#include "base/try.h"
#include "snapshot/tree.h"

namespace backstay::engine::prune_stages {

using Marked = repo::Liveness::Marked;

Result<void> Marker::mark(const snapshot::TreeRoot& root) {
  struct Todo {
    chunk::ChunkRef page;
    std::uint8_t level = 0;
  };
  std::vector<Todo> todo{{root.page, root.level}};
  while (!todo.empty()) {
    if (stop_.stop_requested()) return fail(ErrorCode::kCancelled, "interrupted");
    const Todo next = todo.back();
    todo.pop_back();
    if (!liveness_.mark_page(next.page)) continue;
    if (next.level == 0) {
      TRY(mark_leaf(next.page));
      continue;
    }
    const Bytes page = TRY(repository_.read(next.page));
    for (const auto& child : TRY(snapshot::decode_inner(page, next.level))) {
      todo.push_back({child.page, static_cast<std::uint8_t>(next.level - 1)});
    }
  }
  return {};
}

Result<void> Marker::mark_leaf(const chunk::ChunkRef& page) {
  const Bytes bytes = TRY(repository_.read(page));
  return snapshot::for_each_leaf_item(bytes, [&](const snapshot::TreeItem& item) -> Result<void> {
    if (item.entry.type != snapshot::EntryType::kFile) return {};
    return mark_content(item.entry);
  });
}

Result<void> Marker::mark_content(const snapshot::Entry& entry) {
  if (entry.content.level > 0) {
    TRY(snapshot::for_each_list_chunk(entry.content, repository_,
                                      [&](const chunk::ChunkRef& list) -> Result<void> {
                                        (void)liveness_.mark(list);
                                        return {};
                                      }));
  }
  return snapshot::for_each_extent(
      entry.content, entry.size_bytes, repository_,
      [&](std::uint64_t, const snapshot::Extent& extent) -> Result<void> {
        if (extent.kind != snapshot::ExtentKind::kChunk) return {};
        const chunk::ChunkRef ref{.id = extent.id,
                                  .length = static_cast<std::uint32_t>(extent.length)};
        if (liveness_.mark(ref) == Marked::kNowhere) ++missing_;
        return {};
      });
}

}  // namespace backstay::engine::prune_stages
