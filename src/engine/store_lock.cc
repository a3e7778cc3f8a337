#include "engine/store_lock.h"

#include <fmt/format.h>

#include <algorithm>
#include <functional>
#include <set>
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

using Names = std::set<std::string, std::less<>>;

// Names everything that it takes to read some snapshots, in the order in which it has to be kept:
// the snapshots last. Each place of a chunk that is needed has its pack named. What is in a pack
// that a collection condemns meanwhile is stored a second time by it, and stays here as well: the
// store does not let it go.
class NeededObjects {
 public:
  using Each = std::function<Result<void>(const std::string& name)>;
  NeededObjects(repo::Repository& repository, Activity& activity, const Each& each)
      : repository_(repository), store_(repository.store()), activity_(activity), each_(each) {}

  Result<StoreLockReport> tell(const std::vector<SnapshotId>& snapshots) {
    repo::PackTable table = TRY(repo::PackTable::list(store_, repository_.generations()));
    TRY(mark(snapshots, table));
    TRY(tell_packs(table));
    TRY(tell_what_reads_them());
    TRY(tell_notes(snapshots));
    for (const SnapshotId& id : snapshots)
      TRY(tell_one(repo::object_name(ObjectKind::kSnapshot, repo::ObjectId{id.bytes})));
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

  Result<void> tell_packs(const repo::PackTable& table) {
    for (const repo::PackUse& use : table.packs()) {
      if (use.places_needed > 0 && use.stored) ++activity_.progress.files_total;
    }
    for (const repo::PackUse& use : table.packs()) {
      if (use.places_needed == 0 || !use.stored) continue;
      TRY(tell_one(repo::object_name(repo::object_kind(use.pack.kind), use.pack.id)));
      ++report_.packs;
      report_.bytes_packs += use.pack.size_bytes;
      ++activity_.progress.files_done;
    }
    return {};
  }

  // Listed after the packs were kept: runs that were merged meanwhile are there in their new form.
  Result<void> tell_what_reads_them() {
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
      auto kept = tell_one(name);
      // A merge takes the runs away that it has put together.
      const bool gone = !kept && kept.error().code() == ErrorCode::kNotFound;
      if (!gone || name == "config") TRY(std::move(kept));
    }
    return {};
  }

  Result<void> tell_notes(const std::vector<SnapshotId>& snapshots) {
    for (const ObjectKind kind : {ObjectKind::kTagChange, ObjectKind::kHold}) {
      for (const repo::ListedNote& note : TRY(repo::list_notes(store_, kind))) {
        const bool ours = std::ranges::any_of(
            snapshots, [&](const SnapshotId& id) { return id.bytes == note.name.snapshot.bytes; });
        if (ours) TRY(tell_one(note.object));
      }
    }
    return {};
  }

  Result<void> tell_one(const std::string& name) {
    if (activity_.stop.stop_requested()) return fail(ErrorCode::kCancelled, "interrupted");
    TRY(each_(name));
    ++report_.objects;
    return {};
  }

  repo::Repository& repository_;
  backend::Backend& store_;
  Activity& activity_;
  const Each& each_;
  StoreLockReport report_;
};

// No collection takes away meanwhile what is named.
Result<StoreLockReport> keep_each(repo::Repository& repository,
                                  const std::vector<SnapshotId>& snapshots, Activity& activity,
                                  const NeededObjects::Each& keep) {
  const restoring::LeasePtr lease = TRY(restoring::take_read_lease(repository, "lock", activity));
  StoreLockReport report = TRY(NeededObjects(repository, activity, keep).tell(snapshots));
  TRY(repository.store().barrier());
  if (lease) TRY(lease->release());
  return report;
}

// But for those in `known`. A hold that cannot be read may be a legal one.
Result<std::set<SnapshotId>> under_legal_hold(repo::Repository& repository,
                                              const std::set<SnapshotId>& known) {
  std::set<SnapshotId> found;
  for (const repo::StoredHold& one : TRY(repo::list_holds(repository))) {
    const bool may_be_legal = one.hold.legal || !one.readable;
    if (may_be_legal && !known.contains(one.snapshot)) found.insert(one.snapshot);
  }
  return found;
}

