// Forgetting: removing snapshots, by name or by rules. Frees nothing: that is what prune does.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "engine/activity.h"
#include "policy/retention.h"
#include "repo/repository.h"

namespace backstay::engine {

struct ForgetOptions {
  // These, and what follows about rules does not count; also damaged ones.
  std::vector<snapshot::SnapshotId> named;
  // Of these, what is held, not finished, or the newest good one of its source stays, and the plan
  // says so; else the former is a failure, and the latter goes.
  bool spares = false;
  // The last thing before one goes, under the lease: a failure keeps it and ends the run.
  std::function<Result<void>(const snapshot::SnapshotId&)> before_each;

  policy::Retention retention;
  policy::Grouping grouping;
  std::function<bool(const repo::StoredSnapshot&)> selects;  // nothing: all
  policy::UtcOffset zone = local_utc_offset;

  bool dry_run = false;
  std::string host;
  std::string user;
};

struct ForgetDecision {
  repo::StoredSnapshot stored;
  policy::Decision decision = policy::Decision::kKeep;
  std::vector<policy::Reason> reasons;
};
struct ForgetGroup {
  std::string host;
  std::vector<std::string> paths;
  std::vector<std::string> tags;
  bool is_safety = false;                 // safety snapshots, which no rule groups
  std::vector<ForgetDecision> decisions;  // newest first
};
// What is to be done, before anything is done.
struct ForgetPlan {
  policy::Grouping grouping;
  std::vector<ForgetGroup> groups;
  // Named ones of which no more is known than that they are damaged.
  std::vector<snapshot::SnapshotId> damaged;
};

// In the order in which they go.
[[nodiscard]] std::vector<snapshot::SnapshotId> to_be_removed(const ForgetPlan& plan);

struct ForgetEvents {
  std::function<void(const ForgetPlan&)> planned;
  std::function<void(const snapshot::SnapshotId&)> removed;
};

struct ForgetReport {
  std::uint64_t groups = 0;
  std::uint64_t kept = 0;
  std::uint64_t removed = 0;  // in a dry run: that would be removed
  std::uint64_t damaged = 0;  // that rules cannot judge
};

// Damaged snapshots, and those with unreadable tags, are told to activity.report by their objects'
// names. permission_denied when a named one is held: nothing is removed then. What another forget
// removes meanwhile counts as removed. After a failure, `removed` has told what went before it.
Result<ForgetReport> forget(repo::Repository& repository, const ForgetOptions& options,
                            const ForgetEvents& events, Activity& activity);

}  // namespace backstay::engine
