#include "engine/forget.h"

#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <set>

#include "base/try.h"
#include "engine/forget_fence.h"
#include "engine/notes.h"
#include "engine/safety_snapshot.h"
#include "engine/store_lock.h"
#include "repo/lease.h"

namespace backstay::engine {

namespace {

using LeasePtr = std::unique_ptr<repo::Lease>;
using repo::ObjectKind;
using snapshot::SnapshotId;

std::string object_of(const SnapshotId& id) {
  return repo::object_name(ObjectKind::kSnapshot, repo::ObjectId{id.bytes});
}

// Null where there is no space: a full store is what forgetting is for.
Result<LeasePtr> take_lease(repo::Repository& repository, const ForgetOptions& options) {
  auto record = repo::lease_of_this_process(kForgetOperation, options.host, options.user);
  record.renew_seconds = kForgetRenewSeconds;
  auto lease = repository.take_lease(std::move(record), repo::LeaseUse::kWriting);
  if (lease || lease.error().code() != ErrorCode::kNoSpace) return lease;
  return LeasePtr();
}

// Everything that a decision depends on, as it is in the repository.
struct Inventory {
  std::vector<repo::StoredSnapshot> snapshots;
  std::map<SnapshotId, ErrorCode> damaged;
  BindingHolds holds;
  std::set<std::string> expired;  // objects of holds that do not bind
  Timestamp now;
  std::vector<policy::SnapshotFacts> facts;  // of `snapshots`
};

Result<std::set<repo::LeaseId>> listed_leases(backend::Backend& store) {
  constexpr std::size_t kHexDigits = 32;
  const std::string_view prefix = repo::name_prefix(ObjectKind::kLease);
  std::set<repo::LeaseId> found;
  TRY(store.list(prefix, [&](const backend::ObjectInfo& info) -> Result<void> {
    const auto id =
        repo::LeaseId::from_hex(std::string_view(info.name).substr(prefix.size(), kHexDigits));
    if (id) found.insert(*id);
    return {};
  }));
  return found;
}

// Which of the snapshots their writers may still take back. One whose lease was not there after it
// was listed is settled: confirmed, and then nothing changes any more; or taken back, and then it
// is gone; or ended by a collection, and then the generations say whether it counts (docs/format.md
// section 8.3). Those that turn out not to be there are left out.
Result<std::set<SnapshotId>> settle_snapshots(repo::Repository& repository,
                                              std::vector<repo::StoredSnapshot>& snapshots) {
  const std::set<repo::LeaseId> leases = TRY(listed_leases(repository.store()));
  TRY(repository.refresh_generations());
  std::set<SnapshotId> present;
  for (const SnapshotId& id : TRY(repository.list_snapshots())) present.insert(id);
  std::erase_if(snapshots, [&](const repo::StoredSnapshot& stored) {
    return !present.contains(stored.id) || !repository.counts(stored.id, stored.snapshot);
  });
  std::set<SnapshotId> unfinished;
  for (const repo::StoredSnapshot& stored : snapshots) {
    const auto& lease = stored.snapshot.lease;
    if (lease && leases.contains(repo::LeaseId{lease->bytes})) unfinished.insert(stored.id);
  }
  return unfinished;
}

Result<void> take_holds(repo::Repository& repository, Inventory& found, Activity& activity) {
  const std::optional<Timestamp> now = TRY(time_of_store(repository));
  found.now = now.value_or(repository.world().clock.now());
  if (!now) activity.note("there is no space to ask for the store's time: every hold binds");
  for (repo::StoredHold& stored : TRY(repo::list_holds(repository))) {
    if (!now || stored.binds(*now))
      found.holds[stored.snapshot].push_back(std::move(stored));
    else
      found.expired.insert(std::move(stored.object));
  }
  return {};
}

Result<Inventory> take_inventory(repo::Repository& repository, const ForgetOptions& options,
                                 Activity& activity) {
  Inventory found;
  found.snapshots = TRY_DOING("listing snapshots",
                              repository.snapshots([&](const SnapshotId& id, const Error& error) {
                                found.damaged[id] = error.code();
                                activity.report(object_of(id), error);
                              }));
  const std::set<SnapshotId> unfinished =
      TRY_DOING("looking for backups under way", settle_snapshots(repository, found.snapshots));
  TRY_DOING("listing holds", take_holds(repository, found, activity));
  for (const repo::StoredSnapshot& stored : found.snapshots) {
    policy::SnapshotFacts facts{.id = stored.id,
                                .time = stored.snapshot.started,
                                .host = stored.snapshot.host,
                                .paths = stored.snapshot.paths,
                                .tags = stored.snapshot.tags,
                                .bytes_stored = stored.snapshot.stats.bytes_stored,
                                .complete = stored.snapshot.status == snapshot::Status::kComplete,
                                .tags_known = stored.tags_known,
                                .finished = !unfinished.contains(stored.id),
                                .selected = !options.selects || options.selects(stored),
                                .held = {}};
    if (const auto held = found.holds.find(stored.id); held != found.holds.end())
      facts.held = held_text(held->second);
    if (!stored.tags_known) {
      activity.report(object_of(stored.id),
                      Error(ErrorCode::kCorruption, "a change of its tags cannot be read"));
    }
    found.facts.push_back(std::move(facts));
  }
  return found;
}

// What stays although it was named, or would go, and why.
void spare(const policy::SnapshotFacts& facts, const std::vector<std::size_t>& newest,
           std::size_t index, ForgetDecision& decision) {
  policy::Reason reason;
  if (facts.held) {
    reason = {.rule = policy::Rule::kHeld,
              .text = facts.held->empty() ? "held" : "held " + *facts.held};
  } else if (!facts.tags_known) {
    reason = {.rule = policy::Rule::kTagsUnknown, .text = "a change of its tags cannot be read"};
  } else if (!facts.finished) {
    reason = {.rule = policy::Rule::kUnfinished, .text = "its backup has not confirmed it yet"};
  } else if (std::ranges::find(newest, index) != newest.end()) {
    reason = {.rule = policy::Rule::kNewestOfSource,
              .text = "the newest good snapshot of this source"};
  } else {
    return;
  }
  decision.decision = policy::Decision::kKeep;
  decision.reasons = {std::move(reason)};
}

// Safety snapshots, which hold parts of what was there, stand beside the rules: each is kept while
// it is held, and goes when that is over.
ForgetGroup judge_safety_snapshots(Inventory& found) {
  ForgetGroup group;
  group.is_safety = true;
  for (std::size_t i = found.facts.size(); i-- > 0;) {
    const policy::SnapshotFacts& facts = found.facts[i];
    if (!is_safety_snapshot(found.snapshots[i].snapshot)) continue;
    if (facts.selected) {
      ForgetDecision decision{
          .stored = found.snapshots[i],
          .decision = policy::Decision::kRemove,
          .reasons = {{.rule = policy::Rule::kNone, .text = "the time to roll back is over"}}};
      spare(facts, {}, i, decision);
      group.decisions.push_back(std::move(decision));
    }
    found.snapshots.erase(found.snapshots.begin() + static_cast<std::ptrdiff_t>(i));
    found.facts.erase(found.facts.begin() + static_cast<std::ptrdiff_t>(i));
  }
  return group;
}

ForgetPlan plan_by_rules(Inventory& found, const ForgetOptions& options) {
  ForgetPlan plan{.grouping = options.grouping, .groups = {}, .damaged = {}};
  ForgetGroup safety = judge_safety_snapshots(found);
  for (policy::Group& group : policy::judge(found.facts, options.retention, options.grouping,
                                            {.now = found.now, .zone = options.zone})) {
    ForgetGroup& made = plan.groups.emplace_back();
    made.host = std::move(group.host);
    made.paths = std::move(group.paths);
    made.tags = std::move(group.tags);
    for (policy::Verdict& verdict : group.verdicts) {
      made.decisions.push_back({.stored = std::move(found.snapshots[verdict.index]),
                                .decision = verdict.decision,
                                .reasons = std::move(verdict.reasons)});
    }
  }
  if (!safety.decisions.empty()) plan.groups.push_back(std::move(safety));
  return plan;
}

Error is_held(const SnapshotId& id, const std::vector<repo::StoredHold>& holds) {
  const std::string text = held_text(holds);
  const bool locked =
      std::ranges::any_of(holds, [](const auto& stored) { return stored.hold.locked; });
  return Error(ErrorCode::kPermissionDenied,
               fmt::format("snapshot {} is held{}{}; nothing was removed", id.short_hex(),
                           text.empty() ? "" : " ", text))
      .with_hint(locked ? "A lock ends by itself when its time is over, and not before."
                        : fmt::format("When it is to go all the same, release it first: backstay "
                                      "release {}",
                                      id.short_hex()));
}

// As the rules have it, for which safety snapshots stand for no source.
std::vector<std::size_t> newest_of_sources(const Inventory& found) {
  std::vector<policy::SnapshotFacts> facts;
  std::vector<std::size_t> places;
  for (std::size_t i = 0; i < found.facts.size(); ++i) {
    if (is_safety_snapshot(found.snapshots[i].snapshot)) continue;
    facts.push_back(found.facts[i]);
    places.push_back(i);
  }
  std::vector<std::size_t> newest = policy::newest_of_sources(facts, found.now);
  for (std::size_t& index : newest) index = places[index];
  return newest;
}

// Named ones go, be they the last of their source or damaged; but not held, and not of a version
// that this program does not know: whoever made them may know why they are there.
Result<ForgetPlan> plan_by_name(Inventory& found, const ForgetOptions& options) {
  ForgetPlan plan{
      .grouping = {.host = false, .paths = false, .tags = false}, .groups = {}, .damaged = {}};
  const auto newest = newest_of_sources(found);
  ForgetGroup group;
  for (const SnapshotId& id : std::set<SnapshotId>(options.named.begin(), options.named.end())) {
    const auto held = found.holds.find(id);
    if (held != found.holds.end() && !options.spares)
      return std::unexpected(is_held(id, held->second));
    if (const auto damaged = found.damaged.find(id); damaged != found.damaged.end()) {
      if (damaged->second != ErrorCode::kCorruption) {
        return fail(ErrorCode::kUnsupported,
                    fmt::format("snapshot {} needs a newer backstay", id.short_hex()));
      }
      plan.damaged.push_back(id);
      continue;
    }
    const auto at = std::ranges::find(found.snapshots, id, &repo::StoredSnapshot::id);
    if (at == found.snapshots.end()) continue;  // gone since it was named
    const auto index = static_cast<std::size_t>(at - found.snapshots.begin());
    ForgetDecision decision{.stored = *at,
                            .decision = policy::Decision::kRemove,
                            .reasons = {{.rule = policy::Rule::kNamed, .text = "named"}}};
    if (options.spares) spare(found.facts[index], newest, index, decision);
    if (!options.spares && std::ranges::find(newest, index) != newest.end()) {
      decision.reasons.push_back({.rule = policy::Rule::kNewestOfSource,
                                  .text = "although the newest good snapshot of its source"});
    }
    group.decisions.push_back(std::move(decision));
  }
  std::ranges::sort(group.decisions, [](const ForgetDecision& a, const ForgetDecision& b) {
    return b.stored.snapshot.started < a.stored.snapshot.started;
  });
  if (!group.decisions.empty()) plan.groups.push_back(std::move(group));
  return plan;
}

// Holds that have expired and changes of tags, of what was forgotten now or by one that was killed.
Result<void> remove_notes_of_the_forgotten(backend::Backend& store) {
  std::set<std::string> present;
  TRY(store.list(repo::name_prefix(ObjectKind::kSnapshot),
                 [&](const backend::ObjectInfo& info) -> Result<void> {
                   present.insert(info.name);
                   return {};
                 }));
  std::set<std::string> gone;
  for (const ObjectKind kind : {ObjectKind::kTagChange, ObjectKind::kHold}) {
    for (const repo::ListedNote& note : TRY(repo::list_notes(store, kind))) {
      const std::string name = repo::object_name(ObjectKind::kSnapshot, note.name.snapshot);
      if (present.contains(name)) continue;
      if (!gone.contains(name)) {
        // A list may be behind; asking by name is not.
        const auto head = store.head(name);
        if (head) continue;
        if (head.error().code() != ErrorCode::kNotFound)
          return std::unexpected(head.error().clone());
        gone.insert(name);
      }
      TRY(store.remove(note.object));
    }
  }
  return {};
}

struct Removal {
  const std::vector<SnapshotId>& ids;
  const std::set<std::string>& expired;
  const ForgetOptions& options;
  const ForgetEvents& events;
};
Result<void> remove_all(repo::Repository& repository, const Removal& removal, LeasePtr& lease,
                        const Activity& activity) {
  for (const SnapshotId& id : removal.ids) {
    if (activity.stop.stop_requested()) return fail(ErrorCode::kCancelled, "interrupted");
    if (removal.options.before_each) TRY(removal.options.before_each(id));
    if (TRY(held_meanwhile(repository, id, lease.get(), removal.expired))) {
      return std::unexpected(
          Error(ErrorCode::kConflict,
                fmt::format("snapshot {} was held meanwhile and stays", id.short_hex()))
              .with_hint("Run the command again: it goes on with what is left."));
    }
    TRY_DOING("removing snapshot " + id.short_hex(), repository.store().remove(object_of(id)));
    if (removal.events.removed) removal.events.removed(id);
    // What was removed may have made room.
    if (!lease) lease = TRY(take_lease(repository, removal.options));
  }
  TRY_DOING("making the removal durable", repository.store().barrier());
  return {};
}

}  // namespace

// Oldest first: what is left after a failure is the better part.
std::vector<SnapshotId> to_be_removed(const ForgetPlan& plan) {
  std::vector<std::pair<Timestamp, SnapshotId>> found;
  for (const ForgetGroup& group : plan.groups) {
    for (const ForgetDecision& decision : group.decisions) {
      if (decision.decision == policy::Decision::kRemove)
        found.emplace_back(decision.stored.snapshot.started, decision.stored.id);
    }
  }
  std::ranges::sort(found);
  std::vector<SnapshotId> ids = plan.damaged;
  for (const auto& [time, id] : found) ids.push_back(id);
  return ids;
}

Result<ForgetReport> forget(repo::Repository& repository, const ForgetOptions& options,
                            const ForgetEvents& events, Activity& activity) {
  if (options.named.empty() && options.retention.empty()) {
    return std::unexpected(
        Error(ErrorCode::kInvalidArgument, "there is neither a snapshot nor a rule of what to keep")
            .with_hint("Name snapshots, or give rules such as --keep-daily 7 --keep-weekly 4; with "
                       "--dry-run nothing is removed."));
  }
  if (!options.dry_run) TRY(require_removals(repository, "forget"));
  // The lease comes before anything is read: who stores a hold later waits for it.
  LeasePtr lease;
  if (!options.dry_run) {
    lease = TRY(take_lease(repository, options));
    if (!lease) activity.note("there is no space for a lease: going on without one");
  }
  Inventory found = TRY(take_inventory(repository, options, activity));
  const bool by_name = !options.named.empty();
  const ForgetPlan plan =
      by_name ? TRY(plan_by_name(found, options)) : plan_by_rules(found, options);
  if (events.planned) events.planned(plan);

  // Beyond this point the plan is fixed.
  const std::vector<SnapshotId> ids = to_be_removed(plan);
  ForgetReport report{.groups = plan.groups.size(),
                      .kept = 0,
                      .removed = ids.size(),
                      .damaged = by_name ? 0 : found.damaged.size()};
  for (const ForgetGroup& group : plan.groups) report.kept += group.decisions.size();
  report.kept -= ids.size() - plan.damaged.size();
  if (options.dry_run) return report;
  TRY(remove_all(repository,
                 {.ids = ids, .expired = found.expired, .options = options, .events = events},
                 lease, activity));
  TRY_DOING("removing the notes of what was forgotten",
            remove_notes_of_the_forgotten(repository.store()));
  if (lease) TRY(lease->release());
  return report;
}

}  // namespace backstay::engine
