// Who keeps what a restore will change, before it changes anything.
#pragma once

#include "base/error.h"
#include "engine/restore/changes.h"
#include "engine/restore/saved_states.h"

namespace backstay::engine::restoring {

class ChangeKeeper {
 public:
  virtual ~ChangeKeeper() = default;
  // Called once, between the plan and the first change; after a failure nothing is changed.
  virtual Result<void> keep(const TargetChanges& changes) = 0;
  // What the restore may replace and delete, from then on. Null before.
  [[nodiscard]] virtual const SavedStates* saved() const = 0;
};

}  // namespace backstay::engine::restoring
