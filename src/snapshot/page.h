// One page of a tree, read and written item by item (docs/format.md section 6.1).
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "base/bytes.h"
#include "base/error.h"
#include "base/record.h"
#include "chunk/chunk.h"

namespace backstay::snapshot {

inline constexpr std::size_t kPageBytesMax = 16 * 1024 * 1024;

// A page on its way to the store. Reused for page after page.
class PageWriter {
 public:
  explicit PageWriter(std::uint8_t level) : level_(level) {}

  // Keys ascend; `body` is what follows the key in the item. Gives the bytes that the item took.
  std::size_t add_item(std::string_view key, ByteView body);
  [[nodiscard]] bool empty() const { return count_ == 0; }
  [[nodiscard]] std::uint64_t count() const { return count_; }
  [[nodiscard]] std::size_t encoded_bytes() const;
  [[nodiscard]] const std::string& first_key() const { return first_key_; }
  // The page as it stands, into `out`; then it is empty again.
  void take(Bytes& out);

 private:
  std::uint8_t level_;
  std::uint64_t count_ = 0;
  std::string first_key_;
  std::string last_key_;
  Bytes items_;
};

// An item as it stands in the page. Borrows from the page.
struct PageItem {
  std::size_t shared = 0;     // bytes of the key before it
  ByteView rest;              // of the key
  ByteView record;            // leaf: the entry's record
  chunk::ChunkRef child;      // inner page
  std::uint64_t entries = 0;  // inner page: below the child
};

// Walks the items of a page from left to right. open() has checked the whole page: what it lets
// through has valid, ascending keys and nothing left over; only the records of entries are not
// looked into.
class PageReader {
 public:
  static Result<PageReader> open(Bytes page);
  PageReader(PageReader&&) = default;
  PageReader& operator=(PageReader&&) = default;

  [[nodiscard]] std::uint8_t level() const { return level_; }
  [[nodiscard]] std::uint64_t count() const { return count_; }      // items
  [[nodiscard]] std::uint64_t entries() const { return entries_; }  // in the page or below it
  [[nodiscard]] const std::string& last_key() const { return last_key_; }

  [[nodiscard]] bool at_end() const { return next_ == count_; }
  // Compares the key that advance() would go to with `key`: below zero when it comes before.
  [[nodiscard]] int compare_next(std::string_view key) const;
  void advance();
  void rewind();

  // Of the item that advance() went to last.
  [[nodiscard]] std::uint64_t index() const { return next_ - 1; }
  [[nodiscard]] const std::string& key() const { return key_; }
  [[nodiscard]] const PageItem& item() const { return item_; }

 private:
  PageReader(Bytes page, std::uint8_t level, std::uint64_t count, std::size_t items_at);
  Result<void> check_items();
  Result<void> parse(ByteReader& reader, PageItem& item) const;
  Result<void> check_order(const PageItem& item) const;
  void look_ahead();

  Bytes page_;
  std::uint8_t level_;
  std::uint64_t count_;
  std::size_t items_at_;  // where the items start in the page
  std::uint64_t entries_ = 0;
  std::string last_key_;

  ByteReader rest_;         // what follows `ahead_`
  std::uint64_t next_ = 0;  // number of the item that advance() goes to
  PageItem ahead_;          // that item, when there is one
  PageItem item_;
  std::string key_;
};

}  // namespace backstay::snapshot
