#include "mount/open_file.h"

#include <algorithm>
#include <cstring>

#include "base/try.h"
#include "engine/restore/locate_chunk.h"

namespace backstay::mount {

namespace {

using snapshot::ExtentKind;

// The kernel asks for the parts of one long read in any order, up to this far from each other.
constexpr std::uint64_t kDisorder = 2 << 20;
constexpr std::uint64_t kAheadMin = 2 << 20;
constexpr std::uint64_t kAheadMax = 32 << 20;

}  // namespace

Result<std::unique_ptr<OpenFile>> OpenFile::open(std::shared_ptr<const snapshot::Entry> file,
                                                 repo::Repository& repository, FrameStore& frames) {
  auto map = TRY(ContentMap::open(std::move(file), repository));
  return std::unique_ptr<OpenFile>(new OpenFile(std::move(map), repository, frames));
}

Result<std::size_t> OpenFile::read(std::uint64_t offset, MutableByteView out,
                                   const GivenUp& given_up) {
  if (offset >= map_->size_bytes()) return 0;
  const auto length =
      static_cast<std::size_t>(std::min<std::uint64_t>(out.size(), map_->size_bytes() - offset));
  look_ahead(offset, offset + length);
  std::size_t done = 0;
  while (done < length) {
    const StretchPtr stretch = TRY(map_->stretch_at(offset + done));
    for (std::size_t i = stretch->at(offset + done); i < stretch->extents.size() && done < length;
         ++i) {
      const PlacedExtent& placed = stretch->extents[i];
      const std::uint64_t skip = offset + done - placed.offset;
      const auto part = static_cast<std::size_t>(
          std::min<std::uint64_t>(length - done, placed.extent.length - skip));
      TRY(copy_from(placed, skip, out.subspan(done, part), given_up));
      done += part;
    }
  }
  return length;
}

Result<void> OpenFile::copy_from(const PlacedExtent& placed, std::uint64_t offset,
                                 MutableByteView out, const GivenUp& given_up) {
  if (placed.extent.kind != ExtentKind::kChunk) {
    std::ranges::fill(out, std::uint8_t{0});
    return {};
  }
  const repo::ChunkLocation at = TRY(engine::restoring::locate_chunk(repository_, placed.extent));
  const chunk::ChunkRef ref{.id = placed.extent.id,
                            .length = static_cast<std::uint32_t>(placed.extent.length)};
  const ChunkBytes chunk = TRY(frames_.chunk(ref, at, given_up));
  const ByteView part = chunk.bytes.subspan(static_cast<std::size_t>(offset), out.size());
  std::memcpy(out.data(), part.data(), part.size());
  return {};
}

// Twice as far with each read that goes on where the one before ended.
OpenFile::Ahead OpenFile::plan_ahead(std::uint64_t from, std::uint64_t until) {
  const MutexLock lock(mutex_);
  const bool goes_on = from <= read_until_ + kDisorder && read_until_ <= until + kDisorder;
  read_until_ = goes_on ? std::max(read_until_, until) : until;
  if (!goes_on) {
    distance_ = 0;
    expected_until_ = 0;
    return {};
  }
  const std::uint64_t most = std::min<std::uint64_t>(kAheadMax, frames_.limits().bytes_max / 4);
  distance_ = std::clamp(distance_ * 2, std::min(kAheadMin, most), most);
  const std::uint64_t end = std::min(map_->size_bytes(), read_until_ + distance_);
  const std::uint64_t begin = std::max(expected_until_, from);
  // A few large steps cost less than many small ones.
  if (end <= begin || (end < map_->size_bytes() && end - begin < distance_ / 4)) return {};
  expected_until_ = end;
  return {.from = begin, .until = end};
}

// Trouble on the way is told to the read that meets it.
void OpenFile::look_ahead(std::uint64_t from, std::uint64_t until) {
  const Ahead ahead = plan_ahead(from, until);
  for (std::uint64_t at = ahead.from; at < ahead.until;) {
    const auto stretch = map_->stretch_at(at);
    if (!stretch) return;
    for (std::size_t i = (*stretch)->at(at); i < (*stretch)->extents.size() && at < ahead.until;
         ++i) {
      const PlacedExtent& placed = (*stretch)->extents[i];
      at = placed.offset + placed.extent.length;
      if (placed.extent.kind != ExtentKind::kChunk) continue;
      const auto location = repository_.index().find(placed.extent.id);
      if (location) frames_.expect(location->frame);
    }
  }
}

Result<std::optional<std::uint64_t>> OpenFile::next_where(std::uint64_t offset, Wanted wanted) {
  while (offset < map_->size_bytes()) {
    const StretchPtr stretch = TRY(map_->stretch_at(offset));
    for (std::size_t i = stretch->at(offset); i < stretch->extents.size(); ++i) {
      const PlacedExtent& placed = stretch->extents[i];
      const bool hole = placed.extent.kind == ExtentKind::kHole;
      if (hole == (wanted == Wanted::kHole)) return std::max(offset, placed.offset);
      offset = placed.offset + placed.extent.length;
    }
  }
  return std::nullopt;
}

Result<std::optional<std::uint64_t>> OpenFile::next_data(std::uint64_t offset) {
  return next_where(offset, Wanted::kData);
}

// The end of a file counts as a hole.
Result<std::optional<std::uint64_t>> OpenFile::next_hole(std::uint64_t offset) {
  if (offset >= map_->size_bytes()) return std::nullopt;
  const auto found = TRY(next_where(offset, Wanted::kHole));
  return found ? found : map_->size_bytes();
}

}  // namespace backstay::mount
