// One collection (docs/format.md section 8.2), as steps that may each be its last.
#pragma once

#include <chrono>
#include <limits>
#include <memory>
#include <optional>
#include <set>
#include <unordered_set>
#include <vector>

#include "engine/prune.h"
#include "engine/prune/relied_places.h"
#include "engine/prune/repack.h"
#include "repo/liveness.h"
#include "repo/pack_table.h"
#include "repo/prune_plan.h"

namespace backstay::engine::prune_stages {

class PruneRun {
 public:
  PruneRun(repo::Repository& repository, const PruneOptions& options, Activity& activity);
  Result<PruneReport> run();

 private:
  // kAgain: somebody else changed what this run planned with.
  enum class Round : std::uint8_t { kDone, kAgain };
  enum class Copied : std::uint8_t { kAll, kSome, kGone };

  Result<void> take_lease();
  Result<void> end_dead_leases();
  Result<void> observe();
  Result<void> load_index();
  Result<void> read_snapshots();
  Result<std::vector<repo::ListedLease>> list_leases();
  Result<void> list_others();
  void leave_young_packs();
  Result<void> mark();
  Result<bool> missed_because_late();
  Result<void> plan();
  Result<void> leave_locked_packs();
  Result<bool> is_locked(std::uint32_t number);
  Result<Round> round();
  Result<Round> empty_packs();
  Result<Copied> copy(const std::vector<std::uint32_t>& packs);
  Result<bool> copy_one(Repacker& repacker, std::uint32_t number, Copied& copied);
  Result<Round> verify_elsewhere(const std::vector<std::uint32_t>& packs,
                                 ReliedPlaces::Depth depth);
  Result<Round> condemn(const std::vector<std::uint32_t>& packs);
  [[nodiscard]] repo::Generation next_generation() const;
  Result<Round> free_after_condemning();
  Result<void> keep_what_others_did();
  [[nodiscard]] bool may_go(std::uint32_t number) const;
  Result<std::vector<std::uint32_t>> packs_to_free();
  Result<void> leave_to_late_readers(std::vector<std::uint32_t>& going);
  Result<void> leave_parity(std::vector<std::uint32_t>& going);
  Result<Round> free();
  Result<void> remove_pack(repo::PackUse& use);
  Result<void> tidy();
  Result<void> remove_stale_marks();
  Result<void> tidy_generations();
  Result<void> report_plan();
  void report_dry_run();
  Result<std::uint64_t> bytes_to_read();
  Result<ParityTraffic> parity_cost(const std::unordered_set<repo::ObjectId>& going,
                                    std::uint64_t bytes_stored);
  Result<PruneCost> cost();
  void announce(const PruneCost& cost);
  void report_end();

  [[nodiscard]] std::uint64_t oldest_lease() const;
  [[nodiscard]] bool others_are_at_work() const;
  [[nodiscard]] std::uint64_t oldest_lease_that_stands() const;
  [[nodiscard]] bool would_go(std::uint32_t number) const;
  [[nodiscard]] std::uint64_t bytes_given_up() const;
  [[nodiscard]] bool was_ended(const repo::ListedLease& lease) const;
  [[nodiscard]] bool out_of_time() const;
  [[nodiscard]] bool is_unneeded(std::uint32_t number) const;
  [[nodiscard]] bool may_hold_missing(const repo::PackUse& use) const;
  Result<std::set<snapshot::SnapshotId>> list_twice();

  static constexpr std::uint64_t kNoLease = std::numeric_limits<std::uint64_t>::max();
  struct Root {
    snapshot::SnapshotId id;
    snapshot::TreeRoot tree;
    std::optional<snapshot::CommitLease> lease;
  };

  repo::Repository& repository_;
  backend::Backend& store_;
  const PruneOptions& options_;
  Activity& activity_;
  const std::chrono::steady_clock::time_point started_;
  PruneReport report_;

  std::unique_ptr<repo::Lease> lease_;
  std::vector<repo::ListedLease> others_;
  std::set<snapshot::SnapshotId> seen_;  // all that were listed
  std::vector<Root> roots_;              // those that count
  std::vector<Root> uncounted_;
  repo::PackTable table_;
  std::unique_ptr<repo::Liveness> liveness_;
  repo::PrunePlan plan_;
  std::unordered_set<std::uint32_t> copied_;    // packs of the table
  std::unordered_set<std::uint32_t> verified_;  // what they hold and is needed is elsewhere, too
  std::unordered_set<std::uint32_t> locked_;    // packs that the store does not let go
  std::optional<Timestamp> store_time_;         // of this round
  bool planned_ = false;                        // and told
  bool condemned_any_ = false;                  // in this round
  bool looked_again_ = false;                   // for what is missed
  bool emptied_ = false;                        // phases that change what is there are through
};

}  // namespace backstay::engine::prune_stages
