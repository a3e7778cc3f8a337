#include "cli/report/facts.h"

#include <algorithm>
#include <map>

#include "base/try.h"
#include "cli/session.h"
#include "engine/safety_snapshot.h"
#include "engine/series.h"

namespace backstay::cli::report {
namespace {

std::vector<Point> points_of(const std::vector<repo::StoredSnapshot>& snapshots) {
  std::vector<Point> points;
  std::map<engine::Series, std::uint64_t> sizes;
  std::uint64_t stored = 0;
  for (const repo::StoredSnapshot& one : snapshots) {
    stored += one.snapshot.stats.bytes_stored;
    if (!engine::is_safety_snapshot(one.snapshot))
      sizes[engine::series_of(one.snapshot)] = one.snapshot.stats.bytes_total;
    std::uint64_t source = 0;
    for (const auto& [series, bytes] : sizes) source += bytes;
    points.push_back({.time = one.snapshot.started, .stored_sum = stored, .source_bytes = source});
  }
  return points;
}

std::uint64_t size_of(const engine::Change& change) {
  return change.after ? change.after->size_bytes : change.before->size_bytes;
}

// Of all changes those that stay in the report.
class Largest {
 public:
  explicit Largest(std::size_t max) : max_(max) {}
  void offer(const engine::Change& change) {
    if (change.kind == engine::ChangeKind::kAttributes) return;
    if (kept_.size() == max_ && size_of(change) <= size_of(kept_.back())) return;
    const auto at =
        std::ranges::upper_bound(kept_, size_of(change), std::ranges::greater(), size_of);
    kept_.insert(at, change);
    if (kept_.size() > max_) kept_.pop_back();
  }
  std::vector<engine::Change> take() && { return std::move(kept_); }

 private:
  std::size_t max_;
  std::vector<engine::Change> kept_;
};

Result<void> look_into(repo::Repository& repository, const repo::StoredSnapshot* before,
                       const Asked& asked, SourceFacts& facts, engine::Activity& activity) {
  facts.folders = TRY(engine::space_use(repository, facts.newest.snapshot, {}, activity));
  std::ranges::sort(facts.folders, std::ranges::greater(), &engine::FolderUse::stored_bytes);
  if (facts.folders.size() > asked.rows_max) facts.folders.resize(asked.rows_max);
  if (before == nullptr) return {};
  Largest largest(asked.rows_max);
  facts.changed = TRY(engine::diff_snapshots(
      repository, before->snapshot.tree, facts.newest.snapshot.tree, "/",
      [&](const engine::Change& change) -> Result<void> {
        largest.offer(change);
        return {};
      },
      activity));
  facts.largest = std::move(largest).take();
  return {};
}

}  // namespace

Result<Facts> gather(Context& context, const Asked& asked, engine::Activity& activity) {
  const auto repository = TRY(open_repository(context));
  Facts facts;
  facts.place = repository->store().describe();
  facts.repository = repository->config().id.hex();
  facts.encryption = crypto::to_string(repository->config().suite);
  facts.now = context.clock.now();
  facts.verified_within_days = asked.verified_within_days;
  const SnapshotList list = TRY(list_snapshots(context, *repository));
  facts.snapshots = list.snapshots.size();
  facts.damaged = list.damaged.size();
  facts.points = points_of(list.snapshots);
  facts.growth = TRY(growth_facts(*repository, list.snapshots, {}));
  const std::chrono::days age(static_cast<int>(asked.verified_within_days));
  facts.holdings = TRY(engine::holdings_of(*repository, age, activity));

  std::map<engine::Series, std::vector<const repo::StoredSnapshot*>> series;
  for (const repo::StoredSnapshot& one : list.snapshots) {
    if (!engine::is_safety_snapshot(one.snapshot))
      series[engine::series_of(one.snapshot)].push_back(&one);
  }
  for (const auto& [key, members] : series) {
    SourceFacts source{.host = key.first,
                       .paths = key.second,
                       .snapshots = members.size(),
                       .oldest = members.front()->snapshot.started,
                       .newest = *members.back(),
                       .folders = {},
                       .changed = {},
                       .largest = {}};
    const repo::StoredSnapshot* const before =
        members.size() > 1 ? members[members.size() - 2] : nullptr;
    const Result<void> seen = look_into(*repository, before, asked, source, activity);
    if (!seen && seen.error().code() == ErrorCode::kCancelled)
      return std::unexpected(seen.error().clone());
    if (!seen) activity.report("snapshot " + source.newest.id.short_hex(), seen.error());
    facts.sources.push_back(std::move(source));
  }
  return facts;
}

}  // namespace backstay::cli::report
