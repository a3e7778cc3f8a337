#include "snapshot/page.h"

#include <algorithm>

#include "base/assert.h"
#include "base/try.h"
#include "snapshot/field_scan.h"
#include "snapshot/tree.h"
#include "snapshot/tree_key.h"

namespace backstay::snapshot {

namespace {

// An item has at least three varints, in inner pages also an id.
constexpr std::size_t kLeafItemBytesMin = 3;
constexpr std::size_t kInnerItemBytesMin = 4 + chunk::ChunkId::kSize;

std::unexpected<Error> page_corruption(std::string_view problem) {
  return record_corruption("tree page", problem);
}

// What stands behind the key in an inner page.
Result<void> parse_child(ByteReader& reader, PageItem& item) {
  item.child.id = TRY(chunk::ChunkId::from_bytes(TRY(reader.take(chunk::ChunkId::kSize))));
  const std::uint64_t length = TRY(shortest_varint(reader));
  if (length == 0 || length > kPageBytesMax)
    return page_corruption("the length of a page is absurd");
  item.child.length = static_cast<std::uint32_t>(length);
  item.entries = TRY(shortest_varint(reader));
  if (item.entries == 0) return page_corruption("a page below it is empty");
  return {};
}

}  // namespace

std::size_t PageWriter::add_item(std::string_view key, ByteView body) {
  const std::size_t before = items_.size();
  const auto differs = std::ranges::mismatch(last_key_, key);
  const auto shared = static_cast<std::size_t>(differs.in1 - last_key_.begin());
  if (empty()) first_key_ = key;
  append_varint(items_, shared);
  append_varint(items_, key.size() - shared);
  append(items_, as_bytes(key.substr(shared)));
  append(items_, body);
  last_key_.resize(shared);
  last_key_ += key.substr(shared);
  ++count_;
  return items_.size() - before;
}

std::size_t PageWriter::encoded_bytes() const {
  return 1 + varint_bytes(count_) + items_.size();
}

void PageWriter::take(Bytes& out) {
  out.clear();
  out.reserve(encoded_bytes());
  out.push_back(level_);
  append_varint(out, count_);
  append(out, items_);
  count_ = 0;
  first_key_.clear();
  last_key_.clear();
  items_.clear();
}

PageReader::PageReader(Bytes page, std::uint8_t level, std::uint64_t count, std::size_t items_at)
    : page_(std::move(page)), level_(level), count_(count), items_at_(items_at), rest_(page_) {}

Result<PageReader> PageReader::open(Bytes page) {
  if (page.size() > kPageBytesMax) return page_corruption("it is longer than 16 MiB");
  ByteReader reader(page);
  const std::uint8_t level = TRY_DOING("tree page", reader.byte());
  if (level > kTreeLevelMax) return page_corruption("its level is absurd");
  const std::uint64_t count = TRY_DOING("tree page", shortest_varint(reader));
  const std::size_t item_bytes_min = level == 0 ? kLeafItemBytesMin : kInnerItemBytesMin;
  if (count > reader.remaining() / item_bytes_min) {
    return page_corruption("it claims more items than it can hold");
  }
  if (count == 0 && level > 0) return page_corruption("it is empty");
  const std::size_t items_at = page.size() - reader.remaining();
  PageReader opened(std::move(page), level, count, items_at);
  TRY_DOING("tree page", opened.check_items());
  opened.rewind();
  return opened;
}

Result<void> PageReader::check_items() {
  ByteReader reader(ByteView(page_).subspan(items_at_));
  PageItem item;
  for (next_ = 0; next_ < count_; ++next_) {
    TRY(parse(reader, item));
    TRY(check_order(item));
    key_.resize(item.shared);
    key_ += as_text(item.rest);
    TRY(validate_key_from(key_, item.shared));
    const std::uint64_t entries = level_ == 0 ? 1 : item.entries;
    if (entries_ + entries < entries_) return fail(ErrorCode::kCorruption, "counts are absurd");
    entries_ += entries;
  }
  if (!reader.done()) return fail(ErrorCode::kCorruption, "something follows the last item");
  last_key_ = key_;
  return {};
}

Result<void> PageReader::parse(ByteReader& reader, PageItem& item) const {
  item.shared = TRY(shortest_varint(reader));
  item.rest = TRY(reader.take(TRY(shortest_varint(reader))));
  if (level_ == 0) {
    item.record = TRY(reader.take(TRY(shortest_varint(reader))));
  } else {
    TRY(parse_child(reader, item));
  }
  return {};
}

// Because exactly the common bytes are left out, the first byte of the rest decides the order.
Result<void> PageReader::check_order(const PageItem& item) const {
  if (item.shared > key_.size()) {
    return fail(ErrorCode::kCorruption, "a key shares more bytes than there are");
  }
  if (next_ == 0) return {};
  const bool longer = item.shared == key_.size();
  const bool ascends =
      !item.rest.empty() && (longer || item.rest[0] > static_cast<std::uint8_t>(key_[item.shared]));
  if (!ascends) return fail(ErrorCode::kCorruption, "keys are out of order");
  return {};
}

int PageReader::compare_next(std::string_view key) const {
  const std::string_view shared = std::string_view(key_).substr(0, ahead_.shared);
  const int order = shared.compare(key.substr(0, ahead_.shared));
  if (order != 0) return order;
  return as_text(ahead_.rest).compare(key.substr(ahead_.shared));
}

void PageReader::advance() {
  ASSERT(!at_end());
  item_ = ahead_;
  key_.resize(item_.shared);
  key_ += as_text(item_.rest);
  ++next_;
  look_ahead();
}

void PageReader::rewind() {
  rest_ = ByteReader(ByteView(page_).subspan(items_at_));
  next_ = 0;
  key_.clear();
  look_ahead();
}

void PageReader::look_ahead() {
  if (at_end()) return;
  // open() has parsed these bytes before.
  const bool parsed = parse(rest_, ahead_).has_value();
  ASSERT(parsed);
}

}  // namespace backstay::snapshot
