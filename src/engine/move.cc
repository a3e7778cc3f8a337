#include "engine/move.h"

#include <algorithm>
#include <map>
#include <set>
#include <utility>

#include "base/try.h"
#include "engine/copy/carried_notes.h"
#include "engine/copy/read_back.h"
#include "engine/forget.h"
#include "engine/notes.h"
#include "engine/restore/read_lease.h"
#include "engine/store_lock.h"

namespace backstay::engine {

namespace {

using snapshot::SnapshotId;

// Whose snapshots may still be taken back. One that was listed before its lease is ended counts for
// ever, so that a lease whose owner is dead is no matter.
Result<std::set<repo::LeaseId>> leases_at_work(repo::Repository& repository) {
  std::set<repo::LeaseId> found;
  for (const auto& lease : TRY(repo::list_leases(repository.store(), repository.config().id))) {
    if (lease.alive || lease.ended) found.insert(lease.record.id);
  }
  return found;
}

class Move {
 public:
  Move(repo::Repository& from, repo::Repository& to, const MoveOptions& options, Activity& activity,
       const std::function<void(const MovedSnapshot&)>& done)
      : from_(from), to_(to), options_(options), activity_(activity), done_(done) {}

  Result<MoveReport> run(const std::vector<CopiedPair>& pairs) {
    for (const CopiedPair& pair : pairs) copies_.emplace(pair.original, pair.copy);
    if (options_.dry_run) {
      for (const CopiedPair& pair : pairs) verified_.push_back(pair.original);
    } else {
      TRY(verify(pairs));
    }
    if (!verified_.empty()) TRY(forget_originals());
    return report_;
  }

 private:
  Result<void> verify(const std::vector<CopiedPair>& pairs) {
    const auto lease = TRY(restoring::take_read_lease(from_, "move", activity_));
    const auto lease_of_copies = TRY(restoring::take_read_lease(to_, "move", activity_));
    // As the stores have it, and not as this run remembers it.
    for (repo::Repository* const repository : {&from_, &to_}) {
      TRY(repository->load_index([&](const repo::ObjectId& id, const Error& error) {
        activity_.report(repo::object_name(repo::ObjectKind::kIndexRun, id), error);
      }));
    }
    const std::set<repo::LeaseId> at_work = TRY(leases_at_work(to_));
    copying::ReadBack read_back(from_, to_, activity_);
    for (const CopiedPair& pair : pairs) {
      activity_.progress.set_current("snapshot " + pair.original.short_hex());
      const auto same = compare(read_back, pair, at_work);
      if (same) {
        verified_.push_back(pair.original);
        continue;
      }
      const ErrorCode code = same.error().code();
      const bool of_this_one = code == ErrorCode::kCorruption || code == ErrorCode::kNotFound ||
                               code == ErrorCode::kConflict;
      if (!of_this_one) return std::unexpected(same.error().clone());
      const bool later = code == ErrorCode::kConflict;
      tell({.pair = pair,
            .outcome = later ? MoveOutcome::kStays : MoveOutcome::kFailed,
            .why = later ? same.error().message() : same.error().describe()});
    }
    report_.bytes_compared = read_back.bytes_compared();
    if (lease) TRY(lease->release());
    if (lease_of_copies) TRY(lease_of_copies->release());
    return {};
  }

  Result<void> compare(copying::ReadBack& read_back, const CopiedPair& pair,
                       const std::set<repo::LeaseId>& at_work) {
    const snapshot::Snapshot original =
        TRY_DOING("reading the original", from_.read_snapshot(pair.original));
    const snapshot::Snapshot copy = TRY_DOING("reading the copy", to_.read_snapshot(pair.copy));
    // Another run made it, and may still take it back.
    if (copy.lease && at_work.contains(repo::LeaseId{copy.lease->bytes}))
      return fail(ErrorCode::kConflict,
                  "the run that made its copy has not confirmed it, or was killed a moment ago: "
                  "a later move takes it");
    return read_back.compare(original, copy);
  }

