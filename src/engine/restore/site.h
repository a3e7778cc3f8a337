// What every part of one restore works with.
#pragma once

#include "engine/restore.h"
#include "engine/restore/limits.h"
#include "engine/restore/outcome.h"
#include "engine/restore/temporary_names.h"
#include "repo/repository.h"
#include "snapshot/snapshot.h"
#include "source/target_tree.h"

namespace backstay::engine::restoring {

class SavedStates;

struct Site {
  repo::Repository& repository;
  const snapshot::Snapshot& snapshot;
  const RestoreOptions& options;
  const Limits& limits;
  Outcome& outcome;
  TemporaryNames& names;
  source::TargetTree* target = nullptr;  // null: there is no target folder yet (dry runs, plans)
  // What may be replaced and deleted; null where the restore keeps nothing of it.
  const SavedStates* saved = nullptr;
  bool ignores_case = false;  // of the target's file system
};

}  // namespace backstay::engine::restoring
