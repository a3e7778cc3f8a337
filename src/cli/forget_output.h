// What forget shows: its plan as tables for people and as JSON lines, and the sum of what it did.
#pragma once

#include <string>
#include <vector>

#include "engine/forget.h"
#include "json/json_fwd.h"

namespace backstay::cli {

[[nodiscard]] std::string forget_plan_text(const engine::ForgetPlan& plan);
[[nodiscard]] std::vector<json::Json> forget_plan_lines(const engine::ForgetPlan& plan);

[[nodiscard]] json::Json removed_line(const snapshot::SnapshotId& id);
[[nodiscard]] std::string forget_text(const engine::ForgetReport& report, bool dry_run);
[[nodiscard]] json::Json forget_summary(const engine::ForgetReport& report, bool dry_run);

}  // namespace backstay::cli
