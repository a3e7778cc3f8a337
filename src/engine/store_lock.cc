#include "engine/store_lock.h"

#include <fmt/format.h>

#include <algorithm>
#include <string>

#include "base/try.h"
#include "engine/prune/mark.h"
#include "engine/restore/read_lease.h"
#include "repo/liveness.h"
#include "repo/pack_table.h"
#include "repo/snapshot_note.h"

namespace backstay::engine {

namespace {

using repo::ObjectKind;
using snapshot::SnapshotId;

// Each place of a chunk that is needed keeps its pack. What is in a pack that a collection condemns
// meanwhile is stored a second time by it, and stays here as well: the store does not let it go.
class StoreLock {
 public:
  StoreLock(repo::Repository& repository, Timestamp until, Activity& activity)
      : repository_(repository), store_(repository.store()), until_(until), activity_(activity) {}

  Result<StoreLockReport> run(const std::vector<SnapshotId>& snapshots) {
    repo::PackTable table = TRY(repo::PackTable::list(store_, repository_.generations()));
    TRY(mark(snapshots, table));
    TRY(keep_packs(table));
    TRY(keep_what_reads_them());
    TRY(keep_notes(snapshots));
    for (const SnapshotId& id : snapshots)
      TRY(keep(repo::object_name(ObjectKind::kSnapshot, repo::ObjectId{id.bytes})));
    TRY(store_.barrier());
    return report_;
  }

 private:
  Result<void> mark(const std::vector<SnapshotId>& snapshots, repo::PackTable& table) {
    std::vector<snapshot::Snapshot> read;
    for (const SnapshotId& id : snapshots) read.push_back(TRY(repository_.read_snapshot(id)));
    std::optional<Error> damaged;
    TRY(repository_.load_index([&](const repo::ObjectId& id, const Error& error) {
      damaged = error.clone().with_context("reading index run " + id.short_hex());
    }));
    if (damaged) {
      return std::unexpected(std::move(*damaged).with_hint(
          "What the snapshot needs is not known. Run 'backstay repair index', then this again."));
    }
    TRY(table.take_in(store_, repository_.index()));
    repo::Liveness liveness(repository_.index().runs(), table);
    prune_stages::Marker marker(repository_, liveness, activity_.stop);
    for (const snapshot::Snapshot& one : read)
      TRY_DOING("looking what a snapshot needs", marker.mark(one.tree));
    report_.chunks_missing = liveness.mark_rest();
    return {};
  }

  Result<void> keep_packs(const repo::PackTable& table) {
    for (const repo::PackUse& use : table.packs()) {
      if (use.places_needed > 0 && use.stored) ++activity_.progress.files_total;
    }
    for (const repo::PackUse& use : table.packs()) {
      if (use.places_needed == 0 || !use.stored) continue;
      TRY(keep(repo::object_name(repo::object_kind(use.pack.kind), use.pack.id)));
      ++report_.packs;
      report_.bytes_packs += use.pack.size_bytes;
      ++activity_.progress.files_done;
    }
    return {};
  }

  // Listed after the packs were kept: runs that were merged meanwhile are there in their new form.
  Result<void> keep_what_reads_them() {
    std::vector<std::string> names{"config"};
    for (const ObjectKind kind :
         {ObjectKind::kIndexRun, ObjectKind::kKeySlot, ObjectKind::kKeyEpoch}) {
      TRY(store_.list(repo::name_prefix(kind),
                      [&](const backend::ObjectInfo& info) -> Result<void> {
                        names.push_back(info.name);
                        return {};
                      }));
    }
    for (const std::string& name : names) {
      auto kept = keep(name);
      // A merge takes the runs away that it has put together.
      const bool gone = !kept && kept.error().code() == ErrorCode::kNotFound;
      if (!gone || name == "config") TRY(std::move(kept));
    }
    return {};
  }

  Result<void> keep_notes(const std::vector<SnapshotId>& snapshots) {
    for (const ObjectKind kind : {ObjectKind::kTagChange, ObjectKind::kHold}) {
      for (const repo::ListedNote& note : TRY(repo::list_notes(store_, kind))) {
        const bool ours = std::ranges::any_of(
            snapshots, [&](const SnapshotId& id) { return id.bytes == note.name.snapshot.bytes; });
        if (ours) TRY(keep(note.object));
      }
    }
    return {};
  }

  Result<void> keep(const std::string& name) {
    if (activity_.stop.stop_requested()) return fail(ErrorCode::kCancelled, "interrupted");
    TRY_DOING("locking " + name, store_.retain(name, until_));
    ++report_.objects;
    return {};
  }

  repo::Repository& repository_;
  backend::Backend& store_;
  const Timestamp until_;
  Activity& activity_;
  StoreLockReport report_;
};

}  // namespace

Result<void> require_removals(const repo::Repository& repository, std::string_view what) {
  const backend::Capabilities can = repository.store().capabilities();
  if (!can.lists_at_once) return backend::refuse_late_lists(repository.store().describe(), what);
  if (!can.append_only) return {};
  return std::unexpected(
      Error(ErrorCode::kPermissionDenied,
            fmt::format("the repository at {} is append-only: {} removes something and is refused",
                        repository.store().describe(), what))
          .with_hint("Nothing was changed. Whoever owns the store runs 'backstay append-only off' "
                     "first; docs/retention.md says more."));
}

Result<std::vector<SnapshotId>> snapshots_that_would_not_count(repo::Repository& repository) {
  std::vector<SnapshotId> found;
  if (!repository.store().capabilities().append_only) return found;
  for (const repo::StoredSnapshot& one :
       TRY(repository.snapshots([](const SnapshotId&, const Error&) {}))) {
    if (!repository.was_committed(one.id, one.snapshot)) found.push_back(one.id);
  }
  return found;
}

Result<StoreLockReport> lock_in_store(repo::Repository& repository,
                                      const std::vector<SnapshotId>& snapshots, Timestamp until,
                                      Activity& activity) {
  if (!repository.store().capabilities().object_lock) {
    return fail(ErrorCode::kUnsupported,
                repository.store().describe() + " has no object lock: only programs heed holds");
  }
  // No collection takes away what is read here.
  const restoring::LeasePtr lease = TRY(restoring::take_read_lease(repository, "lock", activity));
  StoreLockReport report = TRY(StoreLock(repository, until, activity).run(snapshots));
  if (lease) TRY(lease->release());
  return report;
}

}  // namespace backstay::engine
