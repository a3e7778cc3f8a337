#include "engine/restore/forecast.h"

#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <unordered_set>
#include <utility>

#include "base/try.h"
#include "engine/restore/kept_places.h"
#include "repo/object.h"

namespace backstay::engine::restoring {
namespace {

// Measured on ext4: making one small file, its attributes included.
constexpr double kSecondsOfFile = 60e-6;

// From the time that the sample takes now. Several threads ask at once, so that what one of them
// waits is shared among them.
Result<std::optional<double>> estimate(Site& site, const Plan& plan) {
  const Clock& clock = site.repository.world().clock;
  std::uint64_t bytes = 0;
  double seconds = 0;
  for (const repo::FrameLocation& frame : plan.needs.sample()) {
    if (site.outcome.ending()) return std::unexpected(site.outcome.status().error());
    const auto before = clock.monotonic();
    if (!site.repository.read_frame(frame)) continue;
    seconds += std::chrono::duration<double>(clock.monotonic() - before).count();
    bytes += frame.sealed_length;
  }
  if (bytes == 0 || seconds <= 0) return std::optional<double>();
  const double rate =
      static_cast<double>(bytes) / seconds * static_cast<double>(site.limits.threads);
  const auto files = static_cast<double>(plan.files_written + plan.dirs_new);
  return static_cast<double>(plan.needs.bytes()) / rate + files * kSecondsOfFile;
}

Result<std::vector<std::string>> missing_packs(repo::Repository& repository, const Needs& needs) {
  std::unordered_set<std::string> wanted;
  for (const repo::ObjectId& id : needs.data_packs())
    wanted.insert(repo::object_name(repo::object_kind(repo::PackKind::kData), id));
  for (const repo::ObjectId& id : needs.meta_packs())
    wanted.insert(repo::object_name(repo::object_kind(repo::PackKind::kMeta), id));
  for (const repo::PackKind kind : {repo::PackKind::kData, repo::PackKind::kMeta}) {
    if (wanted.empty()) break;
    TRY(repository.store().list(repo::name_prefix(repo::object_kind(kind)),
                                [&](const backend::ObjectInfo& info) -> Result<void> {
                                  wanted.erase(info.name);
                                  return {};
                                }));
  }
  std::vector<std::string> missing(wanted.begin(), wanted.end());
  std::ranges::sort(missing);
  return missing;
}

}  // namespace

RestoreReport planned_report(const Plan& plan, const Outcome& outcome) {
  RestoreReport report = outcome.report();
  report.files_restored = plan.files_written - std::min(plan.files_written, report.files_failed);
  report.files_unchanged = plan.files_unchanged;
  report.dirs_restored = plan.dirs;
  report.bytes_written = plan.bytes_written;
  report.bytes_total = plan.bytes;
  report.unmatched = plan.unmatched;
  report.not_found = plan.not_found;
  return report;
}

Result<RestorePlan> forecast(Site& site, const Plan& plan) {
  RestorePlan made;
  made.packs_missing = TRY_DOING("listing packs", missing_packs(site.repository, plan.needs));
  for (const std::string& pack : made.packs_missing) {
    site.outcome.trouble(
        pack, Error(ErrorCode::kNotFound,
                    "the pack is not in the repository: files that need it cannot be restored")
                  .with_hint("Run 'backstay check' to see what is affected."));
  }
  made.seconds = TRY(estimate(site, plan));
  made.expected = planned_report(plan, site.outcome);
  made.files_new = plan.files_new;
  made.files_changed = plan.files_written - plan.files_new;
  made.files_left = plan.files_left;
  made.dirs_new = plan.dirs_new;
  made.bytes_fetched = plan.needs.bytes();
  made.packs_needed = plan.needs.data_packs().size() + plan.needs.meta_packs().size();
  made.bytes_needed = plan.bytes_needed;
  made.bytes_freed = plan.bytes_freed;
  made.inodes_needed = plan.inodes_needed;
  if (const auto facts = io::file_system_facts(existing_folder(site.options.target))) {
    made.bytes_free = facts->free_bytes;
    made.inodes_free = facts->free_inodes;
    made.file_system = facts->name;
    made.warnings = target_warnings(plan, *facts);
  }
  if (const Result<void> room = check_room(plan, site.options.target); !room)
    made.refusal = room.error().clone();
  return made;
}

}  // namespace backstay::engine::restoring
