#include "engine/repair/replace_snapshot.h"

#include <fmt/format.h>

#include <algorithm>
#include <optional>
#include <set>
#include <utility>

#include "base/try.h"
#include "engine/forget_fence.h"
#include "engine/notes.h"
#include "repo/snapshot_note.h"

namespace backstay::engine::repairing {

namespace {

using repo::ObjectKind;
using snapshot::SnapshotId;

// Nothing where the store lets go of snapshots.
std::optional<std::string> why_store_keeps(const backend::Backend& store) {
  const backend::Capabilities can = store.capabilities();
  if (can.append_only) return "the repository is append-only";
  if (!can.lists_at_once) return "lists of the store may be late: what seems lost may be there";
  return std::nullopt;
}

std::string object_of(const SnapshotId& id) {
  return repo::object_name(ObjectKind::kSnapshot, repo::ObjectId{id.bytes});
}

// As a forget: whoever holds or tags the old one meanwhile waits for it.
Result<std::unique_ptr<repo::Lease>> take_lease(repo::Repository& repository,
                                                const RepairAuthor& author) {
  auto record = repo::lease_of_this_process(kForgetOperation, author.host, author.user);
  record.renew_seconds = kForgetRenewSeconds;
  return repository.take_lease(std::move(record), repo::LeaseUse::kReading);
}

Result<repo::StoredSnapshot> with_tags(repo::Repository& repository, const SnapshotId& id) {
  std::vector<repo::StoredSnapshot> one(1);
  one.front().id = id;
  one.front().snapshot = TRY(repository.read_snapshot(id));
  TRY(repo::apply_tag_changes(repository, one));
  return std::move(one.front());
}

Result<void> carry_tags(repo::Repository& repository, const repo::StoredSnapshot& old,
                        const Succession& succession, const RepairAuthor& author) {
  const auto tags = TRY(with_tags(repository, succession.made.id)).snapshot.tags;
  repo::TagChange change{
      .replaces = succession.fresh,
      .removed = {},
      .added = old.snapshot.tags,
      .author = {.time = repository.world().clock.now(), .host = author.host, .user = author.user}};
  if (repo::apply_change(change, tags) == tags) return {};
  TRY(repo::store_tag_change(repository, succession.made.id, change));
  return {};
}

// The objects of the holds that the new one has, too, and of those that do not bind any more.
struct CarriedHolds {
  std::set<std::string> objects;
  bool all = true;      // false: one cannot be read
  bool locked = false;  // one binds that nobody may remove before its time

  [[nodiscard]] std::optional<std::string> why_it_stays() const {
    if (!all) return "it is held by a hold that cannot be read";
    if (locked) return "it is locked until its time is over";
    return std::nullopt;
  }
};
// `made`: the snapshot that gets those that bind; nothing: they are only looked at.
Result<CarriedHolds> carry_holds(repo::Repository& repository, const SnapshotId& old,
                                 const std::optional<SnapshotId>& made,
                                 std::optional<Timestamp> now) {
  CarriedHolds carried;
  const auto holds = TRY(repo::list_holds(repository));
  for (const repo::StoredHold& one : holds) {
    if (one.snapshot != old) continue;
    if (!one.readable) {
      carried.all = false;
      continue;
    }
    carried.objects.insert(one.object);
    if (now && !one.binds(*now)) continue;
    carried.locked = carried.locked || one.hold.locked;
    if (!made) continue;
    const bool there = std::ranges::any_of(holds, [&](const repo::StoredHold& other) {
      return other.snapshot == *made && other.readable && other.hold == one.hold;
    });
    if (!there) TRY(repo::store_hold(repository, *made, one.hold));
  }
  return carried;
}

Result<void> remove_notes(repo::Repository& repository, const SnapshotId& old) {
  for (const ObjectKind kind : {ObjectKind::kTagChange, ObjectKind::kHold}) {
    for (const repo::ListedNote& note : TRY(repo::list_notes(repository.store(), kind))) {
      if (note.name.snapshot.bytes == old.bytes) TRY(repository.store().remove(note.object));
    }
  }
  return {};
}

}  // namespace

// What is about to be relied on: that the new one is there and counts, and that nobody takes it for
// settled, and forgets it in favour of the old one.
static Result<void> make_sure_of(repo::Repository& repository, const Succession& succession) {
  TRY(repository.refresh_generations());
  TRY(succession.lease->verify());
  TRY(succession.lease->ask());
  if (!repository.counts(succession.made.id, succession.made.snapshot))
    return fail(ErrorCode::kConflict, "a collection took the lease for ended");
  TRY_DOING("looking for snapshot " + succession.made.id.short_hex(),
            repository.store().head(object_of(succession.made.id)));
  return {};
}

static Result<HandOver> replace(repo::Repository& repository, const Succession& succession,
                                const repo::StoredSnapshot& before, const repo::Lease& lease,
                                const RepairAuthor& author) {
  const SnapshotId& old = succession.old;
  TRY_DOING("carrying tags along", carry_tags(repository, before, succession, author));
  const CarriedHolds holds =
      TRY_DOING("carrying holds along",
                carry_holds(repository, old, succession.made.id, TRY(time_of_store(repository))));
  TRY(repository.store().barrier());
  if (succession.what == OldSnapshot::kKeep) return HandOver{};
  if (auto why = why_store_keeps(repository.store()))
    return HandOver{.outcome = HandedOver::kStays, .why = std::move(*why)};
  if (!before.tags_known) {
    return HandOver{.outcome = HandedOver::kStays, .why = "a change of its tags cannot be read"};
  }
  if (auto why = holds.why_it_stays())
    return HandOver{.outcome = HandedOver::kStays, .why = std::move(*why)};
  if (TRY(held_meanwhile(repository, old, &lease, holds.objects))) {
    return HandOver{.outcome = HandedOver::kStays,
                    .why = "it was held meanwhile; run the command again"};
  }
  TRY(make_sure_of(repository, succession));
  TRY_DOING("removing snapshot " + old.short_hex(), repository.store().remove(object_of(old)));
  TRY(repository.store().barrier());
  TRY_DOING("removing what is said about it", remove_notes(repository, old));
  return HandOver{};
}

Result<std::optional<std::string>> why_it_stays(repo::Repository& repository, const SnapshotId& id,
                                                Timestamp now) {
  if (auto why = why_store_keeps(repository.store())) return why;
  return TRY(carry_holds(repository, id, std::nullopt, now)).why_it_stays();
}

Result<HandOver> hand_over(repo::Repository& repository, const Succession& succession,
                           const RepairAuthor& author) {
  // The lease comes before anything is read: who stores a hold later waits for it.
  const auto lease = TRY(take_lease(repository, author));
  const auto before = with_tags(repository, succession.old);
  if (!before && before.error().code() != ErrorCode::kNotFound)
    return std::unexpected(before.error().clone());
  // Forgotten, or replaced by another repair: which one cannot be told, so the new one stays.
  HandOver result{.outcome = HandedOver::kForgotten,
                  .why =
                      "it was removed meanwhile, by a forget or another repair; the new one "
                      "stays: look with 'backstay snapshots' which are wanted"};
  if (before) result = TRY(replace(repository, succession, *before, *lease, author));
  TRY(lease->release());
  return result;
}

}  // namespace backstay::engine::repairing
