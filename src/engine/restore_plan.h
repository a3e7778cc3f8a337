// What a restore would do, told without doing any of it.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "engine/restore.h"

namespace backstay::engine {

struct RestorePlan {
  RestoreReport expected;           // what the restore would report
  std::uint64_t files_new = 0;      // of expected.files_restored: nothing has their name
  std::uint64_t files_changed = 0;  // ... and those that take the place of something
  std::uint64_t files_left = 0;     // of expected.files_unchanged: the overwrite rule says so
  std::uint64_t dirs_new = 0;

  std::uint64_t bytes_fetched = 0;  // sealed frames, each counted once
  std::uint64_t packs_needed = 0;
  std::vector<std::string> packs_missing;  // names of objects that the store does not list

  std::uint64_t bytes_needed = 0;  // what the target grows by at least
  std::uint64_t bytes_freed = 0;   // by removing what a killed restore left
  std::optional<std::uint64_t> bytes_free;
  std::uint64_t inodes_needed = 0;
  std::optional<std::uint64_t> inodes_free;
  std::string file_system;            // of the target, where it is known by name
  std::vector<std::string> warnings;  // what the target cannot keep, each a sentence
  std::optional<Error> refusal;       // why the restore would not begin

  // An estimate from the rate at which a few of the needed frames came just now. Nothing where
  // none are needed, or none could be read.
  std::optional<double> seconds;
};

// Walks, compares and counts as the restore does; conflicts, and files that cannot be restored, go
// to activity.report, and what --delete would delete to options.on_delete. Fails as restore() does
// for what cannot be chosen; a target that is full or read-only is the plan's refusal.
Result<RestorePlan> plan_restore(repo::Repository& repository, const snapshot::Snapshot& snapshot,
                                 const RestoreOptions& options, Activity& activity);

}  // namespace backstay::engine
