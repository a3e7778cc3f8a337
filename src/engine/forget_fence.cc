#include "engine/forget_fence.h"

#include <fmt/format.h>

#include <algorithm>
#include <set>
#include <thread>

#include "base/try.h"
#include "repo/lease.h"
#include "repo/snapshot_note.h"

namespace backstay::engine {

// A lease that cannot be read may be that of a forget.
static bool may_forget(const repo::ListedLease& lease) {
  return lease.alive &&
         (lease.record.operation == kForgetOperation || lease.record.generation == 0);
}

Result<void> outlast_forgets(repo::Repository& repository, const ForgetWait& wait) {
  const auto deadline = std::chrono::steady_clock::now() + wait.limit;
  // One that begins later sees the note.
  std::set<repo::LeaseId> awaited;
  for (bool first = true;; first = false) {
    std::set<repo::LeaseId> alive;
    std::string who;
    for (const repo::ListedLease& lease :
         TRY(repo::list_leases(repository.store(), repository.config().id))) {
      if (!may_forget(lease) || (!first && !awaited.contains(lease.record.id))) continue;
      alive.insert(lease.record.id);
      who = fmt::format("{}, process {}", lease.record.host, lease.record.process);
    }
    if (alive.empty()) return {};
    awaited = std::move(alive);
    if (first && wait.note) wait.note("waiting for a forget that is under way (" + who + ")");
    if (wait.stop.stop_requested()) return fail(ErrorCode::kCancelled, "interrupted");
    if (std::chrono::steady_clock::now() >= deadline) {
      return fail(ErrorCode::kConflict,
                  fmt::format("a forget that began before has not ended ({})", who));
    }
    std::this_thread::sleep_for(wait.pause);
  }
}

Result<void> settle_notes(repo::Repository& repository, const std::vector<FreshNote>& notes,
                          std::string_view what, const ForgetWait& wait) {
  if (notes.empty()) return {};
  const auto outlasted = outlast_forgets(repository, wait);
  if (!outlasted && outlasted.error().code() != ErrorCode::kConflict)
    return std::unexpected(outlasted.error().clone());
  std::string gone;
  for (const FreshNote& note : notes) {
    const std::string name =
        repo::object_name(repo::ObjectKind::kSnapshot, repo::ObjectId{note.snapshot.bytes});
    const auto head = repository.store().head(name);
    if (head) continue;
    if (head.error().code() != ErrorCode::kNotFound) return std::unexpected(head.error().clone());
    TRY(repository.store().remove(note.object));
    gone += (gone.empty() ? "" : ", ") + note.snapshot.short_hex();
  }
  if (!gone.empty()) {
    return std::unexpected(Error(ErrorCode::kNotFound, fmt::format("forgotten meanwhile: {}", gone))
                               .with_hint("List what is there with 'backstay snapshots'."));
  }
  if (outlasted) return {};
  return std::unexpected(
      Error(ErrorCode::kConflict, fmt::format("the {} is stored, but {}, and may not have seen it",
                                              what, outlasted.error().message()))
          .with_hint("When 'backstay lease list' no longer shows it (or if it was killed), look "
                     "with 'backstay snapshots' whether the snapshot is still there."));
}

Result<bool> held_meanwhile(repo::Repository& repository, const snapshot::SnapshotId& id,
                            const repo::Lease* lease, const std::set<std::string>& known) {
  if (lease != nullptr) {
    TRY(lease->verify());
    TRY(lease->ask());
  }
  const auto holds = TRY(repo::list_notes(repository.store(), repo::ObjectKind::kHold));
  return std::ranges::any_of(holds, [&](const repo::ListedNote& note) {
    return note.name.snapshot.bytes == id.bytes && !known.contains(note.object);
  });
}

}  // namespace backstay::engine
