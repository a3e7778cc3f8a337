// Where pages end (docs/format.md section 6.1).
//
// Whether a page ends after an item depends on the item's key and size, hardly on what stands
// before it: so after a change the next boundary falls where it fell before, and all pages from
// there on are the same bytes. The chance to end grows with the size of an item, which makes the
// mean a number of bytes whatever the entries weigh. The hash is keyed, because sizes of pages
// could otherwise tell a store which names they hold.
#include <algorithm>

#include "base/assert.h"
#include "base/try.h"
#include "crypto/hash.h"
#include "snapshot/page.h"
#include "snapshot/tree.h"
#include "snapshot/tree_key.h"

namespace backstay::snapshot {

namespace {

// Pages of very long keys would otherwise hold one item each and the levels would never come to an
// end.
constexpr std::uint64_t kInnerItemsMin = 4;
// A page that is not yet full takes one more item and must stay within kPageBytesMax.
constexpr std::size_t kRecordBytesMax = 8 * 1024 * 1024;

}  // namespace

struct TreeBuilder::State {
  struct OpenPage {
    std::uint8_t level;
    PageWriter writer;
    std::uint64_t entries = 0;        // in it or below it
    std::uint64_t pages_written = 0;  // of this level
    TreeRoot last_written;

    explicit OpenPage(std::uint8_t its_level) : level(its_level), writer(its_level) {}
  };

  chunk::ChunkWriter& pages;
  crypto::Secret page_key;
  std::vector<OpenPage> levels;
  std::string last_key;
  bool any = false;
  // Reused from item to item.
  Bytes record;
  Bytes body;
  Bytes page;
  Bytes hash_input;

  State(chunk::ChunkWriter& writer, const crypto::Secret& key) : pages(writer), page_key(key) {}

  Result<void> check_key(std::string_view key);
  Result<void> append_item(std::size_t level, std::string_view key, std::uint64_t entries);
  Result<void> close(std::size_t level);
  bool ends_page(const OpenPage& open, std::string_view key, std::size_t item_bytes);
};

Result<void> TreeBuilder::State::check_key(std::string_view key) {
  const auto differs = std::ranges::mismatch(last_key, key);
  const auto shared = static_cast<std::size_t>(differs.in1 - last_key.begin());
  if (any && key.compare(last_key) <= 0) {
    return fail(ErrorCode::kInvalidArgument,
                "'" + path_from_key(key) + "' does not follow '" + path_from_key(last_key) + "'");
  }
  auto valid = validate_key_from(key, shared);
  if (!valid) return fail(ErrorCode::kInvalidArgument, valid.error().message());
  last_key.resize(shared);
  last_key += key.substr(shared);
  any = true;
  return {};
}

// Appends the item whose body is in `body`.
Result<void> TreeBuilder::State::append_item(std::size_t level, std::string_view key,
                                             std::uint64_t entries) {
  if (level > kTreeLevelMax) return fail(ErrorCode::kUnsupported, "the tree has too many levels");
  if (level == levels.size()) levels.emplace_back(static_cast<std::uint8_t>(level));
  OpenPage& open = levels[level];
  const std::size_t item_bytes = open.writer.add_item(key, body);
  open.entries += entries;
  if (ends_page(open, key, item_bytes)) return close(level);
  return {};
}

bool TreeBuilder::State::ends_page(const OpenPage& open, std::string_view key,
                                   std::size_t item_bytes) {
  const PageSizes& sizes = open.level == 0 ? kLeafSizes : kInnerSizes;
  if (open.level > 0 && open.writer.count() < kInnerItemsMin) return false;
  const std::size_t page_bytes = open.writer.encoded_bytes();
  if (page_bytes >= sizes.max_bytes) return true;
  if (page_bytes < sizes.min_bytes) return false;
  hash_input.assign(1, open.level);
  append(hash_input, as_bytes(key));
  const crypto::Digest digest = crypto::blake3_keyed(page_key, hash_input);
  // u32 < s * 2^32 / mean without rounding. Both sides stay below 2^56: s is below 2^24.
  const std::uint64_t drawn = load_le<std::uint32_t>(digest.bytes.data());
  return drawn * sizes.mean_bytes < static_cast<std::uint64_t>(item_bytes) << 32;
}

Result<void> TreeBuilder::State::close(std::size_t level) {
  OpenPage& open = levels[level];
  const std::string first_key = open.writer.first_key();
  const std::uint64_t entries = std::exchange(open.entries, 0);
  open.writer.take(page);
  const chunk::ChunkRef ref = TRY_DOING("writing a tree page", pages.write(page));
  open.last_written = {.page = ref, .level = open.level, .entries = entries};
  open.pages_written += 1;

  body.clear();
  append(body, ref.id.view());
  append_varint(body, ref.length);
  append_varint(body, entries);
  return append_item(level + 1, first_key, entries);
}

TreeBuilder::TreeBuilder(chunk::ChunkWriter& pages, const crypto::Secret& page_key)
    : state_(std::make_unique<State>(pages, page_key)) {}

TreeBuilder::~TreeBuilder() = default;

Result<void> TreeBuilder::add(std::string_view key, const Entry& entry) {
  TRY(encode(entry));
  return add_encoded(key);
}

Result<void> TreeBuilder::encode(const Entry& entry) {
  TRY(validate_entry(entry));
  Bytes& record = state_->record;
  record.clear();
  encode_entry(entry, record);
  if (record.size() <= kRecordBytesMax) return {};
  return fail(ErrorCode::kInvalidArgument, "its attributes take more than 8 MiB");
}

Result<void> TreeBuilder::add_encoded(std::string_view key) {
  State& state = *state_;
  TRY(state.check_key(key));
  state.body.clear();
  append_varint(state.body, state.record.size());
  append(state.body, state.record);
  return state.append_item(0, key, 1);
}

Result<TreeRoot> TreeBuilder::finish() {
  State& state = *state_;
  if (state.levels.empty()) {
    PageWriter(0).take(state.page);
    const chunk::ChunkRef ref = TRY_DOING("writing a tree page", state.pages.write(state.page));
    return TreeRoot{.page = ref, .level = 0, .entries = 0};
  }
  // Closing the last page of a level makes the next level, until one level has a single page.
  for (std::size_t level = 0;; ++level) {
    ASSERT(level < state.levels.size());
    if (!state.levels[level].writer.empty()) TRY(state.close(level));
    const State::OpenPage& closed = state.levels[level];
    if (closed.pages_written == 1) return closed.last_written;
  }
}

}  // namespace backstay::snapshot
