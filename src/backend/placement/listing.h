// What all stores have, as one list (docs/placement-format.md section 6).
#pragma once

#include <map>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "backend/placement/view.h"

namespace backstay::backend::placement {

// A name as the stores have it.
struct Listed {
  StoreMask stores = 0;
  std::optional<std::uint64_t> size_bytes;  // of the object; nothing where the stores differ
  bool sizes_differ = false;
  Timestamp modified;  // the latest
};

struct Tombstone {
  StoreMask stores = 0;
  StoreMask old = 0;  // where it has stood for longer than any request is under way
};

// How long a tombstone stands at least: docs/placement-format.md section 4.3. Each run of a program
// leaves that of its lease.
inline constexpr std::int64_t kTombstoneOfLeaseSeconds = 7 * 24 * 60 * 60;
inline constexpr std::int64_t kTombstoneSeconds = 100 * 24 * 60 * 60;

struct Listing {
  StoreMask answered = 0;
  std::map<std::string, Listed, std::less<>> objects;
  std::map<std::string, Tombstone, std::less<>> tombstones;  // by their own names
  Troubles troubles;

  [[nodiscard]] const Tombstone* tombstone_of(std::string_view name) const;
};

// Which objects are listed: the repository's, or with those of section 1, or all that lies there.
enum class ListWhat : std::uint8_t { kRepository, kRepositoryAndMaps };

// Asks all stores, twice where objects move. unavailable when the list could miss something.
Result<void> list_stores(const View& view, std::string_view prefix, ListWhat what,
                         Listing& listing);

}  // namespace backstay::backend::placement
