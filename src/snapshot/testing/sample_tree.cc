#include "snapshot/testing/sample_tree.h"

#include <fmt/format.h>

#include "base/assert.h"
#include "base/try.h"
#include "snapshot/tree_key.h"

namespace backstay::snapshot::testing {

TreeRoot build_tree(MemoryChunks& chunks, const EntryMap& entries, const crypto::Secret& page_key) {
  TreeBuilder builder(chunks, page_key);
  for (const auto& [key, entry] : entries) {
    const auto added = builder.add(key, entry);
    ASSERT(added.has_value());
  }
  auto root = builder.finish();
  ASSERT(root.has_value());
  return *root;
}

Result<EntryMap> read_tree(MemoryChunks& chunks, const TreeRoot& root) {
  EntryMap entries;
  TreeCursor cursor(chunks, root);
  while (auto item = TRY(cursor.next())) {
    entries.emplace_hint(entries.end(), std::move(item->key), std::move(item->entry));
  }
  return entries;
}

std::string numbered_key(std::uint64_t number) {
  return child_key(fmt::format("folder-{:06}", number / 100), fmt::format("file-{:08}", number));
}

EntryMap numbered_files(std::uint64_t count) {
  EntryMap entries;
  for (std::uint64_t i = 0; i < count; ++i) {
    entries.emplace_hint(entries.end(), numbered_key(i), plain_file(100 + i % 900, i));
  }
  return entries;
}

EntryMap heavy_files(std::uint64_t count) {
  EntryMap entries = numbered_files(count);
  for (auto& [key, entry] : entries) entry.xattrs.push_back({"user.weight", Bytes(1000, 7)});
  return entries;
}

}  // namespace backstay::snapshot::testing
