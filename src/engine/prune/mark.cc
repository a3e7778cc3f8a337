#include "engine/prune/mark.h"

#include <vector>

#include "base/try.h"
#include "snapshot/tree.h"

namespace backstay::engine::prune_stages {

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
  const snapshot::ContentVisitor visitor{
      .list = [&](const chunk::ChunkRef& list) -> Result<bool> {
        return liveness_.mark_list(list);
      },
      .extent = [&](const snapshot::Extent& extent) -> Result<void> {
        if (extent.kind == snapshot::ExtentKind::kChunk) {
          liveness_.mark_later(
              {.id = extent.id, .length = static_cast<std::uint32_t>(extent.length)});
        }
        return {};
      }};
  return snapshot::walk_content(entry.content, entry.size_bytes, repository_, visitor);
}

}  // namespace backstay::engine::prune_stages
