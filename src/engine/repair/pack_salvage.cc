#include "engine/repair/pack_salvage.h"

#include <algorithm>
#include <map>

#include "base/try.h"
#include "repo/pack_recovery.h"

namespace backstay::engine::repairing {

namespace {

chunk::ChunkId widened(const repo::IdPrefix& prefix) {
  chunk::ChunkId id;  // an index looks at as much of it as it keeps
  std::ranges::copy(prefix, id.bytes.begin());
  return id;
}

}  // namespace

Result<std::vector<KnownFrame>> frames_by_directory(const repo::Repository& repository,
                                                    const repo::Index::Pack& pack) {
  const repo::PackDirectory directory = TRY(
      repo::read_directory(repository.store(), repository.keyring(), repository.config().id, pack));
  std::vector<KnownFrame> frames;
  std::size_t number = 0;
  for (const repo::FrameLocation& at : repo::frame_locations(directory, pack.id, pack.kind)) {
    KnownFrame& frame = frames.emplace_back(KnownFrame{.at = at, .chunks = {}});
    std::uint32_t in_frame = 0;
    for (const chunk::ChunkRef& ref : directory.frames[number++].chunks) {
      frame.chunks.push_back(
          {.id = repo::prefix_of(ref.id), .offset = in_frame, .length = ref.length});
      in_frame += ref.length;
    }
  }
  return frames;
}

// Chunks of a frame stand one behind another, so that each ends where the next begins.
static void derive_lengths(KnownFrame& frame) {
  std::ranges::sort(frame.chunks, {}, &KnownFrame::Chunk::offset);
  const auto repeated = std::ranges::unique(frame.chunks, {}, &KnownFrame::Chunk::offset);
  frame.chunks.erase(repeated.begin(), repeated.end());
  std::uint32_t end = frame.at.raw_length;
  for (auto it = frame.chunks.rbegin(); it != frame.chunks.rend(); ++it) {
    it->length = it->offset < end ? end - it->offset : 0;
    end = it->offset;
  }
}

FramesByPack frames_by_index(const repo::Index& index,
                             const std::unordered_set<repo::ObjectId>& packs) {
  if (packs.empty()) return {};
  std::unordered_map<repo::ObjectId, std::map<std::uint32_t, KnownFrame>> by_offset;
  index.for_each_entry([&](const repo::IdPrefix& id, const repo::ChunkLocation& at) {
    if (!packs.contains(at.frame.pack)) return;
    KnownFrame& frame = by_offset[at.frame.pack][at.frame.offset];
    frame.at = at.frame;
    frame.chunks.push_back({.id = id, .offset = at.offset_in_frame, .length = 0});
  });
  FramesByPack found;
  for (auto& [pack, frames] : by_offset) {
    for (auto& [offset, frame] : frames) {
      derive_lengths(frame);
      found[pack].push_back(std::move(frame));
    }
  }
  return found;
}

PackSalvage::PackSalvage(repo::Repository& repository, RepairMode mode)
    : repository_(repository),
      session_(repository,
               repo::StoreSession::Options{.compression = repository.config().compression,
                                           .pack_bytes = repository.config().pack_bytes,
                                           .uploads = repository.world().uploads()},
               mode == RepairMode::kDryRun ? repo::StoreSession::Mode::kDryRun
                                           : repo::StoreSession::Mode::kStore) {}

Result<void> PackSalvage::save_frame(const KnownFrame& frame, const Bytes& raw,
                                     RepairedPack& result) {
  Bytes plaintext;
  repo::RawFrame kept{.kind = frame.at.pack_kind, .bytes = {}, .chunks = {}};
  for (const KnownFrame::Chunk& chunk : frame.chunks) {
    const bool inside =
        chunk.length > 0 && chunk.offset <= raw.size() && chunk.length <= raw.size() - chunk.offset;
    const ByteView bytes = inside ? ByteView(raw).subspan(chunk.offset, chunk.length) : ByteView();
    const chunk::ChunkId id = repository_.chunk_id(bytes);
    if (!inside || repo::prefix_of(id) != chunk.id) {
      unread_.back().push_back(chunk.id);
    } else if (session_.claim(id)) {
      kept.chunks.push_back({.id = id, .length = chunk.length});
      append(plaintext, bytes);
    } else {
      ++result.chunks_elsewhere;
    }
  }
  if (kept.chunks.empty()) return {};
  result.chunks_saved += kept.chunks.size();
  result.bytes_saved += plaintext.size();
  kept.bytes = plaintext;
  return session_.add(kept, encoder_);
}

Result<void> PackSalvage::save(const std::vector<KnownFrame>& frames, RepairedPack& result,
                               Activity& activity) {
  unread_.emplace_back();
  result.frames = frames.size();
  for (const KnownFrame& frame : frames) {
    if (activity.stop.stop_requested()) return fail(ErrorCode::kCancelled, "interrupted");
    const auto raw = repository_.read_frame(frame.at);
    activity.progress.bytes_done += frame.at.sealed_length;
    if (raw) {
      TRY(save_frame(frame, **raw, result));
      continue;
    }
    if (!repo::is_damage(raw.error().code()) && raw.error().code() != ErrorCode::kNotFound)
      return std::unexpected(raw.error().clone());
    ++result.frames_damaged;
    for (const KnownFrame::Chunk& chunk : frame.chunks) unread_.back().push_back(chunk.id);
  }
  return {};
}

Result<void> PackSalvage::finish(std::vector<RepairedPack>& results) {
  TRY(session_.flush());
  for (std::size_t i = 0; i < unread_.size(); ++i) {
    for (const repo::IdPrefix& id : unread_[i]) {
      // Claimed by this very question when nobody has it, so that it is counted once.
      if (session_.claim(widened(id)))
        ++results[i].chunks_lost;
      else
        ++results[i].chunks_elsewhere;
    }
  }
  return {};
}

}  // namespace backstay::engine::repairing
