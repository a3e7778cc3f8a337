// The verb repair: what of a damaged repository can be mended from the repository itself.
//
// What holds for all of them: nothing that could be read before cannot be read afterwards. They add
// before they take away, each step is durable before the next one, and they may be cut anywhere and
// run again. A failure of the store or of this machine ends them; it is never taken for damage.
// What the source still has is stored again by the next backup, and not their business.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "engine/activity.h"
#include "repo/repository.h"

namespace backstay::engine {

enum class RepairMode : std::uint8_t { kRepair, kDryRun };

// Who does it, for leases.
struct RepairAuthor {
  std::string host;
  std::string user;
};

// ---- the index (docs/format.md section 8.6)
struct IndexRepairOptions {
  RepairMode mode = RepairMode::kRepair;
  bool read_packs = false;  // compare the directory of every pack with the index, too
  RepairAuthor author;
};
struct ObjectTrouble {
  std::string object;
  std::string what;
};
// In a dry run: what would be done.
struct IndexRepairReport {
  std::vector<ObjectTrouble> damaged_runs;
  std::vector<ObjectTrouble> strange_runs;  // of a later version, perhaps: they stay
  std::uint64_t runs_replaced = 0;          // of the damaged ones
  std::uint64_t packs_taken_in = 0;         // that no run named
  std::uint64_t chunks_taken_in = 0;
  std::uint64_t packs_compared = 0;
  std::uint64_t packs_completed = 0;  // of which runs did not know all
  std::uint64_t packs_missing = 0;    // named by runs, and not there or of another length
  std::vector<ObjectTrouble> packs_unreadable;
};
Result<IndexRepairReport> repair_index(repo::Repository& repository,
                                       const IndexRepairOptions& options, Activity& activity);

// ---- generations (docs/format.md section 8.4)
struct GenerationRepairOptions {
  RepairMode mode = RepairMode::kRepair;
  RepairAuthor author;
};
struct GenerationRepairReport {
  std::vector<ObjectTrouble> damaged;  // or made by somebody without a key that reads
  std::uint64_t removed = 0;
  std::uint64_t begun = 0;  // the new generation
  std::uint64_t leases_ended = 0;
};
// What the damaged ones alone condemned is not condemned any more. Whoever calls this knows that no
// program uses the repository, nor sleeps; conflict when a lease lives.
Result<GenerationRepairReport> repair_generations(repo::Repository& repository,
                                                  const GenerationRepairOptions& options);

// ---- packs (docs/format.md section 8.5)
struct PackRepairOptions {
  RepairMode mode = RepairMode::kRepair;
  // Names or beginnings of names of packs, with or without their folder; empty: all that are marked
  // or have another length than the index says.
  std::vector<std::string> packs;
  RepairAuthor author;
};
enum class PackOutcome : std::uint8_t {
  kWhole,     // nothing to do, and no mark any more; unless it needs a newer program, see `what`
  kMissing,   // there is nothing to save from
  kSalvaged,  // what was whole and nowhere else is in new packs
  kRestored,  // brought back by parity as it was
};
[[nodiscard]] std::string_view to_string(PackOutcome outcome);
struct RepairedPack {
  std::string object;
  PackOutcome outcome = PackOutcome::kSalvaged;
  std::string what;                // what is wrong with it
  bool directory_readable = true;  // false: only what the index knows of it could be looked for
  std::uint64_t frames = 0;
  std::uint64_t frames_damaged = 0;
  std::uint64_t chunks_saved = 0;
  std::uint64_t bytes_saved = 0;       // plaintext
  std::uint64_t chunks_elsewhere = 0;  // whole packs have them
  std::uint64_t chunks_lost = 0;       // no pack has them
};
struct PackRepairReport {
  std::vector<RepairedPack> packs;
  std::uint64_t packs_written = 0;
  std::uint64_t bytes_stored = 0;
};
// not_found when a name in the options fits no pack, invalid_argument when it fits several.
Result<PackRepairReport> repair_packs(repo::Repository& repository,
                                      const PackRepairOptions& options, Activity& activity);

// ---- snapshots (docs/format.md sections 7 and 8.8)
struct SnapshotRepairOptions {
  RepairMode mode = RepairMode::kRepair;
  std::vector<snapshot::SnapshotId> snapshots;  // empty: all
  bool keep = false;                            // the damaged ones stay beside the new ones
  RepairAuthor author;
};
enum class SnapshotOutcome : std::uint8_t {
  kWhole,
  kReplaced,     // a new one without what is lost stands in its place
  kKept,         // a new one is there, and this one stays, too
  kNothingLeft,  // nothing of it can be read: it stays
  kRefused,      // see RepairedSnapshot::what
};
[[nodiscard]] std::string_view to_string(SnapshotOutcome outcome);
struct RepairedSnapshot {
  repo::StoredSnapshot original;
  SnapshotOutcome outcome = SnapshotOutcome::kWhole;
  std::optional<snapshot::SnapshotId> made;  // not in a dry run
  std::uint64_t files_lost = 0;
  std::uint64_t stretches_lost = 0;
  std::string what;
};
// What is left out of a new snapshot.
struct LostEntry {
  const snapshot::SnapshotId& snapshot;  // the damaged one
  const std::string& path;
  bool from_here_on = false;  // a stretch of the tree that begins there
  std::string what;
};
struct SnapshotRepairEvents {
  std::function<void(const LostEntry&)> lost;
  std::function<void(const RepairedSnapshot&)> done;  // not of whole ones
};
struct SnapshotRepairReport {
  std::uint64_t whole = 0;
  std::uint64_t replaced = 0;
  std::uint64_t kept = 0;
  std::uint64_t left = 0;  // that nothing could be done about
  std::uint64_t files_lost = 0;
  std::uint64_t stretches_lost = 0;
  std::vector<snapshot::SnapshotId> damaged;  // whose own objects are damaged
};
Result<SnapshotRepairReport> repair_snapshots(repo::Repository& repository,
                                              const SnapshotRepairOptions& options,
                                              const SnapshotRepairEvents& events,
                                              Activity& activity);

}  // namespace backstay::engine
