// Places that a collection relies on, looked at before it gives up others for them.
//
// An index run is the word of whoever wrote it, perhaps of a client that may only write, and lies
// (docs/format.md section 5.5). What a pack says of itself counts where a holder of a full key
// sealed it; of any other pack only its bytes.
#pragma once

#include <cstdint>
#include <map>
#include <set>
#include <vector>

#include "engine/activity.h"
#include "repo/pack.h"
#include "repo/pack_table.h"
#include "repo/repository.h"

namespace backstay::engine::prune_stages {

class ReliedPlaces {
 public:
  // kBytes: whether it can still be read is asked too.
  enum class Depth : std::uint8_t { kDirectory, kBytes };
  // All of these outlive this.
  ReliedPlaces(repo::Repository& repository, const repo::PackTable& table, Activity& activity,
               Depth depth)
      : repository_(repository), table_(table), activity_(activity), depth_(depth) {}

  Result<void> add(const repo::IdPrefix& id, const repo::ChunkLocation& at);
  // False when one of them all is not what it was taken for. Then damaged packs are marked, and the
  // index says of the others what their directories say.
  Result<bool> finish();
  [[nodiscard]] std::uint64_t bytes_read() const { return bytes_read_; }

 private:
  struct Place {
    repo::IdPrefix id{};
    repo::ChunkLocation at;
  };
  // Where a chunk stands in a frame, as the directory has it.
  struct Listed {
    repo::FrameRecord frame;
    std::map<std::uint32_t, chunk::ChunkRef> chunks;  // by their offsets
  };
  struct Directory {
    bool by_full_key = false;
    std::map<std::uint32_t, Listed> frames;  // by their offsets in the pack
  };
  Result<void> look();
  Result<void> look_in_pack(std::span<const Place> places);
  Result<bool> look_in_frame(std::span<const Place> places, const Directory& directory);
  Result<Directory> directory_of(const repo::Index::Pack& pack);
  Result<void> note_damage(const repo::Index::Pack& pack, const Error& error);
  Result<void> correct_index();

  repo::Repository& repository_;
  const repo::PackTable& table_;
  Activity& activity_;
  const Depth depth_;
  std::vector<Place> places_;
  std::set<repo::ObjectId> misplaced_;  // packs of which a run says what is not so
  bool all_true_ = true;
  std::uint64_t bytes_read_ = 0;
};

}  // namespace backstay::engine::prune_stages
