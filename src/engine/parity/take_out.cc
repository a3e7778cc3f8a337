// Packs that a collection is about to remove leave their groups: of two ways the one that reads
// less. Either what goes is read and taken off the shards, or what stays is read and they are made
// anew.
#include <algorithm>
#include <array>

#include "base/try.h"
#include "engine/parity.h"
#include "engine/parity/group_writer.h"
#include "engine/parity/inventory.h"

namespace backstay::engine {

namespace {

using parity_stages::GroupPlan;
using parity_stages::GroupWriter;
using parity_stages::Inventory;
using parity_stages::PackState;
using parity_stages::ParityGroup;
using parity_stages::put_parity_object;
using parity_stages::remove_group;
using parity_stages::take_inventory;
using repo::ObjectId;
using repo::ParityMember;

std::uint64_t bytes_of(const std::vector<ParityMember>& packs) {
  std::uint64_t sum = 0;
  for (const ParityMember& pack : packs) sum += pack.size_bytes;
  return sum;
}

class TakeOut {
 public:
  TakeOut(const ParityPlace& place, const std::unordered_set<ObjectId>& packs, Activity& activity)
      : place_(place), packs_(packs), activity_(activity), writer_(place, activity) {}

  Result<TakenOut> run() {
    found_ = TRY(take_inventory(place_, activity_));
    for (const ParityGroup& group : found_.groups) {
      const auto& members = group.directory.members;
      const bool touched = std::ranges::any_of(
          members, [&](const ParityMember& member) { return packs_.contains(member.pack); });
      if (touched) TRY(leave(group));
    }
    if (going_.empty()) return taken_out();
    TRY(place_.store.barrier());
    for (const ParityGroup* group : going_) {
      if (!TRY(remove_group(place_, *group))) note_removals(*group);
    }
    TRY(put_removals());
    TRY(place_.store.barrier());
    return taken_out();
  }

 private:
  TakenOut taken_out() {
    return {
        .needed = std::move(needed_),
        .traffic = {.bytes_read = writer_.bytes_read(), .bytes_written = writer_.bytes_written()}};
  }

  // Nobody shall take them for lost.
  void note_removals(const ParityGroup& group) {
    for (const ParityMember& member : group.directory.members) {
      if (packs_.contains(member.pack)) removals_.push_back(member.pack);
    }
  }

  Result<void> put_removals() {
    for (std::size_t done = 0; done < removals_.size(); done += repo::kParityRemovalsMax) {
      repo::ParityDirectory directory;
      directory.type = repo::ParityType::kRemovals;
      const std::size_t end = std::min(removals_.size(), done + repo::kParityRemovalsMax);
      directory.removed.assign(removals_.begin() + static_cast<std::ptrdiff_t>(done),
                               removals_.begin() + static_cast<std::ptrdiff_t>(end));
      const Bytes object = repo::encode_parity_head(directory, place_.repository, {});
      const std::string name = repo::object_name(repo::ObjectKind::kParity, repo::id_of(object));
      const std::array<ByteView, 1> pieces{object};
      const auto put = put_parity_object(place_, name, pieces);
      if (put) continue;
      if (put.error().code() != ErrorCode::kNoSpace) return std::unexpected(put.error().clone());
      needed_.insert(directory.removed.begin(), directory.removed.end());
    }
    return {};
  }

  [[nodiscard]] GroupPlan plan_of(const ParityGroup& group, const ParityGroup* base) const {
    return {.base = base,
            .taken_out = {},
            .put_in = {},
            .shards = group.directory.shards,
            .slots = group.directory.slots,
            .block_bytes = group.directory.block_bytes};
  }

