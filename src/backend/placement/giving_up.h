// More stores are lost for ever than may be: the rest goes on without them.
#pragma once

#include <string>
#include <vector>

#include "backend/placement/map_file.h"
#include "backend/placement/placement_backend.h"

namespace backstay::backend::placement {

struct GivenUp {
  Map before;
  Map after;
};

// What the map of the rest would be. All stores that are not named must answer, and none of those
// that are. invalid_argument where it makes no sense, also where enough stores are left to take the
// lost ones out in the ordinary way.
Result<GivenUp> plan_giving_up(const MapFile& file, const StoreOpener& open,
                               const std::vector<std::string>& lost, const PlacementWorld& world);
// Makes it so. What only the lost stores had is lost; if one of them comes back, it is no store of
// the placement any more. Goes on where it was cut.
Result<void> give_up(const MapFile& file, const StoreOpener& open, const GivenUp& planned,
                     const PlacementWorld& world);

}  // namespace backstay::backend::placement
