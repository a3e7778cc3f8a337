// Many stores as one, for whoever looks after them: what "backstay placement" does. The repository
// itself sees no more than a Backend (backend/open.h).
#pragma once

#include <memory>
#include <string>
#include <string_view>

#include "backend/placement/open_placement.h"
#include "backend/placement/upkeep.h"

namespace backstay::backend::placement {

// Folders of this machine that hold what Backend::describe() names: its own, or those of the stores
// of a placement.
[[nodiscard]] std::vector<std::string> folders_behind(const std::string& described);

// What a change would move: a share of all copies, 0 to 1.
struct Planned {
  Map next;
  double moves = 0;
};
enum class Change : std::uint8_t {
  kAdd,     // a store of the file joins; one that was drained takes objects again
  kRemove,  // a store leaves when its objects are elsewhere
  kDrain,   // a store is emptied and stays
};

// Whether more parts of an object than before may lie in one failure domain, where there are too
// few domains for anything else; of shards, more than may be lost.
enum class Domains : std::uint8_t { kMustSuffice, kMayBeFewer };
struct WishedChange {
  Change change = Change::kAdd;
  std::string store;
  Domains domains = Domains::kMustSuffice;
};

// What the map would be. `file` is read anew. invalid_argument where it makes no sense; conflict
// while another change is under way.
Result<Planned> plan_change(PlacementBackend& backend, const MapFile& file,
                            const WishedChange& wished);
// Begins it; rebalance_placement() finishes. A store that joins is made where it is missing.
Result<void> begin_change(PlacementBackend& backend, const MapFile& file,
                          const WishedChange& wished, const StoreWorld& world);
// Fills the empty place of a store that was lost (refill_store); it is made where it is missing.
Result<UpkeepReport> replace_store(PlacementBackend& backend, const MapFile& file,
                                   const std::string& store, const StoreWorld& world,
                                   const UpkeepOptions& options);
// Goes on without stores that are lost for ever, where too many are for any other way
// (placement/giving_up.h). What only they had is lost.
Result<void> give_stores_up(const MapFile& file, const std::vector<std::string>& lost,
                            const StoreWorld& world);
// Begins to move what lies elsewhere than it should, by the weights, domains and redundancy of the
// file; goes on where a change is under way. False when everything is where it belongs.
Result<bool> begin_rebalance(PlacementBackend& backend, const MapFile& file);

}  // namespace backstay::backend::placement
