// Damaged generation objects (docs/format.md section 8.4). What one of them condemned is not known
// any more, so that no writer may rely on any pack. Without it nothing is condemned by it: harmless
// as long as nobody is left who decided by it that a pack may go. That is for a person to know;
// leases are only looked at as well.
#include <fmt/format.h>

#include <algorithm>

#include "base/try.h"
#include "engine/repair.h"
#include "engine/repair/bearings.h"
#include "repo/generation.h"

namespace backstay::engine {

namespace {

// A damaged number that lies further above the others was not taken by a collection.
constexpr std::uint64_t kNumbersAhead = 1 << 20;

Result<repo::GenerationsRead> read_all(const repo::Repository& repository) {
  return repo::read_generations(repository.store(), repository.config().id, repository.keyring());
}

std::unexpected<Error> still_used(const repo::ListedLease& lease) {
  return std::unexpected(
      Error(ErrorCode::kConflict,
            fmt::format("a {} on {} is using the repository", lease.record.operation,
                        lease.record.host.empty() ? "an unknown host" : lease.record.host))
          .with_hint("End every program that uses the repository, on all machines, and run it "
                     "again; after a crash wait until the lease is dead ('backstay lease list')."));
}

// Leases of programs that are dead are ended: should one live after all, it commits nothing.
Result<std::vector<repo::LeaseId>> end_all_leases(repo::Repository& repository,
                                                  const repo::LeaseId& own,
                                                  GenerationRepairReport& report) {
  backend::Backend& store = repository.store();
  const repo::RepositoryId& id = repository.config().id;
  std::vector<repo::LeaseId> ended;
  for (const repo::ListedLease& lease : TRY(repo::list_leases(store, id))) {
    if (lease.record.id == own) continue;
    if (lease.alive) return still_used(lease);
    if (!lease.ended) {
      if (!TRY(repo::end_lease(store, id, lease))) return still_used(lease);
      ++report.leases_ended;
    }
    ended.push_back(lease.record.id);
  }
  return ended;
}

// After leases were ended: what snapshots there are counts as a collection would count it.
Result<repo::Generation> next_after(repo::Repository& repository,
                                    const repo::GenerationsRead& known,
                                    std::vector<repo::LeaseId> ended) {
  repo::EndedLeases seen;
  seen.ended = std::move(ended);
  for (const snapshot::SnapshotId& id : TRY(repository.list_snapshots())) {
    const auto snapshot = repository.read_snapshot(id);
    if (!snapshot && snapshot.error().code() == ErrorCode::kNotFound) continue;
    if (!snapshot && !repo::is_damage(snapshot.error().code()))
      return std::unexpected(snapshot.error().clone());
    if (!snapshot || !snapshot->lease) continue;
    const repo::LeaseId lease{snapshot->lease->bytes};
    if (repository.counts(id, *snapshot))
      seen.committed.emplace_back(repo::ObjectId{id.bytes}, lease);
    else
      seen.uncounted.insert(lease);
  }
  repo::Generation next =
      repo::next_generation(known.generations, seen, repository.world().clock.now());
  const std::uint64_t plausible = next.number + kNumbersAhead;
  for (const auto& [number, error] : known.damaged) {
    if (number < plausible) next.number = std::max(next.number, number + 1);
  }
  return next;
}

}  // namespace

Result<GenerationRepairReport> repair_generations(repo::Repository& repository,
                                                  const GenerationRepairOptions& options) {
  GenerationRepairReport report;
  {
    const repo::GenerationsRead found = TRY_DOING("reading generations", read_all(repository));
    for (const auto& [number, error] : found.damaged)
      report.damaged.push_back({.object = repo::generation_name(number), .what = error.describe()});
    if (found.damaged.empty() || options.mode == RepairMode::kDryRun) return report;
  }
  if (!repository.store().capabilities().lists_at_once) {
    return backend::refuse_late_lists(repository.store().describe(), "repairing generations");
  }
  // Whoever begins to write from here on reads what is damaged, and stops.
  const auto lease =
      TRY(repairing::take_repair_lease(repository, options.author, repo::LeaseUse::kReading));
  std::vector<repo::LeaseId> ended = TRY(end_all_leases(repository, lease->id(), report));
  const repo::GenerationsRead known = TRY_DOING("reading generations", read_all(repository));
  const repo::Generation next = TRY(next_after(repository, known, std::move(ended)));
  backend::Backend& store = repository.store();
  TRY_DOING("beginning a generation",
            repo::create_generation(store, next, repository.config().id, repository.keyring()));
  TRY(store.barrier());
  TRY(lease->ask());
  for (const auto& [number, error] : known.damaged) {
    TRY_DOING("removing " + repo::generation_name(number), repo::remove_generation(store, number));
    ++report.removed;
  }
  TRY(store.barrier());
  TRY(repository.refresh_generations());
  report.begun = next.number;
  TRY(lease->release());
  return report;
}

}  // namespace backstay::engine
