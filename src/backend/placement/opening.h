// What single stores say before there is a map to go by.
#pragma once

#include <map>
#include <optional>

#include "backend/backend.h"
#include "backend/placement/map.h"
#include "backend/placement/progress.h"

namespace backstay::backend::placement {

// What one store says of itself.
struct Told {
  std::optional<Identity> identity;
  std::map<std::uint64_t, Map> maps;  // the last two
  std::uint64_t decided = 0;          // the newest map that it says was decided; 0 for none
  ProgressNotes notes = {};
};
Result<Told> ask_store(Backend& store);
// The map of that number, where the store says that it was decided.
Result<Map> read_decided(Backend& store, const PlacementId& placement, std::uint64_t version);

}  // namespace backstay::backend::placement
