// Chunks that are on their way but in no index run yet: a set of ids in flat tables.
//
// A set of nodes takes about 60 bytes an id and leaves the heap full of holes; an open table of ids
// takes 20 bytes a slot, between 27 and 54 bytes an id while it grows. Ids are keyed hashes, so
// some of their bits are the hash, and linear probing stays short. Taking an id out moves the ones
// behind it forward, so that there are no tombstones and the tables need no sweeping.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <utility>
#include <vector>

#include "base/bytes.h"
#include "base/mutex.h"
#include "repo/index_run.h"

namespace backstay::repo {

// Thread-safe, in shards, so that workers seldom meet.
class ClaimSet {
 public:
  // Bytes that an id takes at most, once there are many: a table that has just doubled is 3/8 full.
  static constexpr std::size_t kBytesEach = sizeof(IdPrefix) * 8 / 3 + 1;

  // False when the id is in the set already.
  bool insert(const IdPrefix& id) {
    Shard& shard = shard_of(id);
    const MutexLock lock(shard.mutex);
    return shard.table.insert(id);
  }
  void erase(const IdPrefix& id) {
    Shard& shard = shard_of(id);
    const MutexLock lock(shard.mutex);
    shard.table.erase(id);
  }

 private:
  class Table {
   public:
    bool insert(const IdPrefix& id) {
      if (id == kFree) return !std::exchange(holds_free_, true);
      if ((count_ + 1) * 4 > slots_.size() * 3) grow();
      std::size_t at = home_of(id);
      for (; slots_[at] != kFree; at = next(at)) {
        if (slots_[at] == id) return false;
      }
      slots_[at] = id;
      ++count_;
      return true;
    }

    void erase(const IdPrefix& id) {
      if (id == kFree) holds_free_ = false;
      if (id == kFree || count_ == 0) return;
      std::size_t hole = home_of(id);
      for (; slots_[hole] != id; hole = next(hole)) {
        if (slots_[hole] == kFree) return;
      }
      // Whoever stands behind the hole and would be looked for from before it moves into it.
      for (std::size_t at = next(hole); slots_[at] != kFree; at = next(at)) {
        if (distance(home_of(slots_[at]), at) < distance(hole, at)) continue;
        slots_[hole] = slots_[at];
        hole = at;
      }
      slots_[hole] = kFree;
      --count_;
    }

   private:
    static constexpr IdPrefix kFree{};  // as an id, it is kept in holds_free_
    static constexpr std::size_t kSlotsLeast = 64;

    [[nodiscard]] std::size_t next(std::size_t at) const { return (at + 1) & (slots_.size() - 1); }
    [[nodiscard]] std::size_t distance(std::size_t from, std::size_t to) const {
      return (to - from) & (slots_.size() - 1);
    }
    [[nodiscard]] std::size_t home_of(const IdPrefix& id) const {
      return load_le<std::size_t>(id.data() + 8) & (slots_.size() - 1);
    }
    void grow() {
      std::vector<IdPrefix> old(slots_.empty() ? kSlotsLeast : 2 * slots_.size(), kFree);
      old.swap(slots_);
      count_ = 0;
      for (const IdPrefix& id : old) {
        if (id != kFree) insert(id);
      }
    }

    std::vector<IdPrefix> slots_;  // a power of two of them, or none
    std::size_t count_ = 0;
    bool holds_free_ = false;
  };
  struct Shard {
    Mutex mutex;
    Table table GUARDED_BY(mutex);
  };
  Shard& shard_of(const IdPrefix& id) { return shards_[id[0] % shards_.size()]; }
  std::array<Shard, 16> shards_;
};

}  // namespace backstay::repo
