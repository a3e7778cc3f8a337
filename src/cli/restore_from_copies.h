// What a restore from the primary of a set could not read, from the copies.
#pragma once

#include <cstdint>
#include <set>
#include <string>

#include "base/mutex.h"
#include "cli/command.h"
#include "cli/running.h"
#include "engine/activity.h"
#include "engine/restore.h"
#include "repo/repository.h"

namespace backstay::cli {

// Listens to a restore, and knows what of its trouble is damage of the repository. Thread-safe.
class DamageWatch {
 public:
  // `inner` hears everything, too.
  explicit DamageWatch(const engine::Activity& inner);

  [[nodiscard]] engine::Activity& activity() { return activity_; }
  [[nodiscard]] std::set<std::string> paths() const EXCLUDES(mutex_);
  // Whether there was trouble of any kind with it, or with a folder that it is in.
  [[nodiscard]] bool heard_of(const std::string& path) const EXCLUDES(mutex_);
  [[nodiscard]] std::uint64_t count() const EXCLUDES(mutex_);

 private:
  engine::Activity activity_;
  mutable Mutex mutex_;
  std::set<std::string> paths_ GUARDED_BY(mutex_);     // with damage
  std::set<std::string> troubled_ GUARDED_BY(mutex_);  // all
  std::uint64_t count_ GUARDED_BY(mutex_) = 0;
};

// One restore of a snapshot, and what came of it.
struct RestoredInPart {
  const repo::Repository& primary;
  const repo::StoredSnapshot& stored;
  const engine::RestoreOptions& options;
  const DamageWatch& watch;
  bool kept = false;  // there is a journal of what the restore changes
};

// Restores exactly the files that failed by damage, from the first copies that have this snapshot;
// all that is selected where a part of the tree was lost. `report` counts what came then as
// restored. The unit is the file, because copies have other keys and packs. Returns how many came.
Result<std::uint64_t> restore_from_copies(Context& context, const RestoredInPart& done,
                                          Running& running, engine::RestoreReport& report);

}  // namespace backstay::cli
