#include "snapshot/tree.h"

#include "base/try.h"
#include "snapshot/field_scan.h"
#include "snapshot/tree_key.h"
#include "snapshot/tree_walker.h"

namespace backstay::snapshot {

namespace {

// What a page may take when all of it is decoded at once.
constexpr std::size_t kDecodedBytesMax = 256 * 1024 * 1024;

// Keys are stored without what they share, so a hostile page of 16 MiB could ask for terabytes.
class DecodedBudget {
 public:
  Result<void> take(std::size_t bytes) {
    if (bytes > left_) return record_corruption("tree page", "it takes more than 256 MiB decoded");
    left_ -= bytes;
    return {};
  }

 private:
  std::size_t left_ = kDecodedBytesMax;
};

Result<TreeItem> decode_item(const std::string& key, ByteView record) {
  return TreeItem{key,
                  TRY_DOING("reading the entry of " + path_from_key(key), decode_entry(record))};
}

}  // namespace

Result<std::optional<Entry>> find_entry(chunk::ChunkReader& pages, const TreeRoot& root,
                                        std::string_view key) {
  TreeWalker walker(pages, root);
  TRY(walker.seek(key));
  if (walker.at_end() || walker.key() != key) return std::nullopt;
  return TRY(decode_item(walker.key(), walker.record())).entry;
}

Result<void> list_folder(chunk::ChunkReader& pages, const TreeRoot& root, std::string_view folder,
                         const std::function<Result<void>(const TreeItem&)>& each) {
  TreeWalker walker(pages, root);
  const std::size_t name_at = folder.empty() ? 0 : folder.size() + 1;
  TRY(walker.seek(std::string(folder) + '\0'));
  while (TRY(walker.descend()) && is_within(walker.key(), folder)) {
    const std::string& key = walker.key();
    const std::size_t name_end = key.find('\0', name_at);
    if (name_end != std::string::npos) {
      TRY(walker.seek(key_after_subtree(key.substr(0, name_end))));
      continue;
    }
    TRY(each(TRY(decode_item(key, walker.record()))));
    walker.step();
  }
  return {};
}

Result<void> for_each_page(
    chunk::ChunkReader& pages, const TreeRoot& root,
    const std::function<Result<bool>(const chunk::ChunkRef& page, std::uint8_t level)>& each) {
  TreeWalker walker(pages, root);
  while (walker.at_page()) {
    const bool wanted = TRY(each(walker.page().ref, walker.page().level));
    if (wanted && walker.page().level > 0) {
      TRY(walker.open());
    } else {
      walker.skip_page();
    }
  }
  return {};
}

Result<void> for_each_leaf_item(ByteView page,
                                const std::function<Result<void>(const TreeItem&)>& each) {
  PageReader reader = TRY(PageReader::open(to_owned(page)));
  if (reader.level() != 0) return record_corruption("tree page", "it is not a leaf");
  while (!reader.at_end()) {
    reader.advance();
    TRY(each(TRY(decode_item(reader.key(), reader.item().record))));
  }
  return {};
}

Result<std::vector<TreeItem>> decode_leaf(ByteView page) {
  std::vector<TreeItem> items;
  DecodedBudget budget;
  TRY(for_each_leaf_item(page, [&](const TreeItem& item) -> Result<void> {
    TRY(budget.take(sizeof item + item.key.size()));
    items.push_back(item);
    return {};
  }));
  return items;
}

Result<std::vector<PageChild>> decode_inner(ByteView page, std::uint8_t level) {
  PageReader reader = TRY(PageReader::open(to_owned(page)));
  if (level == 0 || reader.level() != level) {
    return record_corruption("tree page", "its level is not what its parent says");
  }
  std::vector<PageChild> children;
  DecodedBudget budget;
  while (!reader.at_end()) {
    reader.advance();
    TRY(budget.take(sizeof(PageChild) + reader.key().size()));
    children.push_back({reader.key(), reader.item().child, reader.item().entries});
  }
  return children;
}

struct TreeCursor::State {
  TreeWalker walker;
};

TreeCursor::TreeCursor(chunk::ChunkReader& pages, const TreeRoot& root)
    : state_(std::make_unique<State>(State{TreeWalker(pages, root)})) {}
TreeCursor::~TreeCursor() = default;
TreeCursor::TreeCursor(TreeCursor&&) noexcept = default;

Result<std::optional<TreeItem>> TreeCursor::next() {
  TreeWalker& walker = state_->walker;
  if (!TRY(walker.descend())) return std::nullopt;
  TreeItem item = TRY(decode_item(walker.key(), walker.record()));
  walker.step();
  return item;
}

Result<void> TreeCursor::seek(std::string_view key) {
  return state_->walker.seek(key);
}

Result<bool> TreeCursor::skip_damaged_page() {
  TreeWalker& walker = state_->walker;
  if (walker.at_page()) {
    walker.skip_page();
  } else if (walker.at_item()) {
    walker.step();
  }
  return !walker.at_end();
}

std::string TreeCursor::damaged_first_key() const {
  const TreeWalker& walker = state_->walker;
  return walker.at_end() ? std::string() : walker.position();
}

}  // namespace backstay::snapshot
