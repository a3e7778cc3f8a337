#include "engine/notes.h"

#include <fmt/format.h>

#include <algorithm>

#include "base/try.h"
#include "engine/store_lock.h"

namespace backstay::engine {

Result<std::optional<Timestamp>> time_of_store(repo::Repository& repository) {
  auto time = repository.store().store_time();
  if (time) return *time;
  if (time.error().code() == ErrorCode::kUnsupported) return repository.world().clock.now();
  if (time.error().code() == ErrorCode::kNoSpace) return std::nullopt;
  return std::unexpected(std::move(time).error());
}

Result<BindingHolds> binding_holds(repo::Repository& repository, std::optional<Timestamp> now) {
  BindingHolds binding;
  for (repo::StoredHold& stored : TRY(repo::list_holds(repository))) {
    if (!now || stored.binds(*now)) binding[stored.snapshot].push_back(std::move(stored));
  }
  return binding;
}

std::string held_text(const std::vector<repo::StoredHold>& holds) {
  // A locked one, else the one that binds longest, says all.
  const auto longer = [](const repo::StoredHold& a, const repo::StoredHold& b) {
    if (a.hold.locked != b.hold.locked) return b.hold.locked;
    if (!a.hold.until || !b.hold.until) return a.hold.until.has_value() && !b.hold.until;
    return *a.hold.until < *b.hold.until;
  };
  const auto longest = std::ranges::max_element(holds, longer);
  if (longest == holds.end()) return {};
  if (!longest->readable) return "by a hold that cannot be read";
  std::string text;
  if (longest->hold.until) text = "until " + format_local(*longest->hold.until);
  if (longest->hold.locked) text += ", locked";
  if (std::ranges::any_of(holds, [](const repo::StoredHold& one) { return one.hold.legal; }))
    text += text.empty() ? "legal hold" : ", legal hold";
  if (!longest->hold.reason.empty())
    text += fmt::format("{}({})", text.empty() ? "" : " ", longest->hold.reason);
  return text;
}

Result<void> hold(repo::Repository& repository, const std::vector<snapshot::SnapshotId>& snapshots,
                  const repo::Hold& hold, const ForgetWait& wait) {
  std::optional<Timestamp> now;
  if (hold.until) now = TRY(time_of_store(repository));
  if (now && *hold.until <= *now) {
    return std::unexpected(
        Error(ErrorCode::kInvalidArgument,
              "the hold would end at " + format_local(*hold.until) + ", which is over")
            .with_hint("Give a time to come, or leave it out: the hold then binds until it is "
                       "released."));
  }
  std::vector<FreshNote> notes;
  for (const snapshot::SnapshotId& id : snapshots) {
    notes.push_back({.snapshot = id,
                     .object = TRY_DOING("holding snapshot " + id.short_hex(),
                                         repo::store_hold(repository, id, hold))});
  }
  return settle_notes(repository, notes, "hold", wait);
}

static Result<void> end_legal_ones(repo::Repository& repository,
                                   const std::vector<repo::StoredHold>& holds,
                                   std::vector<snapshot::SnapshotId> snapshots,
                                   Activity& activity) {
  if (!repository.store().capabilities().legal_hold) return {};
  std::erase_if(snapshots, [&](const snapshot::SnapshotId& id) {
    return std::ranges::none_of(holds, [&](const repo::StoredHold& one) {
      return one.snapshot == id && (one.hold.legal || !one.readable);
    });
  });
  if (snapshots.empty()) return {};
  return end_legal_holds(repository, snapshots, activity);
}

Result<std::map<snapshot::SnapshotId, std::uint64_t>> release(
    repo::Repository& repository, const std::vector<snapshot::SnapshotId>& snapshots,
    Activity& activity) {
  TRY(require_removals(repository, "release"));
  const std::optional<Timestamp> now = TRY(time_of_store(repository));
  std::map<snapshot::SnapshotId, std::uint64_t> released;
  for (const snapshot::SnapshotId& id : snapshots) released[id] = 0;
  const std::vector<repo::StoredHold> holds = TRY(repo::list_holds(repository));
  for (const repo::StoredHold& stored : holds) {
    const bool binds = !now || stored.binds(*now);
    if (!released.contains(stored.snapshot) || !stored.hold.locked || !binds) continue;
    return std::unexpected(
        Error(ErrorCode::kPermissionDenied,
              fmt::format("snapshot {} is locked until {}", stored.snapshot.short_hex(),
                          format_local(*stored.hold.until)))
            .with_hint("A lock is not released before its time. Nothing was released."));
  }
  TRY(end_legal_ones(repository, holds, snapshots, activity));
  for (const repo::StoredHold& stored : holds) {
    const auto found = released.find(stored.snapshot);
    if (found == released.end()) continue;
    TRY_DOING("releasing snapshot " + stored.snapshot.short_hex(),
              repository.store().remove(stored.object));
    if (!now || stored.binds(*now)) ++found->second;
  }
  TRY(repository.store().barrier());
  return released;
}

Result<std::vector<repo::StoredSnapshot>> change_tags(
    repo::Repository& repository, const std::vector<repo::StoredSnapshot>& snapshots,
    const repo::TagChange& change, const ForgetWait& wait) {
  std::vector<repo::StoredSnapshot> changed;
  std::vector<FreshNote> notes;
  for (const repo::StoredSnapshot& stored : snapshots) {
    std::vector<std::string> tags = repo::apply_change(change, stored.snapshot.tags);
    if (stored.tags_known && tags == stored.snapshot.tags) continue;
    notes.push_back({.snapshot = stored.id,
                     .object = TRY_DOING("changing the tags of snapshot " + stored.id.short_hex(),
                                         repo::store_tag_change(repository, stored.id, change))});
    changed.push_back(stored);
    changed.back().snapshot.tags = std::move(tags);
  }
  TRY(settle_notes(repository, notes, "change of tags", wait));
  return changed;
}

}  // namespace backstay::engine
