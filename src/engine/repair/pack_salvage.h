// What is whole of a pack that is damaged.
#pragma once

#include <unordered_map>
#include <unordered_set>
#include <vector>

#include "engine/repair.h"
#include "repo/pack.h"
#include "repo/store_session.h"

namespace backstay::engine::repairing {

// A frame and the chunks in it, as far as they are known: by a directory with their ids, by the
// index with the beginnings of their ids.
struct KnownFrame {
  repo::FrameLocation at;
  struct Chunk {
    repo::IdPrefix id{};
    std::uint32_t offset = 0;
    std::uint32_t length = 0;
  };
  std::vector<Chunk> chunks;
};

// From the pack itself; corruption when its directory cannot be read.
Result<std::vector<KnownFrame>> frames_by_directory(const repo::Repository& repository,
                                                    const repo::Index::Pack& pack);
// From the index, of all these packs in one go.
using FramesByPack = std::unordered_map<repo::ObjectId, std::vector<KnownFrame>>;
[[nodiscard]] FramesByPack frames_by_index(const repo::Index& index,
                                           const std::unordered_set<repo::ObjectId>& packs);

// Brings what is whole, and in no pack that is trusted, into new packs.
class PackSalvage {
 public:
  PackSalvage(repo::Repository& repository, RepairMode mode);

  // Counts into `result`. A failure is that of the store, or cancelled.
  Result<void> save(const std::vector<KnownFrame>& frames, RepairedPack& result,
                    Activity& activity);
  // Durable and in the index when it returns; and then it can be said what is lost, in the order
  // in which the packs were given.
  Result<void> finish(std::vector<RepairedPack>& results);
  [[nodiscard]] repo::StoreSession::Totals totals() const { return session_.totals(); }

 private:
  Result<void> save_frame(const KnownFrame& frame, const Bytes& raw, RepairedPack& result);

  repo::Repository& repository_;
  repo::StoreSession session_;
  repo::FrameEncoder encoder_;
  // By number of the pack: what of it could not be read.
  std::vector<std::vector<repo::IdPrefix>> unread_;
};

}  // namespace backstay::engine::repairing
