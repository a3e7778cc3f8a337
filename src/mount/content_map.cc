#include "mount/content_map.h"

#include <algorithm>
#include <optional>

#include "base/try.h"
#include "snapshot/content_item.h"

namespace backstay::mount {

namespace {

using snapshot::Extent;
using snapshot::ExtentKind;

// Takes extents in file order until it has those around an offset: either a list that covers it, to
// be looked into, or a run of others.
class Taker {
 public:
  Taker(std::uint64_t from, std::uint64_t wanted) : at_(from), wanted_(wanted) {
    stretch_.from = stretch_.until = from;
  }

  // False when what follows is of no interest.
  bool take(const Extent& extent) {
    const std::uint64_t end = at_ + extent.length;
    if (extent.kind == ExtentKind::kList) {
      if (wanted_ < at_) return false;
      if (wanted_ < end) {
        list_ = {.offset = at_, .extent = extent};
        return false;
      }
      stretch_ = {.from = end, .until = end, .extents = {}};
    } else {
      stretch_.extents.push_back({.offset = at_, .extent = extent});
      stretch_.until = end;
    }
    at_ = end;
    return true;
  }

  [[nodiscard]] const std::optional<PlacedExtent>& list() const { return list_; }
  [[nodiscard]] ContentStretch& stretch() { return stretch_; }
  [[nodiscard]] bool covers_wanted() const {
    return stretch_.from <= wanted_ && wanted_ < stretch_.until;
  }

 private:
  std::uint64_t at_;
  const std::uint64_t wanted_;
  ContentStretch stretch_;
  std::optional<PlacedExtent> list_;
};

std::unexpected<Error> fail_list() {
  return fail(ErrorCode::kCorruption, "content: a list does not cover what its parent says");
}

// Gives the level of the list.
Result<std::uint8_t> take_list(const PlacedExtent& list, std::uint8_t level,
                               chunk::ChunkReader& lists, Taker& taker) {
  const chunk::ChunkRef ref{list.extent.id, list.extent.list_length};
  const Bytes encoded = TRY_DOING("reading content list " + ref.id.short_hex(), lists.read(ref));
  snapshot::ExtentReader reader = TRY(snapshot::ExtentReader::open(encoded));
  if (reader.level() + 1 != level)
    return fail(ErrorCode::kCorruption, "content: a list is not one level below its parent");
  while (!reader.done()) {
    const Extent extent = TRY(reader.next());
    if (reader.covered() > list.extent.length) return fail_list();
    if (!taker.take(extent)) return reader.level();
  }
  if (reader.covered() != list.extent.length) return fail_list();
  return reader.level();
}

}  // namespace

std::size_t ContentStretch::at(std::uint64_t offset) const {
  const auto after = std::ranges::upper_bound(extents, offset, {}, &PlacedExtent::offset);
  return static_cast<std::size_t>(after - extents.begin()) - 1;
}

Result<std::unique_ptr<ContentMap>> ContentMap::open(std::shared_ptr<const snapshot::Entry> file,
                                                     chunk::ChunkReader& lists) {
  if (snapshot::covered_bytes(file->content) != file->size_bytes)
    return fail(ErrorCode::kCorruption, "content: it does not cover the size of the file");
  return std::unique_ptr<ContentMap>(new ContentMap(std::move(file), lists));
}

Result<StretchPtr> ContentMap::stretch_at(std::uint64_t offset) {
  {
    const MutexLock lock(mutex_);
    if (last_ != nullptr && last_->from <= offset && offset < last_->until) return last_;
  }
  std::uint8_t level = file_->content.level;
  Taker top(0, offset);
  for (const Extent& extent : file_->content.extents)
    if (!top.take(extent)) break;
  std::optional<PlacedExtent> list = top.list();
  ContentStretch found = std::move(top.stretch());
  bool covered = top.covers_wanted();
  // Levels descend by one from at most kContentLevelMax: that bounds the turns.
  while (list) {
    Taker taker(list->offset, offset);
    level = TRY(take_list(*list, level, lists_, taker));
    list = taker.list();
    found = std::move(taker.stretch());
    covered = taker.covers_wanted();
  }
  if (!covered) return fail_list();
  auto stretch = std::make_shared<const ContentStretch>(std::move(found));
  const MutexLock lock(mutex_);
  last_ = stretch;
  return stretch;
}

}  // namespace backstay::mount