  Result<void> leave(const ParityGroup& group) {
    std::vector<ParityMember> gone;
    std::vector<ParityMember> rest;
    bool lost = false;
    for (const ParityMember& member : group.directory.members) {
      const PackState state = found_.state_of(member);
      const bool goes = packs_.contains(member.pack) || state == PackState::kRemoved ||
                        (state == PackState::kCondemned && !found_.packs.contains(member.pack));
      (goes ? gone : rest).push_back(member);
      lost = lost || (!goes && state == PackState::kLost);
    }
    if (rest.empty()) {
      going_.push_back(&group);
      return {};
    }
    const bool all_there = std::ranges::all_of(
        gone, [&](const ParityMember& member) { return found_.packs.contains(member.pack); });
    const std::uint64_t by_taking =
        bytes_of(gone) + group.directory.shards * group.directory.payload_bytes;
    const bool take = group.complete() && all_there && (lost || by_taking <= bytes_of(rest));
    GroupPlan plan = plan_of(group, take ? &group : nullptr);
    (take ? plan.taken_out : plan.put_in) = take ? gone : rest;
    auto made = take || !lost ? writer_.write(plan) : cannot();
    const bool damaged = !made && (repo::is_damage(made.error().code()) ||
                                   made.error().code() == ErrorCode::kNotFound);
    if (damaged && take && !lost) {
      GroupPlan anew = plan_of(group, nullptr);
      anew.put_in = rest;
      made = writer_.write(anew);
    }
    return conclude(group, gone, lost, made);
  }

  static Result<std::optional<ParityGroup>> cannot() {
    return fail(ErrorCode::kCorruption, "the parity group is not whole");
  }

  Result<void> conclude(const ParityGroup& group, const std::vector<ParityMember>& gone, bool lost,
                        const Result<std::optional<ParityGroup>>& made) {
    if (made) {
      going_.push_back(&group);
      return {};
    }
    const ErrorCode code = made.error().code();
    const bool expected = repo::is_damage_or_loss(code) || code == ErrorCode::kNoSpace ||
                          code == ErrorCode::kPermissionDenied;
    if (!expected) return std::unexpected(made.error().clone());
    if (lost) {
      for (const ParityMember& member : gone) needed_.insert(member.pack);
      return {};
    }
    // A full store must be able to give: what stays is covered again when there is room.
    going_.push_back(&group);
    return {};
  }

  const ParityPlace& place_;
  const std::unordered_set<ObjectId>& packs_;
  Activity& activity_;
  GroupWriter writer_;
  Inventory found_;
  std::vector<const ParityGroup*> going_;
  std::vector<ObjectId> removals_;
  std::unordered_set<ObjectId> needed_;
};

Result<bool> has_parity(backend::Backend& store) {
  bool any = false;
  TRY(store.list(repo::name_prefix(repo::ObjectKind::kParity),
                 [&](const backend::ObjectInfo& info) -> Result<void> {
                   any = any || repo::is_object_name(repo::ObjectKind::kParity, info.name);
                   return {};
                 }));
  return any;
}

}  // namespace

Result<TakenOut> take_out_of_parity(const ParityPlace& place,
                                    const std::unordered_set<ObjectId>& packs, Activity& activity) {
  if (packs.empty() || !TRY_DOING("listing parity", has_parity(place.store))) return TakenOut{};
  return TakeOut(place, packs, activity).run();
}

Result<ParityTraffic> parity_traffic_of_prune(const ParityPlace& place,
                                              const std::unordered_set<ObjectId>& packs,
                                              std::uint64_t bytes_stored, Activity& activity) {
  ParityTraffic traffic;
  if (!TRY_DOING("listing parity", has_parity(place.store))) return traffic;
  const Inventory found = TRY(take_inventory(place, activity));
  std::uint64_t payload_max = 0;
  for (const ParityGroup& group : found.groups) {
    std::uint64_t gone = 0;
    std::uint64_t rest = 0;
    for (const ParityMember& member : group.directory.members)
      (packs.contains(member.pack) ? gone : rest) += member.size_bytes;
    const std::uint64_t shards = group.directory.shards * group.directory.payload_bytes;
    payload_max = std::max(payload_max, group.directory.payload_bytes);
    if (gone == 0 || rest == 0) continue;
    traffic.bytes_read += std::min(gone + shards, rest);
    traffic.bytes_written += shards;
  }
  // New packs are added to the group that is not full, whose shards are read once, and to new ones.
  if (bytes_stored > 0 && found.wish.wanted()) {
    const std::uint64_t payload = std::max<std::uint64_t>(1, std::min(payload_max, bytes_stored));
    const std::uint64_t groups = 1 + bytes_stored / (payload * found.wish.slots);
    traffic.bytes_read += bytes_stored + found.wish.shards * payload;
    traffic.bytes_written += groups * found.wish.shards * payload;
  }
  return traffic;
}

}  // namespace backstay::engine
