// A hostile tree page, leaf or inner, is corruption, or is written as the same bytes with keys that
// ascend.
#include <cstddef>
#include <cstdint>

#include "base/assert.h"
#include "snapshot/page.h"
#include "snapshot/tree.h"
#include "snapshot/tree_key.h"

namespace {

using namespace backstay;

Bytes item_body(const snapshot::PageReader& page) {
  Bytes body;
  if (page.level() == 0) {
    append_varint(body, page.item().record.size());
    append(body, page.item().record);
    return body;
  }
  append(body, page.item().child.id.view());
  append_varint(body, page.item().child.length);
  append_varint(body, page.item().entries);
  return body;
}

Bytes write_again(snapshot::PageReader& page) {
  snapshot::PageWriter writer(page.level());
  std::string previous;
  while (!page.at_end()) {
    ASSERT(page.compare_next(previous) > 0 || writer.empty());
    page.advance();
    ASSERT(snapshot::validate_key(page.key()).has_value());
    writer.add_item(page.key(), item_body(page));
    previous = page.key();
  }
  Bytes written;
  writer.take(written);
  return written;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const ByteView input(data, size);
  Result<snapshot::PageReader> page = snapshot::PageReader::open(to_owned(input));
  if (!page) {
    ASSERT(page.error().code() == ErrorCode::kCorruption);
    ASSERT(!snapshot::decode_leaf(input).has_value());
    return 0;
  }
  ASSERT(as_text(write_again(*page)) == as_text(input));
  if (page->level() == 0) {
    const auto items = snapshot::decode_leaf(input);
    ASSERT(!items.has_value() || items->size() == page->count());
  } else {
    const auto children = snapshot::decode_inner(input, page->level());
    ASSERT(children.has_value() && children->size() == page->count());
  }
  return 0;
}
