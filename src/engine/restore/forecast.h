// The plan of a restore as people are shown it.
#pragma once

#include "engine/restore/plan.h"
#include "engine/restore_plan.h"

namespace backstay::engine::restoring {

// What the restore would report, of a plan made with kFull.
[[nodiscard]] RestoreReport planned_report(const Plan& plan, const Outcome& outcome);

// Reads a few of the frames that are needed, and the list of packs.
Result<RestorePlan> forecast(Site& site, const Plan& plan);

}  // namespace backstay::engine::restoring
