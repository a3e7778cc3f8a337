// How far each store has come, so that one that was set back to an earlier state (an image of its
// disk, a snapshot of its machine) is told from one that has all that it took
// (docs/placement-format.md section 2.1).
//
// With each barrier a store gets a note with the next number, and after it the others get one that
// says how far it is: what no longer has the number that others saw lacks what it took since.
#pragma once

#include <compare>
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "backend/backend.h"
#include "backend/placement/map.h"
#include "backend/placement/part.h"

namespace backstay::backend::placement {

// Ordered by the disk of the store, and then by what it took.
struct Progress {
  std::uint64_t incarnation = 0;
  std::uint64_t count = 0;
  friend auto operator<=>(const Progress&, const Progress&) = default;
};
using KnownProgress = std::map<StoreId, Progress>;
// Takes over what is further.
void learn(KnownProgress& known, const KnownProgress& more);

// "placement/count-0000000001"; its content is the identity of the store.
[[nodiscard]] std::string count_name(std::uint64_t count);
// "placement/seen-0000000001-00112233445566778899aabbccddeeff"
[[nodiscard]] std::string seen_name(std::uint64_t number, const Nonce& nonce);
// What "placement/" of a store lists.
struct ProgressNotes {
  std::vector<std::uint64_t> counts;  // ascending
  std::vector<std::string> seen;      // the last ones: each says what those before it said
  [[nodiscard]] std::uint64_t count() const { return counts.empty() ? 0 : counts.back(); }
  void add(std::string_view name);
};
Result<ProgressNotes> list_progress(Backend& store);
// The number of a note of what was seen, 0 for other names.
[[nodiscard]] std::uint64_t number_of_seen(std::string_view name);

// A note of what others were seen to have, and back. corruption for anything that breaks a rule of
// the page, or is of another placement.
[[nodiscard]] Bytes encode_seen(const PlacementId& placement, const KnownProgress& known);
Result<KnownProgress> decode_seen(const PlacementId& placement, ByteView bytes);

// So many of the last numbers stay in a store: who puts one may have listed those before it.
inline constexpr std::uint64_t kCountsKept = 8;
inline constexpr std::size_t kSeenReadMax = 16;  // notes that a store keeps for ever are many
inline constexpr std::size_t kSeenStoresMax = 1024;

}  // namespace backstay::backend::placement
