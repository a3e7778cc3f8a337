// The verb stats: how much there is and what it costs.
#pragma once

#include <optional>

#include "engine/activity.h"
#include "repo/repository.h"

namespace backstay::engine {

struct StatsReport {
  std::uint64_t snapshots = 0;
  std::uint64_t files = 0;  // of the chosen snapshots, counted in each
  std::uint64_t dirs = 0;
  std::uint64_t restore_bytes = 0;  // what restoring them all would write
  std::uint64_t unique_chunks = 0;  // referred to by them
  std::uint64_t unique_bytes = 0;   // plaintext of those chunks
  std::uint64_t stored_bytes = 0;   // all objects of the repository
  std::uint64_t data_packs = 0;
  std::uint64_t data_bytes = 0;
  std::uint64_t meta_packs = 0;
  std::uint64_t meta_bytes = 0;
  std::uint64_t index_runs = 0;
  std::uint64_t index_bytes = 0;
  std::uint64_t index_entries = 0;
  double dedup_ratio = 0;        // restore_bytes / unique_bytes
  double compression_ratio = 0;  // unique_bytes / data pack bytes, all snapshots only
};

// Of one snapshot, or of all.
Result<StatsReport> stats(repo::Repository& repository,
                          const std::optional<snapshot::Snapshot>& snapshot, Activity& activity);

}  // namespace backstay::engine
