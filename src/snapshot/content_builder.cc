// How long contents are cut into lists (docs/format.md section 6.3).
//
// Items of a level are held back while they fit an entry. When they no longer do, the level starts
// to cut: the held items, then all that follow, go into list chunks, and each chunk becomes an item
// one level up. A list ends where the id of an item says so, hence two versions of a large file
// share the lists before and after a change. Each level has at most one open list of about 64 KiB,
// so a file of any size is built in bounded memory.
#include "base/try.h"
#include "snapshot/content.h"
#include "snapshot/content_item.h"

namespace backstay::snapshot {

namespace {

constexpr std::size_t kListBytesMax = 64 * 1024;  // closed after the item that reaches it
constexpr std::size_t kListItemsMin = 16;
constexpr std::uint32_t kBoundaryBelow = (std::uint64_t{1} << 32) / 512;

bool ends_list(const Extent& extent) {
  const bool has_id = extent.kind == ExtentKind::kChunk || extent.kind == ExtentKind::kList;
  return has_id && load_le<std::uint32_t>(extent.id.bytes.data()) < kBoundaryBelow;
}

bool is_run(const Extent& extent) {
  return extent.kind == ExtentKind::kHole || extent.kind == ExtentKind::kZeros;
}

}  // namespace

Result<void> ContentBuilder::add(const Extent& extent) {
  const bool absurd_chunk = extent.kind == ExtentKind::kChunk && extent.length > kChunkLengthMax;
  if (extent.length == 0 || extent.kind > ExtentKind::kZeros || absurd_chunk) {
    return fail(ErrorCode::kInvalidArgument, "an extent of this kind or length cannot be stored");
  }
  if (length_ + extent.length < length_) {
    return fail(ErrorCode::kInvalidArgument, "a file is longer than 2^64 bytes");
  }
  length_ += extent.length;
  const bool grows = pending_.length > 0 && pending_.kind == extent.kind;
  if (!grows) TRY(flush_pending());
  if (!is_run(extent)) return append(0, extent);

  std::uint64_t rest = extent.length;
  while (rest > kExtentLengthMax - pending_.length) {
    rest -= kExtentLengthMax - pending_.length;
    pending_ = {.kind = extent.kind, .length = kExtentLengthMax, .id = {}};
    TRY(flush_pending());
  }
  pending_.kind = extent.kind;
  pending_.length += rest;
  return {};
}

Result<ContentRoot> ContentBuilder::finish() {
  TRY(flush_pending());
  for (std::size_t level = 0; level < levels_.size(); ++level) {
    if (!levels_[level].cutting) {
      return ContentRoot{static_cast<std::uint8_t>(level), std::move(levels_[level].held)};
    }
    if (levels_[level].items > 0) TRY(close(level));
  }
  return ContentRoot{};
}

Result<void> ContentBuilder::flush_pending() {
  if (pending_.length == 0) return {};
  const Extent run = std::exchange(pending_, Extent{});
  return append(0, run);
}

Result<void> ContentBuilder::append(std::size_t level, const Extent& extent) {
  if (level > kContentLevelMax) {
    return fail(ErrorCode::kUnsupported, "a file has more extents than eight levels of lists hold");
  }
  if (level == levels_.size()) {
    levels_.emplace_back().encoded.push_back(static_cast<std::uint8_t>(level));
  }
  if (levels_[level].cutting) return cut(level, extent);

  Level& open = levels_[level];
  open.held.push_back(extent);
  append_extent(extent, open.encoded);
  if (open.encoded.size() <= kInlineContentMax) return {};
  open.cutting = true;
  open.encoded.resize(1);
  const std::vector<Extent> held = std::exchange(open.held, {});
  for (const Extent& item : held) TRY(cut(level, item));
  return {};
}

Result<void> ContentBuilder::cut(std::size_t level, const Extent& extent) {
  Level& open = levels_[level];
  append_extent(extent, open.encoded);
  open.items += 1;
  open.covered += extent.length;
  const bool full = open.encoded.size() >= kListBytesMax;
  if (full || (open.items >= kListItemsMin && ends_list(extent))) return close(level);
  return {};
}

Result<void> ContentBuilder::close(std::size_t level) {
  Level& open = levels_[level];
  const chunk::ChunkRef list = TRY_DOING("writing a content list", lists_.write(open.encoded));
  const Extent item{
      .kind = ExtentKind::kList, .length = open.covered, .id = list.id, .list_length = list.length};
  open.encoded.resize(1);
  open.items = 0;
  open.covered = 0;
  if (item.length > kExtentLengthMax) {
    return fail(ErrorCode::kUnsupported, "a content list covers more than 2^62 bytes");
  }
  return append(level + 1, item);
}

}  // namespace backstay::snapshot
