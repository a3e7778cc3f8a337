#include "engine/copy/carried_notes.h"

#include <algorithm>

#include "base/try.h"

namespace backstay::engine::copying {

using snapshot::SnapshotId;

Result<Notes> Notes::of(repo::Repository& repository) {
  Notes notes;
  notes.tag_changes = TRY_DOING("reading changes of tags", repo::list_tag_changes(repository));
  notes.holds = TRY_DOING("reading holds", repo::list_holds(repository));
  return notes;
}

bool NoteCarrier::has(const SnapshotId& copy, const repo::TagChange& change) const {
  return std::ranges::any_of(there_.tag_changes, [&](const repo::StoredTagChange& one) {
    return one.snapshot == copy && one.change == change;
  });
}

bool NoteCarrier::has(const SnapshotId& copy, const repo::Hold& hold) const {
  return std::ranges::any_of(there_.holds, [&](const repo::StoredHold& one) {
    return one.snapshot == copy && one.readable && one.hold == hold;
  });
}

Result<NoteCarrier::Carried> NoteCarrier::carry(const SnapshotId& original,
                                                const SnapshotId& copy) {
  Carried carried;
  std::vector<FreshNote> fresh;
  for (const repo::StoredTagChange& one : from_.tag_changes) {
    if (one.snapshot != original || has(copy, one.change)) continue;
    fresh.push_back(
        {.snapshot = copy, .object = TRY(repo::store_tag_change(to_, copy, one.change))});
    there_.tag_changes.push_back({.snapshot = copy, .change = one.change});
  }
  for (const repo::StoredHold& one : from_.holds) {
    if (one.snapshot != original || !one.binds(now_)) continue;
    if (!one.readable) {
      carried.held_by_unreadable = true;
      continue;
    }
    repo::Hold hold = one.hold;
    hold.legal = false;  // it is of one store
    if (has(copy, hold)) continue;
    std::string object = TRY(repo::store_hold(to_, copy, hold));
    there_.holds.push_back({.object = object, .snapshot = copy, .hold = hold});
    fresh.push_back({.snapshot = copy, .object = std::move(object)});
    if (one.hold.locked)
      carried.locked_until =
          std::max(carried.locked_until.value_or(*one.hold.until), *one.hold.until);
  }
  carried.notes = fresh.size();
  TRY(settle_notes(to_, fresh, "tags and holds of a copy", wait_));
  return carried;
}

}  // namespace backstay::engine::copying
