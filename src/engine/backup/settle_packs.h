// Before a backup: what the index says of packs against the packs that are there.
#pragma once

#include <vector>

#include "engine/activity.h"
#include "repo/pack_survey.h"
#include "repo/repository.h"

namespace backstay::engine::backup_stages {

struct SettleOptions {
  bool dry_run = false;
  bool write_only = false;  // the key reads no packs
  // Runs that could not be read because they are damaged: what stands in for them replaces them.
  std::vector<repo::ObjectId> damaged_runs;
  bool condemned_too = false;  // for readers; without it only where runs are damaged
};
// Packs that are lost or damaged no longer count as stored. Packs that no run names, of runs that
// were killed or whose index was lost, come into the index (docs/format.md sections 8.5 and 8.6).
Result<void> settle_packs(repo::Repository& repository, const SettleOptions& options,
                          Activity& activity);

// The second half of it, for repairs too.
struct AdoptedPacks {
  repo::RecoveredPacks packs;
  // Of these, those whose bytes do not match their names and whose directories say what readers may
  // find whole. They are marked, or would be in a dry run.
  std::vector<repo::ObjectId> damaged;
  bool runs_replaced = false;  // or would be, in a dry run
};
Result<AdoptedPacks> adopt_packs(repo::Repository& repository, const repo::PackSurvey& survey,
                                 const SettleOptions& options);

}  // namespace backstay::engine::backup_stages
