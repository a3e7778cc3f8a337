#include <utility>
#include <vector>

#include "base/try.h"
#include "snapshot/content.h"
#include "snapshot/content_item.h"
#include "snapshot/extent_cursor.h"

namespace backstay::snapshot {

namespace {

using EachExtent = std::function<Result<void>(std::uint64_t offset, const Extent& extent)>;
using EachList = std::function<Result<void>(const chunk::ChunkRef& list)>;

std::unexpected<Error> fail_coverage() {
  return fail(ErrorCode::kCorruption, "content: a list does not cover what its parent says");
}

// The bytes of a list chunk that an item of `level` names.
Result<Bytes> read_list(const Extent& extent, std::uint8_t level, chunk::ChunkReader& lists) {
  const chunk::ChunkRef list{extent.id, extent.list_length};
  Bytes encoded = TRY_DOING("reading content list " + list.id.short_hex(), lists.read(list));
  if (encoded.size() != list.length) {
    return fail(ErrorCode::kCorruption, "content: a list chunk has another length than said");
  }
  const ExtentReader reader = TRY(ExtentReader::open(encoded));
  // Levels descend by one from at most kContentLevelMax: that bounds the depth.
  if (reader.level() + 1 != level) {
    return fail(ErrorCode::kCorruption, "content: a list is not one level below its parent");
  }
  return encoded;
}

// Lists depth first.
class ListWalk {
 public:
  ListWalk(chunk::ChunkReader& lists, const EachList& each) : lists_(lists), each_(each) {}

  Result<void> visit(const Extent& extent, std::uint8_t level) {
    if (extent.kind != ExtentKind::kList) return {};
    TRY(each_({extent.id, extent.list_length}));
    if (level == 1) return {};
    const Bytes encoded = TRY(read_list(extent, level, lists_));
    ExtentReader reader = TRY(ExtentReader::open(encoded));
    while (!reader.done()) {
      const Extent item = TRY(reader.next());
      if (reader.covered() > extent.length) break;
      TRY(visit(item, reader.level()));
    }
    return reader.covered() == extent.length ? Result<void>{} : fail_coverage();
  }

 private:
  chunk::ChunkReader& lists_;
  const EachList& each_;
};

class ContentWalk {
 public:
  ContentWalk(chunk::ChunkReader& lists, const ContentVisitor& visitor)
      : lists_(lists), visitor_(visitor) {}

  Result<void> visit(const Extent& extent, std::uint8_t level) {
    if (extent.kind != ExtentKind::kList) return visitor_.extent(extent);
    if (!TRY(visitor_.list({extent.id, extent.list_length}))) return {};
    const Bytes encoded = TRY(read_list(extent, level, lists_));
    ExtentReader reader = TRY(ExtentReader::open(encoded));
    while (!reader.done()) {
      const Extent item = TRY(reader.next());
      if (reader.covered() > extent.length) break;
      TRY(visit(item, reader.level()));
    }
    return reader.covered() == extent.length ? Result<void>{} : fail_coverage();
  }

 private:
  chunk::ChunkReader& lists_;
  const ContentVisitor& visitor_;
};

}  // namespace

Result<void> walk_content(const ContentRoot& content, std::uint64_t size_bytes,
                          chunk::ChunkReader& lists, const ContentVisitor& visitor) {
  if (covered_bytes(content) != size_bytes) {
    return fail(ErrorCode::kCorruption, "content: it does not cover the size of the file");
  }
  ContentWalk walk(lists, visitor);
  for (const Extent& extent : content.extents) TRY(walk.visit(extent, content.level));
  return {};
}

Result<void> ExtentCursor::enter(const Extent& list, std::uint8_t level) {
  Bytes encoded = TRY(read_list(list, level, lists_));
  const ExtentReader reader = TRY(ExtentReader::open(encoded));
  open_.push_back({.encoded = std::move(encoded), .reader = reader, .length = list.length});
  return {};
}

Result<std::optional<Extent>> ExtentCursor::next() {
  while (true) {
    std::uint8_t level = content_.level;
    Extent extent;
    if (open_.empty()) {
      if (next_ == content_.extents.size()) return std::nullopt;
      extent = content_.extents[next_++];
    } else {
      List& list = open_.back();
      if (list.reader.done()) {
        if (list.reader.covered() != list.length) return fail_coverage();
        open_.pop_back();
        continue;
      }
      level = list.reader.level();
      extent = TRY(list.reader.next());
      if (list.reader.covered() > list.length) return fail_coverage();
    }
    if (extent.kind != ExtentKind::kList) return extent;
    TRY(enter(extent, level));
  }
}

Result<void> for_each_extent(const ContentRoot& content, std::uint64_t size_bytes,
                             chunk::ChunkReader& lists, const EachExtent& each) {
  if (covered_bytes(content) != size_bytes) {
    return fail(ErrorCode::kCorruption, "content: it does not cover the size of the file");
  }
  ExtentCursor cursor(content, lists);
  std::uint64_t offset = 0;
  while (const std::optional<Extent> extent = TRY(cursor.next())) {
    TRY(each(offset, *extent));
    offset += extent->length;
  }
  return {};
}

Result<void> for_each_list_chunk(const ContentRoot& content, chunk::ChunkReader& lists,
                                 const EachList& each) {
  ListWalk walk(lists, each);
  for (const Extent& extent : content.extents) TRY(walk.visit(extent, content.level));
  return {};
}

}  // namespace backstay::snapshot
