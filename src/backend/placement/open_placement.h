// "placement:FILE".
#pragma once

#include <memory>
#include <string_view>

#include "backend/open.h"
#include "backend/placement/map_file.h"
#include "backend/placement/placement_backend.h"

namespace backstay::backend::placement {

// The part of the URL after "placement:".
Result<std::string> file_of(std::string_view url);

// `world` is copied; what it refers to outlives the opener.
[[nodiscard]] StoreOpener store_opener(const MapFile& file, OpenKind kind, const StoreWorld& world);

Result<std::unique_ptr<PlacementBackend>> open_placement_at(std::string_view url, OpenKind kind,
                                                            const StoreWorld& world);

// For the table of schemes.
Result<std::unique_ptr<Backend>> open_placement(std::string_view url, OpenKind kind,
                                                const StoreWorld& world);
// Says nothing against what open_placement() with kCreate looks at by itself.
Result<void> check_placement_is_free(std::string_view url, const StoreWorld& world);

}  // namespace backstay::backend::placement