Result<void> remember_all(backend::Backend& store, Names& names) {
  return store.list("", [&](const backend::ObjectInfo& info) -> Result<void> {
    if (!backend::may_go_from_append_only(info.name)) names.insert(info.name);
    return {};
  });
}

// What nobody can read is not known to need less than all.
Result<Names> names_for(repo::Repository& repository, const std::vector<SnapshotId>& snapshots,
                        Activity& activity) {
  Names names;
  const NeededObjects::Each remember = [&](const std::string& name) -> Result<void> {
    names.insert(name);
    return {};
  };
  const auto told = NeededObjects(repository, activity, remember).tell(snapshots);
  if (told) return names;
  const ErrorCode code = told.error().code();
  if (code != ErrorCode::kCorruption && code != ErrorCode::kNotFound)
    return std::unexpected(told.error().clone());
  TRY(remember_all(repository.store(), names));
  return names;
}

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
  backend::Backend& store = repository.store();
  if (!store.capabilities().object_lock) {
    return fail(ErrorCode::kUnsupported,
                store.describe() + " has no object lock: only programs heed holds");
  }
  return keep_each(repository, snapshots, activity, [&](const std::string& name) -> Result<void> {
    TRY_DOING("locking " + name, store.retain(name, until));
    return {};
  });
}

Result<void> require_legal_holds(const repo::Repository& repository) {
  if (repository.store().capabilities().legal_hold) return {};
  return std::unexpected(
      Error(ErrorCode::kUnsupported, repository.store().describe() + " has no legal holds")
          .with_hint("A hold without one is heeded by every command of backstay; S3 buckets with "
                     "object lock have them."));
}

Result<StoreLockReport> put_under_legal_hold(repo::Repository& repository,
                                             const std::vector<SnapshotId>& snapshots,
                                             Activity& activity) {
  TRY(require_legal_holds(repository));
  backend::Backend& store = repository.store();
  return keep_each(repository, snapshots, activity, [&](const std::string& name) -> Result<void> {
    TRY_DOING("holding " + name, store.set_legal_hold(name, backend::LegalHold::kOn));
    return {};
  });
}

// Who holds another one meanwhile stores its note before he holds what it needs. So its note is
// seen by the second look, or it holds after all was let go.
Result<void> end_legal_holds(repo::Repository& repository, const std::vector<SnapshotId>& snapshots,
                             Activity& activity) {
  TRY(require_legal_holds(repository));
  backend::Backend& store = repository.store();
  std::set<SnapshotId> known(snapshots.begin(), snapshots.end());
  const std::set<SnapshotId> others = TRY(under_legal_hold(repository, known));
  const restoring::LeasePtr lease = TRY(restoring::take_read_lease(repository, "lock", activity));
  Names kept;
  if (!others.empty()) kept = TRY(names_for(repository, {others.begin(), others.end()}, activity));
  for (const std::string& name : TRY(names_for(repository, snapshots, activity))) {
    if (activity.stop.stop_requested()) return fail(ErrorCode::kCancelled, "interrupted");
    if (kept.contains(name)) continue;
    auto ended = store.set_legal_hold(name, backend::LegalHold::kOff);
    const bool gone = !ended && ended.error().code() == ErrorCode::kNotFound;
    if (!gone) TRY_DOING("ending the legal hold of " + name, std::move(ended));
  }
  if (lease) TRY(lease->release());
  known.insert(others.begin(), others.end());
  const std::set<SnapshotId> fresh = TRY(under_legal_hold(repository, known));
  if (!fresh.empty()) TRY(put_under_legal_hold(repository, {fresh.begin(), fresh.end()}, activity));
  return {};
}

}  // namespace backstay::engine
