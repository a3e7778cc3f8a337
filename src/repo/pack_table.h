// Every pack that is in the store or in the index, and what a collection must know of it
// (docs/format.md section 8.2).
#pragma once

#include <cstdint>
#include <unordered_map>
#include <unordered_set>
#include <vector>

#include "backend/backend.h"
#include "base/clock.h"
#include "repo/generation.h"
#include "repo/index.h"

namespace backstay::repo {

struct PackUse {
  Index::Pack pack;
  Timestamp modified;              // by the store's clock
  std::uint64_t condemned_in = 0;  // the generation; 0: not condemned
  bool stored = false;             // there is an object of that name
  bool present = false;            // and it has the size that the index says
  bool marked = false;             // a check found it damaged
  bool in_index = false;
  bool young = false;               // perhaps of a writer that is still at it: left alone
  std::uint64_t raw_bytes = 0;      // plaintext of its frames
  std::uint64_t raw_needed = 0;     // of the chunks that are needed there
  std::uint64_t sealed_bytes = 0;   // of its frames as they are stored
  std::uint64_t sealed_needed = 0;  // about, of the chunks that are needed there
  std::uint64_t places_needed = 0;  // how many those are

  // New references may be made to it, and collections may rely on it.
  [[nodiscard]] bool trusted() const { return present && !marked && condemned_in == 0; }
};

class PackTable {
 public:
  // Lists packs and marks. Before leases, snapshots and index are looked at.
  static Result<PackTable> list(backend::Backend& store, const std::vector<Generation>& known);
  // Takes in what the index says, once it was loaded.
  Result<void> take_in(backend::Backend& store, const Index& index);

  [[nodiscard]] std::vector<PackUse>& packs() { return packs_; }
  [[nodiscard]] const std::vector<PackUse>& packs() const { return packs_; }
  // Of a pack that is in the table.
  [[nodiscard]] std::uint32_t number_of(const ObjectId& pack) const { return numbers_.at(pack); }
  // Marked ones that are neither in the store nor in the index.
  [[nodiscard]] std::vector<ObjectId> marks_without_pack() const;
  // Generations whose packs are all gone from the store and from the index.
  [[nodiscard]] const std::vector<std::uint64_t>& spent_generations() const { return spent_; }

 private:
  Result<void> list_kind(backend::Backend& store, PackKind kind);
  Result<void> take_in_pack(backend::Backend& store, const Index::Pack& pack);

  std::vector<PackUse> packs_;
  std::unordered_map<ObjectId, std::uint32_t> numbers_;
  std::unordered_map<ObjectId, std::uint64_t> condemned_;
  std::vector<Generation> known_;
  std::unordered_set<ObjectId> marked_;
  std::vector<std::uint64_t> spent_;
};

}  // namespace backstay::repo
