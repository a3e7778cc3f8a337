// Plan, restore, verify. The plan is a walk of its own: it costs what the tree pages cost, a few
// per cent of a restore, and nothing in the target changes before it is known to fit.
#include "engine/restore.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <memory>
#include <thread>
#include <utility>

#include "base/try.h"
#include "engine/restore/change_keeper.h"
#include "engine/restore/forecast.h"
#include "engine/restore/kept_places.h"
#include "engine/restore/plan.h"
#include "engine/restore/read_lease.h"
#include "engine/restore/restore_run.h"
#include "engine/restore/run_with_limits.h"
#include "engine/restore/verify.h"
#include "engine/restore_plan.h"
#include "io/file.h"
#include "io/file_system.h"

namespace backstay::engine {
namespace restoring {
namespace {

source::TargetTree::Options target_options(const RestoreOptions& options, const Limits& limits) {
  source::TargetTree::Options target;
  target.ownership = options.ownership ? source::Ownership::kRestore : source::Ownership::kSkip;
  target.open_folders_max = limits.open_folders;
  return target;
}

// Plans never report what the restore after it will meet and report again.
Result<Plan> plan_quietly(const Site& site, std::stop_token stop, TargetChanges* changes) {
  Progress progress;
  Activity quiet{.progress = progress, .stop = std::move(stop), .report = {}, .note = {}};
  Outcome outcome(quiet, site.options.target);
  RestoreOptions options = site.options;
  options.on_delete = {};
  Site plan_site{site.repository, site.snapshot, options,    site.limits,
                 outcome,         site.names,    site.target};
  plan_site.ignores_case = site.ignores_case;
  return changes == nullptr ? make_plan(plan_site, PlanDepth::kTotals)
                            : plan_changes(plan_site, *changes);
}

void show_totals(const Plan& plan, Progress& progress) {
  progress.files_total = plan.files;
  progress.bytes_total = plan.bytes;
}

// Whoever asks for something wants to know when there is no such thing.
Result<void> refuse_empty_selection(const Plan& plan, const RestoreOptions& options) {
  const bool nothing_listed = options.only && plan.not_found.size() == options.only->size();
  const bool nothing_fits = !options.includes.empty() && plan.files + plan.dirs + plan.errors == 0;
  if (!nothing_listed && !nothing_fits) return {};
  const std::string_view colon = plan.unmatched.empty() ? "" : ": ";
  return std::unexpected(
      Error(ErrorCode::kNotFound, fmt::format("what is to be included selects nothing{}{}", colon,
                                              fmt::join(plan.unmatched, ", ")))
          .with_hint("List what is in the snapshot with: backstay ls SNAPSHOT [FOLDER]"));
}

Result<RestoreReport> dry_run(Site& site, Activity& activity) {
  const Plan plan = TRY(make_plan(site, PlanDepth::kFull));
  TRY(refuse_empty_selection(plan, site.options));
  show_totals(plan, activity.progress);
  TRY(check_room(plan, site.options.target));
  return planned_report(plan, site.outcome);
}

// Said before anything changes, once for the whole target.
void warn_of_target(const Plan& plan, Outcome& outcome, const std::string& target) {
  const auto facts = io::file_system_facts(existing_folder(target));
  if (!facts) return;
  for (const std::string& warning : target_warnings(plan, *facts)) outcome.note(warning);
}

bool target_ignores_case(const std::string& target) {
  const auto facts = io::file_system_facts(existing_folder(target));
  return facts && facts->ignores_case;
}

// What comes before anything is read: as long as the lease lives nothing of it can be freed.
Result<LeasePtr> take_up(Site& site, Activity& activity) {
  const RestoreOptions& options = site.options;
  site.ignores_case = site.limits.ignores_case || target_ignores_case(options.target);
  TRY(KeptPlaces(options.keep).check_target(options.target));
  LeasePtr lease = TRY(take_read_lease(site.repository, "restore", activity));
  if (options.id && lease) TRY(require_snapshot(site.repository, *options.id));
  return lease;
}

// A target that exists is opened; one that does not stays away.
Result<std::unique_ptr<source::TargetTree>> open_existing(const RestoreOptions& options,
                                                          const Limits& limits) {
  if (!io::file_info(options.target)) return std::unique_ptr<source::TargetTree>();
  return source::TargetTree::open(options.target, target_options(options, limits));
}

}  // namespace

Result<RestoreReport> restore_with_limits(repo::Repository& repository,
                                          const snapshot::Snapshot& snapshot,
                                          const RestoreOptions& options, const Limits& limits,
                                          Activity& activity) {
  Outcome outcome(activity, options.target);
  TemporaryNames names(repository.world().rng);
  Site site{repository, snapshot, options, limits, outcome, names, nullptr};
  const LeasePtr lease = TRY(take_up(site, activity));

  // A dry run, and a plan that fails, leave a target that does not exist as it is.
  std::unique_ptr<source::TargetTree> target = TRY(open_existing(options, limits));
  site.target = target.get();
  if (options.dry_run) return dry_run(site, activity);

  // A restore that goes on from another repository changes no more than was kept for the first.
  ChangeKeeper* const keeper = options.keeper;
  const bool keeps = keeper != nullptr && keeper->saved() == nullptr;
  TargetChanges changes;
  const Plan plan = TRY(plan_quietly(site, activity.stop, keeps ? &changes : nullptr));
  TRY(refuse_empty_selection(plan, options));
  show_totals(plan, activity.progress);
  TRY(check_room(plan, options.target));
  warn_of_target(plan, outcome, options.target);
  if (target == nullptr)
    target = TRY(source::TargetTree::open(options.target, target_options(options, limits)));
  site.target = target.get();

  if (keeps) TRY(keeper->keep(changes));
  if (keeper != nullptr) site.saved = keeper->saved();
  // Beyond this point the target changes.
  TRY(RestoreRun(site, spare_bytes(plan, options.target)).run());
  if (options.verify || options.validate) TRY(verify_target(site));
  RestoreReport report = outcome.report();
  report.bytes_total = plan.bytes;
  report.unmatched = plan.unmatched;
  report.not_found = plan.not_found;
  return report;
}

Result<RestorePlan> plan_with_limits(repo::Repository& repository,
                                     const snapshot::Snapshot& snapshot,
                                     const RestoreOptions& options, const Limits& limits,
                                     Activity& activity) {
  Outcome outcome(activity, options.target);
  TemporaryNames names(repository.world().rng);
  Site site{repository, snapshot, options, limits, outcome, names, nullptr};
  const LeasePtr lease = TRY(take_up(site, activity));
  const std::unique_ptr<source::TargetTree> target = TRY(open_existing(options, limits));
  site.target = target.get();
  const Plan plan = TRY(make_plan(site, PlanDepth::kFull));
  TRY(refuse_empty_selection(plan, options));
  show_totals(plan, activity.progress);
  return forecast(site, plan);
}

}  // namespace restoring

Result<RestoreReport> restore(repo::Repository& repository, const snapshot::Snapshot& snapshot,
                              const RestoreOptions& options, Activity& activity) {
  const restoring::Limits limits =
      restoring::limits_over(repository.store(), options.threads, options.memory_limit);
  return restoring::restore_with_limits(repository, snapshot, options, limits, activity);
}

Result<RestorePlan> plan_restore(repo::Repository& repository, const snapshot::Snapshot& snapshot,
                                 const RestoreOptions& options, Activity& activity) {
  const restoring::Limits limits =
      restoring::limits_over(repository.store(), options.threads, options.memory_limit);
  return restoring::plan_with_limits(repository, snapshot, options, limits, activity);
}

}  // namespace backstay::engine
