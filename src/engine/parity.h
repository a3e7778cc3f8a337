// The verb parity: packs that are lost or damaged come back from Reed-Solomon shards
// (docs/format.md section 10.1, docs/parity.md).
//
// Nothing here needs a key: not the making, not the looking, not the repair. What is rebuilt counts
// only when its bytes match its name, so that a parity object that lies costs time and nothing
// else. Everything may be cut anywhere: at worst shards are left over that the next run removes.
#pragma once

#include <cstdint>
#include <string>
#include <unordered_set>
#include <vector>

#include "engine/activity.h"
#include "engine/repair.h"
#include "repo/parity_object.h"
#include "repo/repository.h"

namespace backstay::engine {

// A store, and whose it is.
struct ParityPlace {
  backend::Backend& store;
  repo::RepositoryId repository;
  repo::World world;
};
[[nodiscard]] inline ParityPlace parity_place(const repo::Repository& repository) {
  return {.store = repository.store(),
          .repository = repository.config().id,
          .world = repository.world()};
}

struct ParityOptions {
  RepairAuthor author;
  std::uint32_t block_bytes = 256 * 1024;  // damage is located and repaired by blocks
  std::uint64_t memory_limit = 0;          // for shards and a pack; larger packs are left; 0: none
};

// Larger packs are not covered: the shards of a group are held in memory while they are made, and
// are as long as its longest pack.
inline constexpr std::uint64_t kCoveredPackMax = repo::kParityPayloadMax;
// What a keeping run holds in memory at most: the shards, a pack, and what names it all.
[[nodiscard]] std::uint64_t parity_memory_bound(unsigned shards, std::uint64_t pack_bytes);

// `hundredths` of a percent of the packs. With `shards` 0: two, or one where two would take too
// large groups. invalid_argument when it cannot be had.
Result<repo::ParityWish> plan_parity(std::uint32_t hundredths, unsigned shards);

struct ParityReport {
  std::uint64_t groups_made = 0;
  std::uint64_t groups_removed = 0;
  std::uint64_t packs_covered = 0;  // that were not before
  std::uint64_t packs_damaged = 0;  // met on the way, and not covered
  std::uint64_t packs_too_large = 0;
  std::uint64_t copies = 0;  // small objects that are copied now
  std::uint64_t bytes_read = 0;
  std::uint64_t bytes_written = 0;
};
// Covers what is not covered, as the repository wishes; nothing where it does not. What collections
// freed or dissolved is put together again.
Result<ParityReport> keep_parity(const ParityPlace& place, const ParityOptions& options,
                                 Activity& activity);
// Records the wish, and covers everything as it says: groups of another size are made anew.
Result<ParityReport> add_parity(const ParityPlace& place, const repo::ParityWish& wish,
                                const ParityOptions& options, Activity& activity);

// What a repair that was killed had removed in order to replace it comes back. Before a collection
// lists snapshots: one that is missing for the moment was not forgotten.
Result<void> finish_replacements(const ParityPlace& place, const Activity& activity);

struct ParityTraffic {
  std::uint64_t bytes_read = 0;
  std::uint64_t bytes_written = 0;
};
struct TakenOut {
  // They must stay, because without them a pack that was lost could not be rebuilt any more.
  std::unordered_set<repo::ObjectId> needed;
  ParityTraffic traffic;
};
// Before a collection removes packs: they leave their groups. Needs the collection's lease.
Result<TakenOut> take_out_of_parity(const ParityPlace& place,
                                    const std::unordered_set<repo::ObjectId>& packs,
                                    Activity& activity);
// About what that costs, and what comes after it when so many bytes are stored in new packs; groups
// that are made anew more than once, or put together because they became thin, are not foreseen.
// Changes nothing.
Result<ParityTraffic> parity_traffic_of_prune(const ParityPlace& place,
                                              const std::unordered_set<repo::ObjectId>& packs,
                                              std::uint64_t bytes_stored, Activity& activity);

struct ParityStatus {
  repo::ParityWish wish;
  std::uint64_t groups = 0;
  std::uint64_t groups_incomplete = 0;  // with fewer shards than they should have
  std::uint64_t groups_left_over = 0;   // the next run removes them
  std::uint64_t shards = 0;
  std::uint64_t bytes_parity = 0;  // all parity objects
  std::uint64_t packs = 0;         // that are there and not condemned
  std::uint64_t bytes_packs = 0;
  std::uint64_t packs_covered = 0;
  std::uint64_t bytes_covered = 0;
  std::uint64_t packs_lost = 0;           // missing, of another length, or marked; in a group
  std::uint64_t packs_beyond_repair = 0;  // of these, in groups that lost more than they can give
  std::uint64_t copies = 0;
  // So many packs may be lost at once, whichever they are; 0 as long as some are not covered.
  std::uint64_t losses_survived = 0;
  std::vector<ObjectTrouble> damaged;  // parity objects
};
Result<ParityStatus> parity_status(const ParityPlace& place, Activity& activity);

struct ParityRemoval {
  std::uint64_t objects = 0;
  std::uint64_t bytes = 0;
  std::uint64_t refused = 0;  // that the store keeps
};
// Everything, and the wish first.
Result<ParityRemoval> remove_parity(const ParityPlace& place, Activity& activity);

struct ParityRepairOptions {
  RepairMode mode = RepairMode::kRepair;
  bool read_data = false;  // read every pack of every group, not only those known to be damaged
  std::unordered_set<repo::ObjectId> packs;  // besides; empty: none
  ParityOptions parity;
};
enum class ParityOutcome : std::uint8_t {
  kRestored,  // or could be, in a dry run
  kBeyondRepair,
  kKept,  // rebuilt, but the store does not let go of the damaged one
};
[[nodiscard]] std::string_view to_string(ParityOutcome outcome);
struct ParityRepaired {
  std::string object;
  ParityOutcome outcome = ParityOutcome::kRestored;
  std::string what;  // what is wrong with it
  std::uint64_t bytes = 0;
  std::uint64_t bytes_rebuilt = 0;  // in blocks that were lost
};
struct ParityRepairReport {
  std::vector<ParityRepaired> objects;  // by name
  std::vector<repo::ObjectId> restored_packs;
  std::uint64_t packs_uncovered = 0;  // known to be damaged, and in no group
  std::uint64_t shards_damaged = 0;   // found and removed: the next keeping makes them anew
  std::uint64_t bytes_read = 0;
};
Result<ParityRepairReport> repair_with_parity(const ParityPlace& place,
                                              const ParityRepairOptions& options,
                                              Activity& activity);

// For a repository without a config that can be read: the one that the copies have.
Result<repo::Config> config_in_copies(backend::Backend& store);

// The packs of groups with these names, or these beginnings of names, with or without their
// folders. not_found, or invalid_argument when several fit one.
Result<std::unordered_set<repo::ObjectId>> find_covered_packs(const ParityPlace& place,
                                                              const std::vector<std::string>& names,
                                                              Activity& activity);

}  // namespace backstay::engine
