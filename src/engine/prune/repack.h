// What is needed of a pack, stored again in new ones.
#pragma once

#include <cstdint>
#include <set>
#include <utility>
#include <vector>

#include "engine/activity.h"
#include "engine/prune/restorage.h"
#include "repo/liveness.h"
#include "repo/repository.h"

namespace backstay::engine::prune_stages {

// Copies pack after pack. Every frame is decoded and every chunk compared with its id on the way.
class Repacker {
 public:
  Repacker(repo::Repository& repository, const repo::Liveness& liveness, std::size_t uploads,
           std::size_t threads)
      : repository_(repository), liveness_(liveness), restorage_(repository, uploads, threads) {}

  // All that is needed of the pack is on its way. Damage of the pack, and what of it cannot be had,
  // is a failure of that pack alone: corruption, not_found.
  Result<void> copy(std::uint32_t number, const repo::PackUse& use);
  // All that was copied is durable and in the index.
  Result<void> finish();

  [[nodiscard]] std::uint64_t bytes_read() const { return bytes_read_; }
  [[nodiscard]] std::uint64_t bytes_stored() const { return restorage_.bytes_stored(); }
  // True when the failure was that of the store, so that nothing can be copied any more.
  [[nodiscard]] bool broken() const { return restorage_.broken(); }

 private:
  // With their offsets in the frame.
  using NeededChunks = std::vector<std::pair<chunk::ChunkRef, std::uint32_t>>;
  Result<void> copy_frame(const repo::FrameLocation& at, const NeededChunks& needed);
  Result<void> flush(repo::PackKind kind);

  repo::Repository& repository_;
  const repo::Liveness& liveness_;
  Restorage restorage_;
  // Chunks of frames that are partly needed, until they make a frame.
  struct Gathered {
    Bytes bytes;
    std::vector<chunk::ChunkRef> chunks;
  };
  std::set<repo::IdPrefix> rescued_;
  Gathered data_;
  Gathered meta_;
  std::uint64_t bytes_read_ = 0;
};

}  // namespace backstay::engine::prune_stages
