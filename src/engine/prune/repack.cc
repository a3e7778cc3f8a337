#include "engine/prune/repack.h"

#include <algorithm>
#include <utility>
#include <vector>

#include "base/try.h"
#include "repo/pack.h"
#include "repo/pack_recovery.h"

namespace backstay::engine::prune_stages {

using repo::PackKind;

Result<void> Repacker::copy(std::uint32_t number, const repo::PackUse& use) {
  const repo::Index::Pack& pack = use.pack;
  const std::string name = repo::object_name(repo::object_kind(pack.kind), pack.id);
  const repo::PackDirectory directory =
      TRY_DOING("reading " + name, repo::read_directory(repository_.store(), repository_.keyring(),
                                                        repository_.config().id, pack));
  NeededChunks needed;
  std::uint64_t found = 0;
  std::uint64_t frames_bytes = 0;
  for (const repo::FrameRecord& frame : directory.frames) frames_bytes += frame.sealed_length;
  bytes_read_ += pack.size_bytes - std::min(pack.size_bytes, frames_bytes);
  std::uint32_t offset = directory.prefix_size;
  for (const repo::FrameRecord& frame : directory.frames) {
    needed.clear();
    std::uint32_t offset_in_frame = 0;
    for (const chunk::ChunkRef& ref : frame.chunks) {
      const repo::IdPrefix id = repo::prefix_of(ref.id);
      if (liveness_.is_needed(id, number, offset, offset_in_frame)) {
        ++found;
        // Of what only condemned packs have, every place is needed, and one copy is enough.
        const bool again = use.condemned_in != 0 && rescued_.contains(id);
        if (!again) needed.emplace_back(ref, offset_in_frame);
      }
      offset_in_frame += ref.length;
    }
    const repo::FrameLocation at{.pack = pack.id,
                                 .pack_kind = pack.kind,
                                 .offset = offset,
                                 .sealed_length = frame.sealed_length,
                                 .raw_length = frame.raw_length,
                                 .codec = frame.codec};
    if (!needed.empty()) TRY(copy_frame(at, needed));
    if (use.condemned_in != 0) {
      for (const auto& [ref, offset_of_chunk] : needed) rescued_.insert(repo::prefix_of(ref.id));
    }
    offset += frame.sealed_length;
  }
  if (found == use.places_needed) return {};
  return fail(ErrorCode::kCorruption, "the index says of " + name + " what its directory does not");
}

// A frame that is needed as a whole stays one; what is left of others is put together.
Result<void> Repacker::copy_frame(const repo::FrameLocation& at, const NeededChunks& needed) {
  const Result<repo::FrameData> frame = repository_.read_frame(at);
  bytes_read_ += at.sealed_length;
  std::vector<Bytes> from_elsewhere(needed.size());
  std::vector<ByteView> chunks;
  std::uint64_t raw = 0;
  bool all_here = frame.has_value();
  for (std::size_t i = 0; i < needed.size(); ++i) {
    const auto& [ref, offset] = needed[i];
    const repo::ChunkLocation place{.frame = at, .offset_in_frame = offset};
    chunks.push_back(TRY(repository_.chunk_of(frame, place, ref, from_elsewhere[i])));
    all_here = all_here && from_elsewhere[i].empty();
    raw += ref.length;
  }
  if (all_here && raw == at.raw_length) {
    auto whole = std::make_unique<Restorage::Item>(
        Restorage::Item{.frame = {.kind = at.pack_kind, .bytes = **frame, .chunks = {}},
                        .shared = *frame,
                        .own = {}});
    for (const auto& [ref, offset] : needed) whole->frame.chunks.push_back(ref);
    return restorage_.add(std::move(whole));
  }
  for (std::size_t i = 0; i < needed.size(); ++i) {
    Gathered& gathered = at.pack_kind == PackKind::kData ? data_ : meta_;
    if (!gathered.chunks.empty() &&
        gathered.bytes.size() + chunks[i].size() > repository_.config().frame_bytes) {
      TRY(flush(at.pack_kind));
    }
    append(gathered.bytes, chunks[i]);
    gathered.chunks.push_back(needed[i].first);
  }
  return {};
}

Result<void> Repacker::flush(PackKind kind) {
  Gathered gathered = std::exchange(kind == PackKind::kData ? data_ : meta_, {});
  if (gathered.chunks.empty()) return {};
  auto item = std::make_unique<Restorage::Item>(
      Restorage::Item{.frame = {.kind = kind, .bytes = {}, .chunks = std::move(gathered.chunks)},
                      .shared = {},
                      .own = std::move(gathered.bytes)});
  item->frame.bytes = item->own;
  return restorage_.add(std::move(item));
}

Result<void> Repacker::finish() {
  TRY(flush(PackKind::kData));
  TRY(flush(PackKind::kMeta));
  return restorage_.finish();
}

}  // namespace backstay::engine::prune_stages
