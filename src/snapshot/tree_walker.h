// Walks a tree page by page: at every step the walker stands before a page that it can open or step
// over, on an item of a leaf, or at the end. Everything that reads trees is built on it.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/error.h"
#include "chunk/chunk.h"
#include "snapshot/page.h"
#include "snapshot/tree.h"

namespace backstay::snapshot {

// A page that was not opened yet, and what its parent says of it.
struct UnopenedPage {
  chunk::ChunkRef ref;
  std::uint8_t level = 0;
  std::uint64_t entries = 0;
  std::string
      first_key;  // of the root page it is unknown: empty, which is no greater than the true one
  bool is_root = false;
};

// What a page says of itself, and its parent and neighbours must agree with.
struct PageFacts {
  std::uint8_t level = 0;
  std::uint64_t entries = 0;
  std::string first_key;
  std::string last_key;
};

// Holds one page a level. open() checks a page against its parent: level, first key, number of
// entries, and that no key reaches into the next page. Not thread-safe.
class TreeWalker {
 public:
  TreeWalker(chunk::ChunkReader& pages, const TreeRoot& root);

  [[nodiscard]] bool at_page() const { return unopened_.has_value(); }
  [[nodiscard]] bool at_item() const { return !at_page() && !path_.empty(); }
  [[nodiscard]] bool at_end() const { return !at_page() && path_.empty(); }

  // While at_page(). When open() fails the walker still stands before the page.
  [[nodiscard]] const UnopenedPage& page() const { return *unopened_; }
  Result<void> open();
  // Of the page that was opened last.
  [[nodiscard]] const PageFacts& opened() const { return opened_; }
  // What open() would say of this page: for who has opened the same page before, perhaps below
  // another parent, and steps over it.
  [[nodiscard]] Result<void> agrees(const PageFacts& facts) const;
  void skip_page();

  // While at_item().
  [[nodiscard]] const std::string& key() const { return path_.back().key(); }
  [[nodiscard]] ByteView record() const { return path_.back().item().record; }
  void step();

  // The key where it stands: that of the item, or the first one of the page. Not at the end.
  [[nodiscard]] const std::string& position() const;

  // Opens pages until an item is reached: false at the end.
  Result<bool> descend();
  // Goes to the first item with a key >= `key`, or before the page that could not be read on the
  // way there.
  Result<void> seek(std::string_view key);

 private:
  Result<PageReader> read(const UnopenedPage& unopened);
  [[nodiscard]] bool reaches_into_next_page(std::string_view last_key) const;
  void settle();
  void stand_before_child();
  void go_back_to_common_page(std::string_view key);
  void go_towards(std::string_view key);

  chunk::ChunkReader& pages_;
  TreeRoot root_;
  std::vector<PageReader> path_;  // from the root downwards; the last one is a leaf while at_item()
  std::optional<UnopenedPage> unopened_;
  PageFacts opened_;
};

}  // namespace backstay::snapshot
