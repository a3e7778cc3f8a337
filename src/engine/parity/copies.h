// Whole copies of small objects that nothing can rebuild: config, snapshots, and notes about them.
#pragma once

#include "engine/parity/inventory.h"

namespace backstay::engine::parity_stages {

// As many copies of each as a group has shards. New sets are durable, and those that they replace
// are removed, when this returns.
Result<void> keep_copies(const ParityPlace& place, const Inventory& inventory, Activity& activity,
                         ParityReport& report);

// Puts back what is damaged, and the config also when it is missing.
struct CopyRepair {
  RepairMode mode = RepairMode::kRepair;
  std::vector<ParityRepaired> repaired;
};
Result<void> repair_from_copies(const ParityPlace& place, const std::vector<ParityObject>& copies,
                                Activity& activity, CopyRepair& repair);

}  // namespace backstay::engine::parity_stages
