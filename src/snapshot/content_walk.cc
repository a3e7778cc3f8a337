#include <vector>

#include "base/try.h"
#include "snapshot/content.h"
#include "snapshot/content_item.h"

namespace backstay::snapshot {

namespace {

using EachExtent = std::function<Result<void>(std::uint64_t offset, const Extent& extent)>;
using EachList = std::function<Result<void>(const chunk::ChunkRef& list)>;

// Walks lists depth first. The depth is bounded: levels descend by one from at most
// kContentLevelMax. A list must cover exactly what the item that names it says.
class ContentWalk {
 public:
  ContentWalk(chunk::ChunkReader& lists, const EachExtent* each_extent, const EachList* each_list)
      : lists_(lists), each_extent_(each_extent), each_list_(each_list) {}

  Result<void> visit(const Extent& extent, std::uint8_t level) {
    if (extent.kind != ExtentKind::kList) {
      if (each_extent_ != nullptr) TRY((*each_extent_)(offset_, extent));
      offset_ += extent.length;
      return {};
    }
    const chunk::ChunkRef list{extent.id, extent.list_length};
    if (each_list_ != nullptr) TRY((*each_list_)(list));
    if (each_extent_ == nullptr && level == 1) return {};
    return read_list(extent, list, level);
  }

 private:
  Result<void> read_list(const Extent& extent, const chunk::ChunkRef& list, std::uint8_t level) {
    const Bytes encoded =
        TRY_DOING("reading content list " + list.id.short_hex(), lists_.read(list));
    if (encoded.size() != list.length) {
      return fail(ErrorCode::kCorruption, "content: a list chunk has another length than said");
    }
    ExtentReader reader = TRY(ExtentReader::open(encoded));
    if (reader.level() + 1 != level) {
      return fail(ErrorCode::kCorruption, "content: a list is not one level below its parent");
    }
    while (!reader.done()) {
      const Extent item = TRY(reader.next());
      if (reader.covered() > extent.length) break;
      TRY(visit(item, reader.level()));
    }
    if (reader.covered() != extent.length) {
      return fail(ErrorCode::kCorruption, "content: a list does not cover what its parent says");
    }
    return {};
  }

  chunk::ChunkReader& lists_;
  const EachExtent* each_extent_;
  const EachList* each_list_;
  std::uint64_t offset_ = 0;
};

}  // namespace

Result<void> for_each_extent(const ContentRoot& content, std::uint64_t size_bytes,
                             chunk::ChunkReader& lists, const EachExtent& each) {
  if (covered_bytes(content) != size_bytes) {
    return fail(ErrorCode::kCorruption, "content: it does not cover the size of the file");
  }
  ContentWalk walk(lists, &each, nullptr);
  for (const Extent& extent : content.extents) TRY(walk.visit(extent, content.level));
  return {};
}

Result<void> for_each_list_chunk(const ContentRoot& content, chunk::ChunkReader& lists,
                                 const EachList& each) {
  ContentWalk walk(lists, nullptr, &each);
  for (const Extent& extent : content.extents) TRY(walk.visit(extent, content.level));
  return {};
}

}  // namespace backstay::snapshot
