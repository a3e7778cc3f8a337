#include <fmt/format.h>

#include <algorithm>

#include "base/try.h"
#include "engine/repair.h"
#include "engine/repair/bearings.h"
#include "engine/repair/replace_snapshot.h"
#include "engine/repair/tree_salvage.h"
#include "snapshot/tree_key.h"

namespace backstay::engine {

namespace {

using repairing::SalvagedTree;
using repo::StoredSnapshot;
using snapshot::Snapshot;
using snapshot::SnapshotId;

// What a snapshot records of what is left out. A stretch of the tree is no path, so that a restore
// that deletes knows that it does not know all.
class LossRecord {
 public:
  explicit LossRecord(const Snapshot& original) : errors_(original.errors) {}

  void add(const std::string& path, bool stretch, const Error& why) {
    if (errors_.size() == snapshot::kRecordedErrorsMax) return;
    errors_.push_back(
        {.path = snapshot::shortened(stretch ? "entries from " + path + " on" : path),
         .message = snapshot::shortened("lost in the repository: " + why.describe())});
  }
  [[nodiscard]] std::vector<snapshot::SourceError> take() { return std::move(errors_); }

 private:
  std::vector<snapshot::SourceError> errors_;
};

Snapshot as_repaired(const StoredSnapshot& original, const SalvagedTree& tree,
                     std::vector<snapshot::SourceError> errors, Timestamp now) {
  Snapshot made = original.snapshot;
  const auto& before = original.snapshot.repaired;
  made.by_write_only_key = !original.by_full_key;
  made.repaired = snapshot::Repaired{
      .from = before ? before->from : original.id,
      .files_lost = tree.files_lost + (before ? before->files_lost : 0),
      .stretches_lost = tree.stretches_lost + (before ? before->stretches_lost : 0),
      .time = now};
  made.tree = tree.root;
  made.status = snapshot::Status::kPartial;
  made.stats.files_total = tree.files;
  made.stats.dirs_total = tree.dirs;
  made.stats.bytes_total = tree.bytes;
  made.stats.errors += tree.files_lost + tree.stretches_lost;
  made.errors = std::move(errors);
  return made;
}

class SnapshotRepair {
 public:
  SnapshotRepair(repo::Repository& repository, const SnapshotRepairOptions& options,
                 const SnapshotRepairEvents& events, Activity& activity)
      : repository_(repository),
        options_(options),
        events_(events),
        activity_(activity),
        trees_(repository, activity) {}

  Result<SnapshotRepairReport> run() {
    // Snapshots before the index, as every reader.
    auto lease = TRY(first_lease());
    snapshots_ = TRY(repository_.snapshots([&](const SnapshotId& id, const Error& error) {
      report_.damaged.push_back(id);
      activity_.report(repo::object_name(repo::ObjectKind::kSnapshot, repo::ObjectId{id.bytes}),
                       error);
    }));
    auto found = TRY(repairing::take_bearings(repository_, options_.mode, options_.author,
                                              repo::LeaseUse::kReading, activity_));
    // Later, perhaps, and it may know where things are.
    for (const auto& [id, error] : found.damaged_runs) {
      if (error.code() != ErrorCode::kCorruption)
        return std::unexpected(error.clone().with_context("reading index run " + id.short_hex()));
    }
    if (found.lease) TRY(found.lease->release());
    lease_ = std::move(lease);
    for (const StoredSnapshot& original : snapshots_) {
      if (wanted(original.id)) TRY(repair(original));
    }
    if (lease_) TRY(lease_->release());
    return std::move(report_);
  }

 private:
  [[nodiscard]] bool dry_run() const { return options_.mode == RepairMode::kDryRun; }
  [[nodiscard]] bool wanted(const SnapshotId& id) const {
    return options_.snapshots.empty() ||
           std::ranges::find(options_.snapshots, id) != options_.snapshots.end();
  }
  Result<std::unique_ptr<repo::Lease>> first_lease() {
    if (dry_run()) return std::unique_ptr<repo::Lease>();
    return repairing::take_repair_lease(repository_, options_.author, repo::LeaseUse::kReading);
  }

