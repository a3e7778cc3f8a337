// Which map holds from now on, and that those who come later can tell
// (docs/placement-format.md sections 2.2 and 7).
#pragma once

#include "backend/placement/upkeep.h"

namespace backstay::backend::placement {

// After the last pass of a change: the map without what leaves. What leaves is emptied, once
// enough stores say that the map was decided.
Result<void> settle_map(PlacementBackend& backend, const View& view);

// Puts notes that the view's map was decided on its stores, so that who comes later needs none of
// those that left; W of them have it, durable, or it is unavailable. Nothing while it is moving:
// then the stores of the map before are still there. `besides` are stores that are known to have
// it.
Result<void> tell_decided(PlacementBackend& backend, const View& view, StoreMask besides = 0);

}  // namespace backstay::backend::placement
