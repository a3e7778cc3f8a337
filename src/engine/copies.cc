#include "engine/copies.h"

#include <algorithm>
#include <map>
#include <utility>

#include "base/try.h"
#include "engine/check/verified_packs.h"
#include "engine/copy.h"
#include "engine/series.h"
#include "repo/pack_survey.h"

namespace backstay::engine {
namespace {

using repo::StoredSnapshot;
using Newest = std::map<Series, const StoredSnapshot*>;

// Of each source the newest; one of the future only where the source has no other.
Newest newest_of(const std::vector<StoredSnapshot>& all, Timestamp now) {
  const auto rank = [&](const StoredSnapshot& one) {
    return std::pair(!is_of_the_future(one.snapshot, now), one.snapshot.started);
  };
  Newest newest;
  for (const StoredSnapshot& one : all) {
    const StoredSnapshot*& known = newest[series_of(one.snapshot)];
    if (known == nullptr || rank(*known) <= rank(one)) known = &one;
  }
  return newest;
}

Result<void> look_at_packs(repo::Repository& repository, std::chrono::seconds max_age,
                           Holdings& found) {
  const std::string& cache = repository.cache_directory();
  const Timestamp now = repository.world().clock.now();
  const auto verified =
      check_stages::VerifiedPacks::load(cache.empty() ? std::string() : cache + "/verified", now);
  auto listed = TRY(repo::list_packs(repository.store()));
  found.packs = listed.size();
  for (const auto& [id, pack] : listed) {
    if (!verified.is_fresh(id, max_age, now)) continue;
    ++found.packs_verified;
    const Timestamp at{.seconds = *verified.verified_at(id)};
    found.verified_since = std::min(found.verified_since.value_or(at), at);
  }
  const auto survey =
      TRY(repo::survey_packs(repository.store(), repository.index(), std::move(listed)));
  found.packs_damaged = survey.marked.size();
  found.packs_lost = survey.lost.size();
  return {};
}

// Before packs are listed: what the index names was durable by then.
Result<void> look_at_index(repo::Repository& repository, Holdings& found, Activity& activity) {
  TRY(repository.load_index([&](const repo::ObjectId& id, const Error& e) {
    ++found.index_damages;
    activity.report("index run " + id.short_hex(), e);
  }));
  // Every snapshot has at least a page of its tree in some pack.
  if (found.index_damages > 0 || found.snapshots.empty() || !repository.index().packs().empty())
    return {};
  ++found.index_damages;
  activity.report("index",
                  Error(ErrorCode::kNotFound, "it names no pack, though there are snapshots")
                      .with_hint("'backstay repair' makes it anew from packs that are "
                                 "there (docs/repair.md)."));
  return {};
}

Result<bool> is_locked(backend::Backend& store, const StoredSnapshot& stored, Timestamp now) {
  const std::string name =
      repo::object_name(repo::ObjectKind::kSnapshot, repo::ObjectId{stored.id.bytes});
  const auto until = TRY(store.retention(name));
  if (until && *until > now) return true;
  return TRY(store.legal_hold(name)) == backend::LegalHold::kOn;
}

// Only what the store itself enforces counts (docs/adr/0019-what-keeps-objects.md).
Result<bool> is_immutable(repo::Repository& repository, const Holdings& found) {
  backend::Backend& store = repository.store();
  const backend::Capabilities can = store.capabilities();
  if (can.append_only) {
    const backend::Keeping keeping = TRY(store.keeping());
    if (keeping.objects > 0 && keeping.by_store == keeping.objects) return true;
  }
  if (!can.object_lock || !can.lock_by_store || found.snapshots.empty()) return false;
  const Timestamp now = TRY(store.store_time());
  for (const auto& [source, stored] : newest_of(found.snapshots, repository.world().clock.now())) {
    if (!TRY(is_locked(store, *stored, now))) return false;
  }
  return true;
}

}  // namespace

std::set<std::string> origins_of(const repo::RepositoryId& repository,
                                 const std::vector<StoredSnapshot>& snapshots) {
  std::set<std::string> origins;
  for (const StoredSnapshot& one : snapshots) origins.insert(origin_of(repository, one));
  return origins;
}

CatchUp catch_up(const repo::RepositoryId& from, const std::vector<StoredSnapshot>& originals,
                 const std::set<std::string>& there, const CatchUpOptions& options) {
  const auto is_there = [&](const StoredSnapshot& one) {
    return there.contains(origin_of(from, one));
  };
  std::map<Series, Timestamp> newest;
  for (const StoredSnapshot& one : originals) {
    if (is_of_the_future(one.snapshot, options.now) || !is_there(one)) continue;
    const auto [known, first] = newest.emplace(series_of(one.snapshot), one.snapshot.started);
    if (!first) known->second = std::max(known->second, one.snapshot.started);
  }
  CatchUp result;
  for (const StoredSnapshot& one : originals) {
    const auto known = newest.find(series_of(one.snapshot));
    const bool missed = known == newest.end() || known->second < one.snapshot.started;
    if ((missed || one.id == options.made_now) && !is_there(one)) result.wanted.push_back(one);
  }
  std::ranges::sort(result.wanted, {}, [&](const StoredSnapshot& one) {
    return std::pair(one.id == options.made_now, one.snapshot.started);
  });
  if (result.wanted.size() <= options.max) return result;
  result.left_out = result.wanted.size() - options.max;
  result.wanted.erase(result.wanted.begin(),
                      result.wanted.begin() + static_cast<std::ptrdiff_t>(result.left_out));
  return result;
}

Result<Holdings> holdings_of(repo::Repository& repository, std::chrono::seconds max_age,
                             Activity& activity) {
  Holdings found;
  found.snapshots = TRY(repository.snapshots([&](const snapshot::SnapshotId& id, const Error& e) {
    ++found.unreadable;
    activity.report("snapshot " + id.short_hex(), e);
  }));
  found.origins = origins_of(repository.config().id, found.snapshots);
  TRY(look_at_index(repository, found, activity));
  TRY(look_at_packs(repository, max_age, found));
  found.append_only = repository.store().capabilities().append_only;
  found.immutable = TRY(is_immutable(repository, found));
  return found;
}

Currency currency_of(const repo::RepositoryId& repository, const std::vector<StoredSnapshot>& all,
                     const std::set<std::string>& origins, Timestamp now) {
  Currency currency;
  for (const auto& [source, stored] : newest_of(all, now)) {
    ++currency.sources;
    if (origins.contains(origin_of(repository, *stored))) ++currency.current;
  }
  return currency;
}

}  // namespace backstay::engine
