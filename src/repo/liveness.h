// Which places of chunks are needed: one bit for each entry of the index.
//
// A chunk that is needed keeps one place: in a pack that can be trusted, and there in the newest,
// so that copies which an interrupted collection made are used and what they were made from goes.
// Without such a pack it keeps all its places. Which place that is depends on the index and the
// table alone, so that a chunk that is met again is known by its bit.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <set>
#include <unordered_set>
#include <vector>

#include "chunk/chunk.h"
#include "repo/index.h"
#include "repo/pack_table.h"

namespace backstay::repo {

class Liveness {
 public:
  // `table` knows all packs of the runs, and gets their sizes and what is needed of them. Nothing
  // else in it changes while this lives.
  Liveness(std::vector<std::shared_ptr<const IndexRun>> runs, PackTable& table);

  enum class Marked : std::uint8_t {
    kBefore,
    kNow,
    kNowhere,  // in no run, or only in packs that are not there; and not met before
  };
  Marked mark(const chunk::ChunkRef& ref);
  // The same, in a while: many are looked up together, in the order of the index, because in any
  // other order each brings another part of it into memory.
  void mark_later(const chunk::ChunkRef& ref);
  // Marks what is left of those. Returns how many of all that were nowhere, the same one once.
  std::uint64_t mark_rest();
  // The same for a page of a tree. True when no tree met it as a page before: a file may well hold
  // the bytes of a page, and what that page refers to is needed all the same.
  bool mark_page(const chunk::ChunkRef& page);
  // The same for a list of a file's chunks.
  bool mark_list(const chunk::ChunkRef& list);

  // Whether a chunk is needed at this place.
  [[nodiscard]] bool is_needed(const IdPrefix& id, std::uint32_t pack, std::uint32_t frame_offset,
                               std::uint32_t offset_in_frame) const;
  // Where the chunk is needed, or nothing.
  [[nodiscard]] std::optional<ChunkLocation> place_of(const IdPrefix& id) const;
  // Chunks in these packs that are needed, but at another place: calls `each` with that place
  // until it fails.
  Result<void> for_each_elsewhere(
      const std::unordered_set<std::uint32_t>& packs,
      const std::function<Result<void>(const IdPrefix&, const ChunkLocation&)>& each) const;
  // Chunks in these packs that are needed there: calls `each` with the place.
  void for_each_needed(const std::unordered_set<std::uint32_t>& packs,
                       const std::function<void(const ChunkLocation&)>& each) const;
  // What was looked at does not stay resident.
  void forget_pages() const;

 private:
  class Bits {
   public:
    explicit Bits(std::uint64_t count) : words_(static_cast<std::size_t>(count / 64 + 1)) {}
    [[nodiscard]] bool has(std::uint64_t at) const { return (words_[at / 64] >> at % 64 & 1) != 0; }
    // False when it was set before.
    bool set(std::uint64_t at) {
      const bool fresh = !has(at);
      words_[at / 64] |= std::uint64_t{1} << at % 64;
      return fresh;
    }

   private:
    std::vector<std::uint64_t> words_;
  };
  struct Run {
    std::shared_ptr<const IndexRun> run;
    std::vector<std::uint32_t> packs;  // numbers in the table
    Bits needed;
    Bits walked;        // pages, at the first of their places
    Bits walked_lists;  // the same of lists
  };
  struct Place {
    std::uint32_t run = 0;
    std::uint32_t pack = 0;
    std::uint64_t entry = 0;
    std::uint32_t frame_offset = 0;
    std::uint32_t offset_in_frame = 0;
    std::uint32_t sealed_bytes = 0;  // the chunk's share of its frame
    // Runs may repeat each other.
    [[nodiscard]] bool is_same(const Place& other) const {
      return pack == other.pack && frame_offset == other.frame_offset &&
             offset_in_frame == other.offset_in_frame;
    }
  };
  void sum_up(const std::vector<std::shared_ptr<const IndexRun>>& runs);
  bool set(const Place& place, std::uint32_t length);
  struct Later {
    IdPrefix id;
    std::uint32_t length = 0;
  };
  Marked mark(const IdPrefix& id, std::uint32_t length);
  void mark_all_of(std::vector<Later>& later);
  [[nodiscard]] bool serves_better(const Place& one, const Place& other) const;
  template <typename Each>
  void for_each_place(const IdPrefix& id, const Each& each) const;

  PackTable& table_;
  std::vector<Run> runs_;
  std::vector<Place> places_;   // of the chunk at hand
  std::set<IdPrefix> nowhere_;  // in no run at all
  std::vector<Later> later_;
  std::uint64_t later_nowhere_ = 0;
  std::uint64_t looked_up_ = 0;
};

}  // namespace backstay::repo
