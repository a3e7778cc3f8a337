// What a person does with many stores: look at them, restore what is missing, change which there
// are, and move objects to where they belong. Other clients go on meanwhile; everything may be cut
// anywhere and is gone on with by the next call (docs/placement-format.md section 7).
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "backend/placement/placement_backend.h"

namespace backstay::backend::placement {

struct StoreStatus {
  MapStore store;
  std::string trouble;  // why it is away; empty when it is there
  std::uint64_t objects = 0;
  std::uint64_t bytes = 0;
  std::uint64_t missing = 0;    // copies that it should have
  std::uint64_t misplaced = 0;  // copies that belong elsewhere
  double share = 0;             // of the partitions that are owned: 0 to 1
};

struct PlacementStatus {
  Map map;
  std::vector<StoreStatus> stores = {};
  std::uint64_t objects = 0;     // that are there at all
  std::uint64_t incomplete = 0;  // of them, those with fewer copies than they should have
  std::uint64_t removed = 0;     // tombstones that stand
  std::uint64_t left_over = 0;   // copies of removed objects
};

Result<PlacementStatus> placement_status(PlacementBackend& backend);

enum class Doing : std::uint8_t { kDoIt, kDryRun };
enum class Reading : std::uint8_t { kListings, kAllBytes };

// Of a disk that is replaced: whether it may be found again. Where two created an object at the
// same moment and both were killed, it may be the only one that says whose counts.
enum class OldDisk : std::uint8_t { kMayBeFound, kLostForEver };

struct UpkeepOptions {
  Doing doing = Doing::kDoIt;
  Reading reading = Reading::kListings;
  OldDisk old_disk = OldDisk::kMayBeFound;
  // Asked now and then: whether to leave off. May be empty.
  std::function<bool()> stopped = {};
};

struct UpkeepReport {
  std::uint64_t objects = 0;     // looked at
  std::uint64_t copies_put = 0;  // or to be put
  std::uint64_t copies_removed =
      0;  // from where they do not belong, damaged, or of removed objects
  std::uint64_t copies_damaged = 0;
  std::uint64_t bytes_put = 0;
  std::vector<std::string> lost = {};      // no whole copy was found
  std::vector<std::string> troubles = {};  // what could not be done, and why
  bool settled = false;                    // rebalance: everything is where it belongs
};

// Puts what is missing where it belongs, and removes what was removed while its store was away.
Result<UpkeepReport> repair_placement(PlacementBackend& backend, const UpkeepOptions& options);

// Begins a change: `edit` says how the next map differs. conflict when one is under way.
Result<void> change_map(PlacementBackend& backend, const std::function<Result<void>(Map&)>& edit);
// Begins a replacement: from the next map on only a disk of a new incarnation is the store. Where
// the map is settled or moving, it stays so.
Result<void> renew_incarnation(PlacementBackend& backend, const std::string& store);
// For stores that join: the store must be empty, and is marked as the one that the map will name.
Result<MapStore> prepare_store(PlacementBackend& backend, const FileStore& store, Backend& opened);
// Weights, domains and redundancy of the file for the stores that both have. False when nothing
// differs.
bool take_over(const MapFile& file, Map& map);

// A store's disk was lost and an empty one stands in its place. All that the store should have is
// copied there, and last of all it is marked as the store: until then it counts as away, so that no
// answer is ever given by it that lacks something. What others store or remove meanwhile they do as
// with any store that is away. All other stores must be there from beginning to end, or it is
// `unavailable`: what only the lost one and an absent one had would be forgotten. Goes on where it
// was cut. `opened` must be empty at first. An object of which only the lost disk can say whose
// counts makes it `unavailable`, before anything is changed; with OldDisk::kLostForEver the one
// that lies on the most stores counts from then on.
Result<UpkeepReport> refill_store(PlacementBackend& backend, const std::string& name,
                                  Backend& opened, const UpkeepOptions& options);

// Moves everything to where the map has it, and settles the map.
Result<UpkeepReport> rebalance_placement(PlacementBackend& backend, const UpkeepOptions& options);

}  // namespace backstay::backend::placement
