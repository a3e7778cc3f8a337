// What "backstay placement" prints.
#pragma once

#include <string>

#include "backend/placement.h"
#include "json/json_fwd.h"

namespace backstay::cli {

[[nodiscard]] std::string placement_status_text(const backend::placement::PlacementStatus& status);
[[nodiscard]] json::Json placement_store_line(const backend::placement::StoreStatus& store);
[[nodiscard]] json::Json placement_status_line(const backend::placement::PlacementStatus& status);

[[nodiscard]] std::string placement_upkeep_text(const backend::placement::UpkeepReport& report,
                                                bool dry_run);
[[nodiscard]] json::Json placement_upkeep_line(const backend::placement::UpkeepReport& report,
                                               bool dry_run, double seconds);
[[nodiscard]] json::Json placement_plan_line(const backend::placement::Planned& planned);
[[nodiscard]] std::string placement_plan_text(const backend::placement::Planned& planned);

}  // namespace backstay::cli
