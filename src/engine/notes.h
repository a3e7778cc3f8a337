// The verbs that write about snapshots and leave them as they are: hold, release, tag.
#pragma once

#include <map>
#include <optional>
#include <string>
#include <vector>

#include "engine/forget_fence.h"
#include "repo/snapshot_note.h"

namespace backstay::engine {

// The holds that bind, by snapshot. `now` is by the store's clock; nothing: it cannot be asked, and
// every hold binds.
using BindingHolds = std::map<snapshot::SnapshotId, std::vector<repo::StoredHold>>;
Result<BindingHolds> binding_holds(repo::Repository& repository, std::optional<Timestamp> now);
// What the store's clock shows; this machine's where the store has none. Nothing where there is no
// space: the clock of a disk is asked by writing to it.
Result<std::optional<Timestamp>> time_of_store(repo::Repository& repository);
// "until 2027-05-01 00:00:00 (audit)", "(audit)", "": what follows the word "held".
[[nodiscard]] std::string held_text(const std::vector<repo::StoredHold>& holds);

// Durable when it returns; not_found when one was forgotten meanwhile, conflict when that could not
// be told in time.
Result<void> hold(repo::Repository& repository, const std::vector<snapshot::SnapshotId>& snapshots,
                  const repo::Hold& hold, const ForgetWait& wait);
// Removes all holds of these snapshots, also those that have expired or cannot be read, and says of
// each how many bound it. permission_denied, and nothing is removed, when a locked one binds. Where
// one is a legal hold the store lets go what the snapshots need before.
Result<std::map<snapshot::SnapshotId, std::uint64_t>> release(
    repo::Repository& repository, const std::vector<snapshot::SnapshotId>& snapshots,
    Activity& activity);

// As hold(). Returns the snapshots whose tags are different now, with their new tags.
Result<std::vector<repo::StoredSnapshot>> change_tags(
    repo::Repository& repository, const std::vector<repo::StoredSnapshot>& snapshots,
    const repo::TagChange& change, const ForgetWait& wait);

}  // namespace backstay::engine
