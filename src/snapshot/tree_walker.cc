#include "snapshot/tree_walker.h"

#include "base/assert.h"
#include "base/try.h"
#include "snapshot/field_scan.h"

namespace backstay::snapshot {

TreeWalker::TreeWalker(chunk::ChunkReader& pages, const TreeRoot& root)
    : pages_(pages), root_(root), unopened_({root.page, root.level, root.entries, {}, true}) {}

Result<void> TreeWalker::open() {
  ASSERT(at_page());
  path_.push_back(
      TRY_DOING("reading tree page " + unopened_->ref.id.short_hex(), read(*unopened_)));
  unopened_.reset();
  settle();
  return {};
}

void TreeWalker::skip_page() {
  unopened_.reset();
  settle();
}

void TreeWalker::step() {
  settle();
}

const std::string& TreeWalker::position() const {
  return at_page() ? unopened_->first_key : key();
}

Result<bool> TreeWalker::descend() {
  while (at_page()) TRY(open());
  return at_item();
}

Result<void> TreeWalker::seek(std::string_view key) {
  unopened_.reset();
  if (path_.empty()) {
    unopened_ = {root_.page, root_.level, root_.entries, {}, true};
  } else {
    go_back_to_common_page(key);
  }
  while (at_page()) {
    TRY(open());
    if (!path_.empty()) go_towards(key);
  }
  return {};
}

Result<PageReader> TreeWalker::read(const UnopenedPage& unopened) {
  if (unopened.ref.length > kPageBytesMax)
    return record_corruption("tree page", "it is longer than 16 MiB");
  PageReader page = TRY(PageReader::open(TRY(pages_.read(unopened.ref))));
  PageFacts facts{.level = page.level(),
                  .entries = page.entries(),
                  .first_key = {},
                  .last_key = page.last_key()};
  if (!page.at_end()) {
    page.advance();
    facts.first_key = page.key();
    page.rewind();
  }
  TRY(agrees(facts));
  opened_ = std::move(facts);
  return page;
}

Result<void> TreeWalker::agrees(const PageFacts& facts) const {
  const auto corruption = [](std::string_view problem) {
    return record_corruption("tree page", problem);
  };
  if (facts.level != unopened_->level) return corruption("its level is not what its parent says");
  if (facts.entries != unopened_->entries)
    return corruption("it holds another number of entries than its parent says");
  if (unopened_->is_root) return {};
  if (facts.first_key != unopened_->first_key) {
    return corruption("its first key is not what its parent says");
  }
  if (reaches_into_next_page(facts.last_key))
    return corruption("its keys reach into the next page");
  return {};
}

bool TreeWalker::reaches_into_next_page(std::string_view last_key) const {
  for (auto above = path_.rbegin(); above != path_.rend(); ++above) {
    if (!above->at_end()) return above->compare_next(last_key) <= 0;
  }
  return false;
}

// Goes on to the next item of the lowest page that has one.
void TreeWalker::settle() {
  while (!path_.empty()) {
    PageReader& page = path_.back();
    if (!page.at_end()) {
      page.advance();
      if (page.level() > 0) stand_before_child();
      return;
    }
    path_.pop_back();
  }
}

void TreeWalker::stand_before_child() {
  const PageReader& page = path_.back();
  const auto level = static_cast<std::uint8_t>(page.level() - 1);
  unopened_ = {page.item().child, level, page.item().entries, page.key(), false};
}

// Keeps the pages that the old and the new place have in common, so that near jumps read nothing
// again.
void TreeWalker::go_back_to_common_page(std::string_view key) {
  for (std::size_t depth = 0; depth < path_.size(); ++depth) {
    PageReader& page = path_[depth];
    const std::uint64_t index = page.index();
    if (page.key() > key) {
      page.rewind();
      page.advance();
    }
    if (page.level() == 0) break;
    while (!page.at_end() && page.compare_next(key) <= 0) page.advance();
    if (page.index() != index || depth + 1 == path_.size()) {
      path_.erase(path_.begin() + static_cast<std::ptrdiff_t>(depth) + 1, path_.end());
      stand_before_child();
      return;
    }
  }
  go_towards(key);
}

// Within the lowest page: to the child that holds `key`, or to the first item with a key that is no
// less.
void TreeWalker::go_towards(std::string_view key) {
  PageReader& page = path_.back();
  if (page.level() > 0) {
    while (!page.at_end() && page.compare_next(key) <= 0) page.advance();
    stand_before_child();
    return;
  }
  while (page.key() < key) {
    if (page.at_end()) return step();
    page.advance();
  }
}

}  // namespace backstay::snapshot