  Result<void> repair(const StoredSnapshot& original) {
    activity_.progress.set_current("snapshot " + original.id.short_hex());
    if (TRY(trees_.is_whole(original.snapshot.tree))) {
      ++report_.whole;
      return {};
    }
    RepairedSnapshot result;
    result.original = original;
    LossRecord losses(original.snapshot);
    const auto lost = [&](const std::string& path, bool stretch, const Error& why) {
      losses.add(path, stretch, why);
      if (events_.lost) {
        events_.lost({.snapshot = original.id,
                      .path = path,
                      .from_here_on = stretch,
                      .what = why.describe()});
      }
    };
    repo::StoreSession session(
        repository_,
        repo::StoreSession::Options{.compression = repository_.config().compression,
                                    .pack_bytes = repository_.config().pack_bytes},
        dry_run() ? repo::StoreSession::Mode::kDryRun : repo::StoreSession::Mode::kStore);
    repairing::PageStore pages(repository_, session);
    const SalvagedTree tree =
        TRY(trees_.salvage(original.snapshot.tree, dry_run() ? nullptr : &pages, lost));
    result.files_lost = tree.files_lost;
    result.stretches_lost = tree.stretches_lost;
    if (tree.files + tree.dirs == 0) {
      result.outcome = SnapshotOutcome::kNothingLeft;
    } else if (!original.tags_known) {
      result.outcome = SnapshotOutcome::kRefused;
      result.what = "a change of its tags cannot be read";
    } else if (dry_run()) {
      result.outcome = options_.keep ? SnapshotOutcome::kKept : SnapshotOutcome::kReplaced;
    } else {
      TRY(pages.flush());
      TRY(session.flush());
      if (tree.root == original.snapshot.tree) {
        return fail(ErrorCode::kInternal, "a tree that cannot be read was made again as it is");
      }
      TRY(replace(original,
                  as_repaired(original, tree, losses.take(), repository_.world().clock.now()),
                  result));
    }
    count(result);
    return {};
  }

  // One that an earlier repair, which was cut, has made of this one.
  [[nodiscard]] std::optional<SnapshotId> made_before(const Snapshot& made) const {
    for (const StoredSnapshot& other : snapshots_) {
      const auto& repaired = other.snapshot.repaired;
      if (repaired && repaired->from == made.repaired->from && other.snapshot.tree == made.tree)
        return other.id;
    }
    return std::nullopt;
  }

  Result<void> replace(const StoredSnapshot& original, const Snapshot& made,
                       RepairedSnapshot& result) {
    result.made = made_before(made);
    const bool fresh = !result.made.has_value();
    if (fresh) {
      // The next lease begins before this one is used up, so that there is none of which packs that
      // may be needed are unprotected.
      auto next =
          TRY(repairing::take_repair_lease(repository_, options_.author, repo::LeaseUse::kReading));
      result.made = TRY(repository_.commit_snapshot(made, *lease_));
      TRY(lease_->release());
      lease_ = std::move(next);
    }
    if (options_.keep && !fresh) {
      result.outcome = SnapshotOutcome::kKept;
      return {};
    }
    auto handed = TRY(repairing::hand_over(
        repository_,
        {.old = original.id,
         .made = *result.made,
         .what = options_.keep ? repairing::OldSnapshot::kKeep : repairing::OldSnapshot::kRemove,
         .fresh = fresh},
        options_.author));
    result.what = std::move(handed.why);
    const bool done = handed.outcome == repairing::HandedOver::kDone && !options_.keep;
    result.outcome = done ? SnapshotOutcome::kReplaced : SnapshotOutcome::kKept;
    if (handed.outcome == repairing::HandedOver::kForgotten) {
      result.outcome = SnapshotOutcome::kRefused;
      if (fresh) result.made.reset();
    }
    return {};
  }

  void count(const RepairedSnapshot& result) {
    report_.files_lost += result.files_lost;
    report_.stretches_lost += result.stretches_lost;
    switch (result.outcome) {
      case SnapshotOutcome::kReplaced:
        ++report_.replaced;
        break;
      case SnapshotOutcome::kKept:
        ++report_.kept;
        break;
      default:
        ++report_.left;
    }
    if (events_.done) events_.done(result);
  }

  repo::Repository& repository_;
  const SnapshotRepairOptions& options_;
  const SnapshotRepairEvents& events_;
  Activity& activity_;
  repairing::TreeSalvage trees_;
  std::unique_ptr<repo::Lease> lease_;
  std::vector<StoredSnapshot> snapshots_;
  SnapshotRepairReport report_;
};

}  // namespace

std::string_view to_string(SnapshotOutcome outcome) {
  switch (outcome) {
    case SnapshotOutcome::kWhole:
      return "whole";
    case SnapshotOutcome::kReplaced:
      return "replaced";
    case SnapshotOutcome::kKept:
      return "kept";
    case SnapshotOutcome::kNothingLeft:
      return "nothing_left";
    case SnapshotOutcome::kRefused:
      return "refused";
  }
  return "unknown";
}

Result<SnapshotRepairReport> repair_snapshots(repo::Repository& repository,
                                              const SnapshotRepairOptions& options,
                                              const SnapshotRepairEvents& events,
                                              Activity& activity) {
  return SnapshotRepair(repository, options, events, activity).run();
}

}  // namespace backstay::engine
