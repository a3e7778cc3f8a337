#include "engine/parity/inventory.h"

#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <tuple>
#include <unordered_map>

#include "base/assert.h"
#include "base/mutex.h"
#include "base/try.h"
#include "engine/check/object_check.h"
#include "repo/damage_mark.h"

namespace backstay::engine::parity_stages {

namespace {

using repo::ObjectId;
using repo::ObjectKind;
using repo::ParityMember;

constexpr std::size_t kReaders = 8;

struct Listed {
  std::string name;
  std::uint64_t size_bytes = 0;
};

Result<std::vector<Listed>> list_parity_objects(backend::Backend& store) {
  std::vector<Listed> objects;
  TRY(store.list(repo::name_prefix(ObjectKind::kParity),
                 [&](const backend::ObjectInfo& info) -> Result<void> {
                   if (repo::is_object_name(ObjectKind::kParity, info.name))
                     objects.push_back({.name = info.name, .size_bytes = info.size_bytes});
                   return {};
                 }));
  std::ranges::sort(objects, {}, &Listed::name);
  return objects;
}

// Reads the heads of all, some at a time. What cannot be understood is named.
Result<std::vector<ParityObject>> read_heads(const ParityPlace& place,
                                             const std::vector<Listed>& objects, Inventory& into,
                                             const Activity& activity) {
  Mutex mutex;
  std::vector<ParityObject> read;
  const auto read_one = [&](std::size_t at) -> Result<void> {
    const Listed& object = objects[at];
    auto head = repo::read_parity_head(place.store, object.name, object.size_bytes);
    const MutexLock lock(mutex);
    if (head && head->repository == place.repository) {
      read.push_back(
          {.name = object.name, .size_bytes = object.size_bytes, .head = std::move(*head)});
      return {};
    }
    if (head) {
      into.damaged.push_back({.object = object.name, .what = "it belongs to another repository"});
      return {};
    }
    const ErrorCode code = head.error().code();
    // Removed since, or of a later version.
    if (code == ErrorCode::kNotFound || code == ErrorCode::kUnsupported) return {};
    if (!repo::is_damage(code)) return std::unexpected(std::move(head).error());
    into.damaged.push_back({.object = object.name, .what = head.error().describe()});
    return {};
  };
  const auto stop = [&] { return activity.stop.stop_requested(); };
  if (!TRY(check_stages::for_each_parallel(objects.size(), kReaders, stop, read_one)))
    return fail(ErrorCode::kCancelled, "interrupted");
  std::ranges::sort(read, {}, &ParityObject::name);
  std::ranges::sort(into.damaged, {}, &ObjectTrouble::object);
  return read;
}

void sort_in(std::vector<ParityObject> objects, Inventory& into) {
  std::map<repo::ParityGroupId, ParityGroup> groups;
  for (ParityObject& object : objects) {
    into.parity_bytes += object.size_bytes;
    const repo::ParityDirectory& directory = object.head.directory;
    if (directory.type == repo::ParityType::kCopies) {
      into.copies.push_back(std::move(object));
      continue;
    }
    if (directory.type == repo::ParityType::kRemovals) {
      into.removed.insert(directory.removed.begin(), directory.removed.end());
      into.removals.push_back(std::move(object));
      continue;
    }
    const repo::ParityGroupId id = directory.group();
    ParityGroup& group = groups[id];
    if (group.shards.empty()) {
      group.id = id;
      group.directory = directory;
      group.shards.resize(directory.shards);
    }
    group.shards[directory.number] = std::move(object);
  }
  for (auto& [id, group] : groups) into.groups.push_back(std::move(group));
}

}  // namespace

bool ParityGroup::complete() const {
  return std::ranges::all_of(shards, [](const auto& shard) { return shard.has_value(); });
}

const ParityObject& ParityGroup::any_shard() const {
  const auto found =
      std::ranges::find_if(shards, [](const auto& shard) { return shard.has_value(); });
  ASSERT(found != shards.end());
  return **found;
}

PackState Inventory::state_of(const ParityMember& member) const {
  if (condemned.contains(member.pack)) return PackState::kCondemned;
  const auto found = packs.find(member.pack);
  if (found != packs.end()) {
    const bool whole = found->second.size_bytes == member.size_bytes &&
                       found->second.kind == member.kind && !marked.contains(member.pack);
    return whole ? PackState::kWhole : PackState::kLost;
  }
  return removed.contains(member.pack) ? PackState::kRemoved : PackState::kLost;
}

std::vector<ParityMember> Inventory::wanted(const ParityGroup& group) const {
  std::vector<ParityMember> members;
  for (const ParityMember& member : group.directory.members) {
    const PackState state = state_of(member);
    if (state == PackState::kWhole || state == PackState::kLost) members.push_back(member);
  }
  return members;
}

bool Inventory::has_lost(const ParityGroup& group) const {
  return std::ranges::any_of(group.directory.members, [&](const ParityMember& member) {
    return state_of(member) == PackState::kLost;
  });
}

void Inventory::sort_groups() {
  // Groups that have lost a pack first: they are needed as they are.
  using Rank = std::tuple<bool, bool, bool, std::size_t, std::size_t, repo::ParityGroupId>;
  std::unordered_map<std::string, Rank> ranks;
  const auto key = [](const ParityGroup& group) { return group.id.hex(); };
  for (const ParityGroup& group : groups) {
    const bool fits = !wish.wanted() || (group.directory.shards == wish.shards &&
                                         group.directory.slots == wish.slots);
    const std::size_t members = group.directory.members.size();
    ranks[key(group)] = {!has_lost(group),      !group.complete(), !fits,
                         ~wanted(group).size(), members,           group.id};
  }
  std::ranges::sort(groups, {}, [&](const ParityGroup& group) { return ranks.at(key(group)); });
}

void Inventory::drop(const repo::ParityGroupId& id) {
  std::erase_if(groups, [&](const ParityGroup& group) { return group.id == id; });
}

void Inventory::put(ParityGroup group) {
  drop(group.id);
  groups.push_back(std::move(group));
}

std::vector<std::vector<ParityMember>> Inventory::owned() const {
  std::vector<std::vector<ParityMember>> owned(groups.size());
  std::unordered_set<ObjectId> taken;
  for (std::size_t i = 0; i < groups.size(); ++i) {
    for (const ParityMember& member : wanted(groups[i])) {
      if (taken.insert(member.pack).second) owned[i].push_back(member);
    }
  }
  return owned;
}

Result<Inventory> take_inventory(const ParityPlace& place, Activity& activity) {
  Inventory found;
  found.wish = TRY(repo::read_parity_wish(place.store, place.repository));
  found.condemned = TRY(repo::read_condemned(place.store, place.repository)).packs;
  const auto objects = TRY_DOING("listing parity", list_parity_objects(place.store));
  sort_in(TRY(read_heads(place, objects, found, activity)), found);
  found.packs = TRY(repo::list_packs(place.store));
  for (const ObjectId& pack : TRY_DOING("listing damaged packs", repo::marked_packs(place.store)))
    found.marked.insert(pack);
  found.sort_groups();
  return found;
}

Result<std::unique_ptr<repo::Lease>> take_parity_lease(const ParityPlace& place,
                                                       const ParityOptions& options,
                                                       std::string_view operation) {
  auto record = repo::lease_of_this_process(operation, options.author.host, options.author.user);
  record.started = place.world.clock.now();
  record.generation = TRY(repo::read_condemned(place.store, place.repository)).highest;
  return repo::Lease::acquire(place.store, place.repository, std::move(record), place.world.rng,
                              place.world.renewal());
}

Result<bool> remove_group(const ParityPlace& place, const ParityGroup& group) {
  for (const auto& shard : group.shards) {
    if (!shard) continue;
    auto removed = place.store.remove(shard->name);
    if (!removed && removed.error().code() == ErrorCode::kPermissionDenied) return false;
    TRY_DOING("removing " + shard->name, std::move(removed));
  }
  return true;
}

}  // namespace backstay::engine::parity_stages
