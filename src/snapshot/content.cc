#include "snapshot/content.h"

#include "base/try.h"
#include "snapshot/content_item.h"
#include "snapshot/field_scan.h"

namespace backstay::snapshot {

namespace {

std::uint64_t head_of(const Extent& extent) {
  return extent.length << 2 | static_cast<std::uint64_t>(extent.kind);
}

Result<void> check_kind(ExtentKind kind, std::uint8_t level) {
  if ((kind == ExtentKind::kList) == (level > 0)) return {};
  return fail(ErrorCode::kCorruption, level > 0 ? "content: a list of lists holds something else"
                                                : "content: a list stands among extents");
}

}  // namespace

void append_extent(const Extent& extent, Bytes& out) {
  append_varint(out, head_of(extent));
  if (extent.kind == ExtentKind::kChunk || extent.kind == ExtentKind::kList) {
    append(out, extent.id.view());
  }
  if (extent.kind == ExtentKind::kList) append_varint(out, extent.list_length);
}

std::size_t encoded_extent_bytes(const Extent& extent) {
  std::size_t bytes = varint_bytes(head_of(extent));
  if (extent.kind == ExtentKind::kChunk || extent.kind == ExtentKind::kList) {
    bytes += chunk::ChunkId::kSize;
  }
  if (extent.kind == ExtentKind::kList) bytes += varint_bytes(extent.list_length);
  return bytes;
}

Result<ExtentReader> ExtentReader::open(ByteView encoded) {
  ByteReader reader(encoded);
  const std::uint8_t level = TRY_DOING("content", reader.byte());
  if (level > kContentLevelMax)
    return fail(ErrorCode::kCorruption, "content: lists are nested too deep");
  return ExtentReader(reader, level);
}

Result<Extent> ExtentReader::next() {
  const std::uint64_t head = TRY(shortest_varint(reader_));
  Extent extent;
  extent.kind = static_cast<ExtentKind>(head & 3);
  extent.length = head >> 2;
  TRY(check_kind(extent.kind, level_));
  if (extent.length == 0) return fail(ErrorCode::kCorruption, "content: an extent is empty");
  if (extent.kind == ExtentKind::kChunk || extent.kind == ExtentKind::kList) TRY(read_id(extent));
  if (covered_ + extent.length < covered_) {
    return fail(ErrorCode::kCorruption, "content: it covers more than 2^64 bytes");
  }
  covered_ += extent.length;
  return extent;
}

Result<void> ExtentReader::read_id(Extent& extent) {
  if (extent.kind == ExtentKind::kChunk && extent.length > kChunkLengthMax) {
    return fail(ErrorCode::kCorruption, "content: a chunk is longer than 16 MiB");
  }
  extent.id = TRY(chunk::ChunkId::from_bytes(TRY(reader_.take(chunk::ChunkId::kSize))));
  if (extent.kind != ExtentKind::kList) return {};
  const std::uint64_t list_length = TRY(shortest_varint(reader_));
  if (list_length == 0 || list_length > kChunkLengthMax) {
    return fail(ErrorCode::kCorruption, "content: the length of a list chunk is absurd");
  }
  extent.list_length = static_cast<std::uint32_t>(list_length);
  return {};
}

void encode_content(const ContentRoot& content, Bytes& out) {
  out.push_back(content.level);
  for (const Extent& extent : content.extents) append_extent(extent, out);
}

std::size_t encoded_content_bytes(const ContentRoot& content) {
  std::size_t bytes = 1;
  for (const Extent& extent : content.extents) bytes += encoded_extent_bytes(extent);
  return bytes;
}

Result<ContentRoot> decode_content(ByteView encoded) {
  if (encoded.size() > kInlineContentMax) {
    return fail(ErrorCode::kCorruption, "content: it is too long to stand in an entry");
  }
  ExtentReader reader = TRY(ExtentReader::open(encoded));
  ContentRoot content;
  content.level = reader.level();
  while (!reader.done()) content.extents.push_back(TRY(reader.next()));
  if (content.level > 0 && content.extents.empty()) {
    return fail(ErrorCode::kCorruption, "content: a list of lists is empty");
  }
  return content;
}

std::optional<std::uint64_t> covered_bytes(const ContentRoot& content) {
  std::uint64_t covered = 0;
  for (const Extent& extent : content.extents) {
    if (covered + extent.length < covered) return std::nullopt;
    covered += extent.length;
  }
  return covered;
}

}  // namespace backstay::snapshot
