// What a collection removes, and what it makes sure of before.
#include <fmt/format.h>

#include <algorithm>
#include <iterator>
#include <utility>

#include "base/try.h"
#include "engine/parity.h"
#include "engine/prune/prune_run.h"
#include "repo/damage_mark.h"

namespace backstay::engine::prune_stages {

// A power cut must not bring back a snapshot that was forgotten, nor take away a generation or an
// index run, that this collection goes by.
Result<void> PruneRun::keep_what_others_did() {
  for (const std::string_view folder : {"snapshots/", "generations/", "leases/", "index/"}) {
    TRY(store_.adopt_names(folder));
  }
  return store_.barrier();
}

// What is missed may be in a pack that no run names.
bool PruneRun::may_hold_missing(const repo::PackUse& use) const {
  return !use.in_index && report_.chunks_missing > 0;
}

// Given up, and neither needed nor protected by a lease.
bool PruneRun::may_go(std::uint32_t number) const {
  const repo::PackUse& use = table_.packs()[number];
  return use.stored && use.condemned_in != 0 && use.condemned_in <= oldest_lease() &&
         is_unneeded(number) && !may_hold_missing(use);
}

// By the leases and snapshots that were listed last.
Result<std::vector<std::uint32_t>> PruneRun::packs_to_free() {
  std::vector<std::uint32_t> going;
  for (std::uint32_t number = 0; number < table_.packs().size(); ++number) {
    if (may_go(number) && !TRY(is_locked(number))) going.push_back(number);
  }
  return going;
}

// Who reads may have begun since, and seen a snapshot that was forgotten after, or the index before
// it said where rescued chunks are now (docs/format.md section 8.2, step 3).
Result<void> PruneRun::leave_to_late_readers(std::vector<std::uint32_t>& going) {
  for (repo::ListedLease& lease : TRY(list_leases())) {
    if (was_ended(lease)) continue;
    std::erase_if(going, [&](std::uint32_t number) {
      return table_.packs()[number].condemned_in > lease.record.generation;
    });
    const bool known = std::ranges::any_of(
        others_, [&](const auto& other) { return other.record.id == lease.record.id; });
    if (!known && !lease.ended) others_.push_back(std::move(lease));
  }
  return {};
}

// They leave their parity groups first. A pack that was lost may need one of them to come back.
Result<void> PruneRun::leave_parity(std::vector<std::uint32_t>& going) {
  std::unordered_set<repo::ObjectId> packs;
  for (const std::uint32_t number : going) packs.insert(table_.packs()[number].pack.id);
  const auto [needed, traffic] =
      TRY_DOING("taking packs out of their parity groups",
                take_out_of_parity(parity_place(repository_), packs, activity_));
  report_.parity.bytes_read += traffic.bytes_read;
  report_.parity.bytes_written += traffic.bytes_written;
  if (needed.empty()) return {};
  activity_.note(fmt::format(
      "{} kept, because a pack that was lost can be brought back with them: run 'backstay parity "
      "repair', then prune again",
      needed.size() == 1 ? "1 pack is" : fmt::format("{} packs are", needed.size())));
  std::erase_if(
      going, [&](std::uint32_t number) { return needed.contains(table_.packs()[number].pack.id); });
  return {};
}

Result<void> PruneRun::remove_pack(repo::PackUse& use) {
  const std::string name = repo::object_name(repo::object_kind(use.pack.kind), use.pack.id);
  TRY_DOING("removing " + name, store_.remove(name));
  if (use.marked) TRY(repo::remove_mark(store_, use.pack.id));
  use.stored = use.present = false;
  ++report_.packs_removed;
  report_.bytes_freed += use.pack.size_bytes;
  return {};
}

// What an earlier run condemned may be what a writer of then relies on, and an index run that came
// since may say that it is elsewhere, too.
Result<PruneRun::Round> PruneRun::free() {
  std::vector<std::uint32_t> going = TRY(packs_to_free());
  if (!going.empty()) TRY(leave_to_late_readers(going));
  if (going.empty()) return Round::kDone;
  std::vector<std::uint32_t> unverified;
  std::ranges::copy_if(going, std::back_inserter(unverified),
                       [&](std::uint32_t number) { return !verified_.contains(number); });
  if (!unverified.empty() &&
      TRY(verify_elsewhere(unverified, ReliedPlaces::Depth::kDirectory)) == Round::kAgain)
    return Round::kAgain;
  TRY(keep_what_others_did());
  TRY(leave_parity(going));
  for (const std::uint32_t number : going) TRY(remove_pack(table_.packs()[number]));
  TRY(store_.barrier());
  return Round::kDone;
}

}  // namespace backstay::engine::prune_stages
