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
  ProgressNotes notes = {};
};
Result<Told> ask_store(Backend& store);

}  // namespace backstay::backend::placement