  Result<void> forget_originals() {
    auto notes = TRY(copying::Notes::of(from_));
    auto there = TRY(copying::Notes::of(to_));
    const auto now = TRY(time_of_store(from_));
    copying::NoteCarrier carrier(to_, std::move(notes), std::move(there),
                                 now.value_or(from_.world().clock.now()), options_.wait);
    ForgetOptions forgetting;
    forgetting.named = verified_;
    forgetting.spares = true;
    forgetting.dry_run = options_.dry_run;
    forgetting.host = options_.host;
    forgetting.user = options_.user;
    forgetting.before_each = [&](const SnapshotId& id) -> Result<void> {
      // What was said about it until now, and that its copy counts now.
      carrier.look_again(TRY(copying::Notes::of(from_)));
      TRY_DOING("carrying along what is said about snapshot " + id.short_hex(),
                carrier.carry(id, copies_.at(id)));
      return require_copy(copies_.at(id));
    };
    const ForgetEvents events{
        .planned = [&](const ForgetPlan& plan) { tell_plan(plan); },
        .removed =
            [&](const SnapshotId& id) {
              tell({.pair = pair_of(id), .outcome = MoveOutcome::kMoved, .why = {}});
            }};
    TRY_DOING("forgetting originals whose copies are whole",
              forget(from_, forgetting, events, activity_));
    return {};
  }

  Result<void> require_copy(const SnapshotId& copy) {
    TRY(to_.refresh_generations());
    const auto found = to_.read_snapshot(copy);
    if (found && to_.counts(copy, *found)) return {};
    return std::unexpected(Error(ErrorCode::kConflict, "the copy " + copy.short_hex() +
                                                           " is gone meanwhile: its original stays")
                               .with_hint("Run the command again."));
  }

  void tell_plan(const ForgetPlan& plan) {
    for (const ForgetGroup& group : plan.groups) {
      for (const ForgetDecision& one : group.decisions) {
        const bool stays = one.decision == policy::Decision::kKeep;
        if (!stays && !options_.dry_run) continue;
        tell({.pair = pair_of(one.stored.id),
              .outcome = stays ? MoveOutcome::kStays : MoveOutcome::kWouldBeMoved,
              .why = stays ? one.reasons.front().text : std::string()});
      }
    }
  }

  [[nodiscard]] CopiedPair pair_of(const SnapshotId& original) const {
    return {.original = original, .copy = copies_.at(original)};
  }

  void tell(const MovedSnapshot& one) {
    switch (one.outcome) {
      case MoveOutcome::kMoved:
      case MoveOutcome::kWouldBeMoved:
        ++report_.moved;
        break;
      case MoveOutcome::kStays:
        ++report_.staying;
        break;
      case MoveOutcome::kFailed:
        ++report_.failed;
        break;
    }
    done_(one);
  }

  repo::Repository& from_;
  repo::Repository& to_;
  const MoveOptions& options_;
  Activity& activity_;
  const std::function<void(const MovedSnapshot&)>& done_;
  std::map<SnapshotId, SnapshotId> copies_;
  std::vector<SnapshotId> verified_;
  MoveReport report_;
};

}  // namespace

std::string_view to_string(MoveOutcome outcome) {
  switch (outcome) {
    case MoveOutcome::kMoved:
      return "moved";
    case MoveOutcome::kStays:
      return "stays";
    case MoveOutcome::kFailed:
      return "failed";
    case MoveOutcome::kWouldBeMoved:
      return "would_be_moved";
  }
  return "unknown";
}

Result<MoveReport> move_originals(repo::Repository& from, repo::Repository& to,
                                  const std::vector<CopiedPair>& pairs, const MoveOptions& options,
                                  Activity& activity,
                                  const std::function<void(const MovedSnapshot&)>& done) {
  if (!options.dry_run) TRY(require_removals(from, "copy --move"));
  return Move(from, to, options, activity, done).run(pairs);
}

}  // namespace backstay::engine
