#include <fmt/format.h>

#include <algorithm>
#include <set>

#include "base/try.h"
#include "engine/notes.h"
#include "engine/repair.h"
#include "engine/repair/bearings.h"
#include "engine/repair/replace_snapshot.h"
#include "engine/repair/tree_salvage.h"
#include "engine/restore/read_lease.h"
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
        chunks_(repository, found_.present),
        trees_(repository, chunks_, activity) {}

  Result<SnapshotRepairReport> run() {
    // Snapshots before the index, as every reader.
    auto lease = TRY(first_lease());
    snapshots_ = TRY(repository_.snapshots([&](const SnapshotId& id, const Error& error) {
      report_.damaged.push_back(id);
      activity_.report(repo::object_name(repo::ObjectKind::kSnapshot, repo::ObjectId{id.bytes}),
                       error);
    }));
    found_ = TRY(repairing::take_bearings(repository_, options_.mode, options_.author,
                                          repo::LeaseUse::kReading, activity_));
    TRY(refuse_strange_runs());
    if (found_.lease) TRY(found_.lease->release());
    lease_ = std::move(lease);
    for (const StoredSnapshot& original : snapshots_) {
      if (wanted(original.id) && !removed_.contains(original.id)) TRY(repair(original));
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
    if (dry_run()) return restoring::take_read_lease(repository_, "repair", activity_);
    return repairing::begin_repair(repository_, options_.author, repo::LeaseUse::kReading);
  }

  // Of a later version, perhaps, and they may know where things are.
  Result<void> refuse_strange_runs() const {
    for (const auto& [id, error] : found_.damaged_runs) {
      if (error.code() != ErrorCode::kCorruption)
        return std::unexpected(error.clone().with_context("reading index run " + id.short_hex()));
    }
    return {};
  }

  // What is lost of it is asked for twice, the second time with a new list of runs and packs.
  Result<bool> is_whole(const snapshot::TreeRoot& tree) {
    constexpr int kTries = 3;
    for (int tries = 0; tries < kTries; ++tries) {
      if (TRY(trees_.is_whole(tree))) return true;
      TRY(trees_.salvage(tree, nullptr, [](const std::string&, bool, const Error&) {}));
      if (!chunks_.has_news()) return false;
      TRY(repairing::look_again(repository_, options_.mode, found_));
      TRY(refuse_strange_runs());
      if (TRY(chunks_.confirm())) return false;
    }
    return std::unexpected(
        Error(ErrorCode::kUnavailable, "what can be read changes from one moment to the next")
            .with_hint("Look at the disk, its cable and this machine's memory."));
  }

  Result<void> repair(const StoredSnapshot& original) {
    activity_.progress.set_current("snapshot " + original.id.short_hex());
    chunks_.settle(false);
    if (TRY(is_whole(original.snapshot.tree))) {
      ++report_.whole;
      return {};
    }
    TRY(restoring::require_lease(lease_));
    chunks_.settle(true);
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
                                    .pack_bytes = repository_.config().pack_bytes,
                                    .uploads = repository_.world().uploads()},
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
      auto why =
          TRY(repairing::why_it_stays(repository_, original.id, repository_.world().clock.now()));
      result.what = why.value_or("");
      result.outcome = options_.keep || why ? SnapshotOutcome::kKept : SnapshotOutcome::kReplaced;
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

  // Those that earlier repairs have made of this one, and that look the same.
  [[nodiscard]] std::vector<SnapshotId> made_before(const StoredSnapshot& original,
                                                    const Snapshot& made) const {
    std::vector<SnapshotId> found;
    for (const StoredSnapshot& other : snapshots_) {
      const auto& repaired = other.snapshot.repaired;
      if (other.id != original.id && repaired && repaired->from == made.repaired->from &&
          other.snapshot.tree == made.tree)
        found.push_back(other.id);
    }
    return found;
  }

  Result<void> replace(const StoredSnapshot& original, const Snapshot& made,
                       RepairedSnapshot& result) {
    const auto now = TRY(time_of_store(repository_));
    auto why = TRY(repairing::why_it_stays(repository_, original.id,
                                           now.value_or(repository_.world().clock.now())));
    result.outcome = SnapshotOutcome::kKept;
    const std::vector<SnapshotId> earlier = made_before(original, made);
    // Where nothing is removed, one that is there will do. Where something is, it takes one whose
    // commit nobody but this run has in hand: who made the other one may take it back, and a forget
    // may have chosen between the two (docs/format.md section 8.8).
    if ((options_.keep || why) && !earlier.empty()) {
      result.made = earlier.front();
      result.what = why.value_or("");
      return options_.keep ? Result<void>() : carry_to(original, earlier.front());
    }
    // The next lease begins before this one is used up, so that there is none of which packs that
    // may be needed are unprotected.
    auto next =
        TRY(repairing::begin_repair(repository_, options_.author, repo::LeaseUse::kReading));
    StoredSnapshot fresh{.id = TRY(repository_.commit_snapshot(made, *lease_)), .snapshot = made};
    fresh.snapshot.lease = snapshot::CommitLease{lease_->id().bytes};
    result.made = fresh.id;
    TRY(take_places(original, earlier, fresh, result));
    TRY(lease_->release());
    lease_ = std::move(next);
    return {};
  }

  Result<void> carry_to(const StoredSnapshot& original, const SnapshotId& made) {
    const StoredSnapshot other{.id = made, .snapshot = {}};
    TRY(repairing::hand_over(repository_,
                             {.old = original.id,
                              .made = other,
                              .lease = nullptr,
                              .what = repairing::OldSnapshot::kKeep,
                              .fresh = false},
                             options_.author));
    return {};
  }

  // That of the damaged one, and of what repairs that were cut have left.
  Result<void> take_places(const StoredSnapshot& original, const std::vector<SnapshotId>& earlier,
                           const StoredSnapshot& fresh, RepairedSnapshot& result) {
    const auto hand_over = [&](const SnapshotId& old, bool first) {
      return repairing::hand_over(
          repository_,
          {.old = old,
           .made = fresh,
           .lease = lease_.get(),
           .what = options_.keep ? repairing::OldSnapshot::kKeep : repairing::OldSnapshot::kRemove,
           .fresh = first},
          options_.author);
    };
    auto handed = TRY(hand_over(original.id, true));
    result.what = std::move(handed.why);
    if (handed.outcome == repairing::HandedOver::kForgotten)
      result.outcome = SnapshotOutcome::kRefused;
    if (handed.outcome != repairing::HandedOver::kDone || options_.keep) return {};
    result.outcome = SnapshotOutcome::kReplaced;
    for (const SnapshotId& other : earlier) {
      TRY(hand_over(other, false));
      removed_.insert(other);
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
  repairing::Bearings found_;
  repairing::LossReader chunks_;
  repairing::TreeSalvage trees_;
  std::unique_ptr<repo::Lease> lease_;
  std::vector<StoredSnapshot> snapshots_;
  std::set<SnapshotId> removed_;  // that earlier repairs had made
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
