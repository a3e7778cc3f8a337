#include "snapshot/tree_search.h"

#include <utility>

#include "base/try.h"
#include "snapshot/page.h"
#include "snapshot/tree_key.h"

namespace backstay::snapshot {

TreeSearch::TreeSearch(chunk::ChunkReader& pages, Wanted wanted, Damaged damaged)
    : pages_(pages), wanted_(std::move(wanted)), damaged_(std::move(damaged)) {}

Result<void> TreeSearch::search(const TreeRoot& root,
                                const std::function<void(std::uint32_t)>& each) {
  if (TRY(look_into(root.page, root.level))) tell(root.page.id, each);
  return {};
}

static Error at_page(Error error, const chunk::ChunkRef& ref) {
  return std::move(error).with_context("reading tree page " + ref.id.short_hex());
}

// A page that cannot be read has no match, in whatever tree it is; it is told of once.
Result<bool> TreeSearch::look_into(const chunk::ChunkRef& ref, std::uint8_t level) {
  if (const auto known = known_.find(ref.id); known != known_.end()) return !known->second.empty();
  auto page = level == 0 ? read_leaf(ref) : read_inner(ref, level);
  if (!page) {
    known_.emplace(ref.id, Page{});
    TRY(damaged_(at_page(std::move(page).error(), ref)));
    return false;
  }
  const bool matches = !page->empty();
  known_.emplace(ref.id, std::move(*page));
  return matches;
}

Result<TreeSearch::Page> TreeSearch::read_leaf(const chunk::ChunkRef& ref) {
  ++pages_read_;
  PageReader reader = TRY(PageReader::open(TRY(pages_.read(ref))));
  if (reader.level() != 0) return fail(ErrorCode::kCorruption, "the tree page is not a leaf");
  Page page;
  while (!reader.at_end()) {
    reader.advance();
    if (wanted_.key(reader.key())) TRY(look_at(reader.key(), reader.item().record, page));
  }
  return page;
}

Result<TreeSearch::Page> TreeSearch::read_inner(const chunk::ChunkRef& ref, std::uint8_t level) {
  ++pages_read_;
  Page page;
  for (const PageChild& child : TRY(decode_inner(TRY(pages_.read(ref)), level))) {
    if (TRY(look_into(child.page, static_cast<std::uint8_t>(level - 1))))
      page.children.push_back(child.page.id);
  }
  return page;
}

// Records are canonical: equal entries are equal bytes. No key has two zero bytes in a row.
Result<void> TreeSearch::look_at(const std::string& key, ByteView record, Page& page) {
  Bytes named = to_owned(as_bytes(key));
  named.resize(named.size() + 2);
  append(named, record);
  const auto [number, is_new] = numbers_.try_emplace(crypto::blake3(named), kNoMatch);
  if (is_new) {
    auto entry = decode_entry(record);
    if (!entry) {
      return damaged_(
          std::move(entry).error().with_context("reading the entry of " + path_from_key(key)));
    }
    if (wanted_.entry(*entry)) {
      number->second = static_cast<std::uint32_t>(matches_.size());
      matches_.push_back({key, std::move(*entry)});
    }
  }
  if (number->second != kNoMatch) page.matches.push_back(number->second);
  return {};
}

void TreeSearch::tell(const chunk::ChunkId& page,
                      const std::function<void(std::uint32_t)>& each) const {
  const auto known = known_.find(page);
  if (known == known_.end()) return;
  for (const std::uint32_t match : known->second.matches) each(match);
  for (const chunk::ChunkId& child : known->second.children) tell(child, each);
}

}  // namespace backstay::snapshot
