#include <algorithm>

#include "base/try.h"
#include "engine/parity.h"
#include "engine/parity/inventory.h"

namespace backstay::engine {

using parity_stages::Inventory;
using parity_stages::PackState;
using parity_stages::ParityGroup;
using parity_stages::ParityObject;
using parity_stages::take_inventory;
using repo::ParityMember;

static void count_groups(const Inventory& found, ParityStatus& status) {
  const auto owned = found.owned();
  std::uint64_t least = repo::kParityShardsMax;
  for (std::size_t i = 0; i < found.groups.size(); ++i) {
    const ParityGroup& group = found.groups[i];
    const auto shards = static_cast<std::uint64_t>(
        std::ranges::count_if(group.shards, [](const auto& shard) { return shard.has_value(); }));
    status.shards += shards;
    if (owned[i].empty()) {
      ++status.groups_left_over;
      continue;
    }
    ++status.groups;
    if (!group.complete()) ++status.groups_incomplete;
    std::uint64_t missing = 0;
    for (const ParityMember& member : group.directory.members) {
      const bool there = found.packs.contains(member.pack) && !found.marked.contains(member.pack);
      missing += there ? 0 : 1;
    }
    for (const ParityMember& member : owned[i]) {
      if (found.state_of(member) == PackState::kLost) {
        ++status.packs_lost;
        if (missing > shards) ++status.packs_beyond_repair;
        continue;
      }
      ++status.packs_covered;
      status.bytes_covered += member.size_bytes;
    }
    least = std::min(least, shards > missing ? shards - missing : 0);
  }
  const bool all = status.packs_covered == status.packs && status.groups > 0;
  status.losses_survived = all ? least : 0;
}

Result<ParityStatus> parity_status(const ParityPlace& place, Activity& activity) {
  Inventory found = TRY(take_inventory(place, activity));
  ParityStatus status;
  status.wish = found.wish;
  status.bytes_parity = found.parity_bytes;
  for (const auto& [id, pack] : found.packs) {
    if (found.condemned.contains(id)) continue;
    ++status.packs;
    status.bytes_packs += pack.size_bytes;
  }
  count_groups(found, status);
  std::unordered_set<std::string> copied;
  for (const ParityObject& set : found.copies) {
    for (const repo::ParityCopy& copy : set.head.directory.copies) copied.insert(copy.name);
  }
  status.copies = copied.size();
  status.damaged = std::move(found.damaged);
  return status;
}

Result<ParityRemoval> remove_parity(const ParityPlace& place, Activity& activity) {
  // The wish first, so that nobody makes new parity meanwhile who has not begun yet.
  const auto wish = repo::read_parity_wish(place.store, place.repository);
  if (!wish && !repo::is_damage(wish.error().code())) return std::unexpected(wish.error().clone());
  if (!wish || wish->wanted()) {
    repo::ParityWish none;
    none.time = place.world.clock.now();
    TRY(repo::store_parity_wish(place.store, place.repository, none));
  }
  ParityRemoval removal;
  std::vector<backend::ObjectInfo> objects;
  TRY_DOING("listing parity",
            place.store.list(repo::name_prefix(repo::ObjectKind::kParity),
                             [&](const backend::ObjectInfo& info) -> Result<void> {
                               if (repo::is_object_name(repo::ObjectKind::kParity, info.name))
                                 objects.push_back(info);
                               return {};
                             }));
  for (const backend::ObjectInfo& object : objects) {
    if (activity.stop.stop_requested()) return fail(ErrorCode::kCancelled, "interrupted");
    auto removed = place.store.remove(object.name);
    if (!removed && removed.error().code() == ErrorCode::kPermissionDenied) {
      ++removal.refused;
      continue;
    }
    TRY_DOING("removing " + object.name, std::move(removed));
    ++removal.objects;
    removal.bytes += object.size_bytes;
  }
  TRY(place.store.barrier());
  return removal;
}

static bool fits(const repo::ObjectId& pack, std::string_view name) {
  constexpr std::size_t kDigitsMin = 8;
  const std::string_view digits = name.substr(name.rfind('/') + 1);
  return digits.size() >= kDigitsMin && pack.hex().starts_with(digits);
}

Result<std::unordered_set<repo::ObjectId>> find_covered_packs(const ParityPlace& place,
                                                              const std::vector<std::string>& names,
                                                              Activity& activity) {
  std::unordered_set<repo::ObjectId> chosen;
  if (names.empty()) return chosen;
  const Inventory found = TRY(take_inventory(place, activity));
  for (const std::string& name : names) {
    std::unordered_set<repo::ObjectId> fitting;
    for (const ParityGroup& group : found.groups) {
      for (const ParityMember& member : group.directory.members) {
        if (fits(member.pack, name)) fitting.insert(member.pack);
      }
    }
    if (fitting.empty()) {
      return std::unexpected(
          Error(ErrorCode::kNotFound, "no parity group has a pack '" + name + "'")
              .with_hint("Give the name that check shows, or its first eight digits or more."));
    }
    if (fitting.size() > 1)
      return fail(ErrorCode::kInvalidArgument,
                  "'" + name + "' fits several packs: give more digits");
    chosen.insert(*fitting.begin());
  }
  return chosen;
}

}  // namespace backstay::engine
