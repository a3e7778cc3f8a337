// What restore --plan prints.
#pragma once

#include <string>

#include "engine/restore_plan.h"
#include "json/json_fwd.h"

namespace backstay::cli {

[[nodiscard]] json::Json plan_line(const engine::RestorePlan& plan, double seconds);
[[nodiscard]] std::string plan_text(const engine::RestorePlan& plan);

}  // namespace backstay::cli
