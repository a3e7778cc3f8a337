// Which packs go into which group.
//
// Packs of a group have sizes of one class (a factor of four apart at most), because its shards are
// as long as the longest. In each class there is one group that is not full: it takes what is new,
// by adding to its shards, so that nothing else is read. Groups that collections made thin are put
// together again in the same way. New shards are durable before old ones go, and what goes is found
// by one rule, whoever left it: a group all of whose packs are in groups that serve better.
#include <fmt/format.h>

#include <algorithm>
#include <bit>
#include <map>

#include "base/try.h"
#include "engine/parity.h"
#include "engine/parity/copies.h"
#include "engine/parity/group_writer.h"
#include "engine/parity/inventory.h"

namespace backstay::engine {

namespace {

using parity_stages::GroupPlan;
using parity_stages::GroupWriter;
using parity_stages::Inventory;
using parity_stages::keep_copies;
using parity_stages::ParityGroup;
using parity_stages::ParityObject;
using parity_stages::remove_group;
using parity_stages::take_inventory;
using parity_stages::take_parity_lease;
using repo::ObjectId;
using repo::ParityMember;

enum class Renew : std::uint8_t { kGaps, kOtherSizes };
using SizeClass = int;

SizeClass class_of(std::uint64_t bytes) {
  constexpr int kSmallest = 9;  // up to 341 KiB
  // From 5.3 to 21.3 MiB are one: packs are filled to 8 or 16.
  return std::max(kSmallest, static_cast<SizeClass>(std::bit_width(bytes + bytes / 2)) / 2);
}

class Keeper {
 public:
  Keeper(const ParityPlace& place, const ParityOptions& options, Renew renew, Activity& activity)
      : place_(place),
        options_(options),
        renew_(renew),
        activity_(activity),
        writer_(place, activity) {}

  Result<ParityReport> run() {
    lease_ = TRY(take_parity_lease(place_, options_, "parity"));
    found_ = TRY(take_inventory(place_, activity_));
    if (!found_.wish.wanted()) {
      TRY(lease_->release());
      return report_;
    }
    const backend::Capabilities can = place_.store.capabilities();
    lists_at_once_ = can.lists_at_once;
    may_remove_ = can.lists_at_once && !can.append_only;
    TRY(remove_damaged());
    choose();
    for (auto& [size_class, packs] : uncovered_) activity_.progress.bytes_total += bytes_of(packs);
    for (auto& [size_class, packs] : uncovered_) TRY(cover(size_class, packs));
    TRY(place_.store.barrier());
    TRY(keep_copies(place_, found_, activity_, report_));
    TRY(confirm());
    if (lists_at_once_) TRY(remove_left_over());
    report_.packs_damaged = writer_.skipped().size();
    report_.packs_covered -= std::min<std::uint64_t>(report_.packs_covered, report_.packs_damaged);
    report_.bytes_read += writer_.bytes_read();
    report_.bytes_written += writer_.bytes_written();
    TRY(lease_->release());
    return report_;
  }

 private:
  static std::uint64_t bytes_of(const std::vector<ParityMember>& packs) {
    std::uint64_t sum = 0;
    for (const ParityMember& pack : packs) sum += pack.size_bytes;
    return sum;
  }

  // Who took this lease for dead may have removed a pack that is covered now, and would be taken
  // for lost.
  Result<void> confirm() {
    auto alive = lease_->ask();
    if (alive) return alive;
    if (!lists_at_once_) return alive;
    for (const ParityGroup& group : made_) (void)remove_group(place_, group);
    return alive;
  }

  // Their names are taken, and they are of no use.
  Result<void> remove_damaged() {
    for (const ObjectTrouble& damaged : found_.damaged) {
      auto removed = place_.store.remove(damaged.object);
      if (!removed && removed.error().code() != ErrorCode::kPermissionDenied)
        return std::unexpected(std::move(removed).error());
    }
    return {};
  }

  [[nodiscard]] bool fits(const ParityGroup& group) const {
    return group.directory.shards == found_.wish.shards &&
           group.directory.slots == found_.wish.slots;
  }

  [[nodiscard]] std::uint64_t pack_max() const {
    if (options_.memory_limit == 0) return kCoveredPackMax;
    return std::min(kCoveredPackMax, options_.memory_limit / (found_.wish.shards + 1));
  }

  // Which groups stay as they are, which may grow, and what is to be covered.
  void choose() {
    const auto owned = found_.owned();
    std::unordered_set<ObjectId> covered;
    std::map<SizeClass, std::size_t> growing;
    for (std::size_t i = 0; i < found_.groups.size(); ++i) {
      const ParityGroup& group = found_.groups[i];
      if (owned[i].empty()) continue;
      const bool settled =
          found_.has_lost(group) || (group.complete() && (fits(group) || renew_ == Renew::kGaps));
      if (!settled) continue;
      const bool may_grow = may_remove_ && !found_.has_lost(group) && fits(group) &&
                            group.directory.payload_bytes <= pack_max();
      const bool thin = owned[i].size() * 2 < found_.wish.slots;
      const SizeClass size_class = class_of(group.directory.payload_bytes);
      const bool has_room = group.directory.members.size() < group.directory.slots;
      if (may_grow && has_room && !growing.contains(size_class))
        growing[size_class] = i;
      else if (may_grow && thin)
        continue;  // dissolved: its packs go into that one
      for (const ParityMember& member : owned[i]) covered.insert(member.pack);
    }
    for (const auto& [size_class, at] : growing) growing_[size_class] = found_.groups[at];
    gather(covered);
  }

  void gather(const std::unordered_set<ObjectId>& covered) {
    for (const auto& [id, pack] : found_.packs) {
      if (covered.contains(id) || found_.condemned.contains(id) || found_.marked.contains(id))
        continue;
      if (pack.size_bytes > pack_max()) {
        ++report_.packs_too_large;
        continue;
      }
      if (pack.size_bytes == 0) continue;
      uncovered_[class_of(pack.size_bytes)].push_back(
          {.slot = 0, .kind = pack.kind, .pack = id, .size_bytes = pack.size_bytes});
    }
    for (auto& [size_class, packs] : uncovered_) {
      std::ranges::sort(packs, [](const ParityMember& a, const ParityMember& b) {
        return std::pair(b.size_bytes, a.pack) < std::pair(a.size_bytes, b.pack);
      });
    }
  }

  Result<void> cover(SizeClass size_class, std::vector<ParityMember>& packs) {
    std::size_t done = 0;
    if (const auto base = growing_.find(size_class); base != growing_.end()) {
      GroupPlan plan = plan_of(&base->second);
      std::vector<bool> taken(plan.slots);
      for (const ParityMember& member : base->second.directory.members) taken[member.slot] = true;
      for (unsigned slot = 0; slot < plan.slots && done < packs.size(); ++slot) {
        if (taken[slot]) continue;
        packs[done].slot = slot;
        plan.put_in.push_back(packs[done++]);
      }
      if (!TRY(write(plan))) {
        // The base is damaged: all of it is made anew.
        for (const ParityMember& member : found_.wanted(base->second)) packs.push_back(member);
        done = 0;
      }
    }
    while (done < packs.size()) {
      GroupPlan plan = plan_of(nullptr);
      for (unsigned slot = 0; slot < plan.slots && done < packs.size(); ++slot) {
        packs[done].slot = slot;
        plan.put_in.push_back(packs[done++]);
      }
      TRY(write(plan));
    }
    return {};
  }

  [[nodiscard]] GroupPlan plan_of(const ParityGroup* base) const {
    return {.base = base,
            .taken_out = {},
            .put_in = {},
            .shards = found_.wish.shards,
            .slots = found_.wish.slots,
            .block_bytes = options_.block_bytes};
  }

  [[nodiscard]] bool was_there(const ParityGroup& group) const {
    return std::ranges::find(found_.groups, group.id, &ParityGroup::id) != found_.groups.end();
  }

  // False when the base turned out to be damaged.
  Result<bool> write(const GroupPlan& plan) {
    TRY(lease_->verify());
    auto made = writer_.write(plan);
    if (!made && plan.base != nullptr &&
        (repo::is_damage(made.error().code()) || made.error().code() == ErrorCode::kNotFound)) {
      activity_.note(
          fmt::format("a parity group is damaged and made anew ({})", made.error().describe()));
      broken_.push_back(*plan.base);
      found_.drop(plan.base->id);
      return false;
    }
    if (!made) return std::unexpected(std::move(made).error());
    report_.packs_covered += plan.put_in.size();
    if (!*made) return true;
    ++report_.groups_made;
    if (!was_there(**made)) made_.push_back(**made);
    found_.put(std::move(**made));
    return true;
  }

  // A power cut must not take away what another run made, and because of which something goes now.
  Result<void> keep_what_others_did(const std::vector<std::vector<ParityMember>>& owned) {
    std::unordered_set<ObjectId> of_those_that_go;
    for (std::size_t i = 0; i < found_.groups.size(); ++i) {
      if (!owned[i].empty()) continue;
      for (const ParityMember& member : found_.wanted(found_.groups[i]))
        of_those_that_go.insert(member.pack);
    }
    const auto relied_on = [&](const ParityMember& member) {
      return of_those_that_go.contains(member.pack);
    };
    for (std::size_t i = 0; i < found_.groups.size(); ++i) {
      if (std::ranges::none_of(owned[i], relied_on)) continue;
      for (const auto& shard : found_.groups[i].shards) {
        if (shard) TRY(place_.store.adopt(shard->name));
      }
    }
    return place_.store.barrier();
  }

  Result<void> remove_left_over() {
    found_.sort_groups();
    const auto owned = found_.owned();
    bool refused = false;
    TRY(keep_what_others_did(owned));
    for (std::size_t i = 0; i < found_.groups.size(); ++i) {
      // One that has lost a pack may be the only one that can bring it back.
      const bool needed = !owned[i].empty() || found_.has_lost(found_.groups[i]);
      if (!needed) TRY(remove(found_.groups[i], refused));
    }
    for (const ParityGroup& group : broken_) {
      const bool again = std::ranges::any_of(
          found_.groups, [&](const ParityGroup& made) { return made.id == group.id; });
      if (!again) TRY(remove(group, refused));
    }
    TRY(remove_removals());
    if (refused) {
      activity_.note(
          "the store keeps parity that is not needed any more: who may remove there frees it with "
          "'backstay prune' or 'backstay parity add'");
    }
    return place_.store.barrier();
  }
  // Lists of packs that no group names any more.
  Result<void> remove_removals() {
    if (found_.removals.empty()) return {};
    // Again, after what went: a group that the store keeps still names them.
    const Inventory now = TRY(take_inventory(place_, activity_));
    std::unordered_set<ObjectId> named;
    for (const ParityGroup& group : now.groups) {
      for (const ParityMember& member : group.directory.members) named.insert(member.pack);
    }
    for (const ParityObject& list : found_.removals) {
      const auto& packs = list.head.directory.removed;
      if (std::ranges::any_of(packs, [&](const ObjectId& pack) { return named.contains(pack); }))
        continue;
      auto removed = place_.store.remove(list.name);
      if (!removed && removed.error().code() != ErrorCode::kPermissionDenied)
        return std::unexpected(std::move(removed).error());
    }
    return {};
  }

  Result<void> remove(const ParityGroup& group, bool& refused) {
    if (TRY(remove_group(place_, group)))
      ++report_.groups_removed;
    else
      refused = true;
    return {};
  }

  const ParityPlace& place_;
  const ParityOptions& options_;
  const Renew renew_;
  Activity& activity_;
  GroupWriter writer_;
  std::unique_ptr<repo::Lease> lease_;
  Inventory found_;
  bool lists_at_once_ = true;
  bool may_remove_ = true;
  std::map<SizeClass, ParityGroup> growing_;
  std::map<SizeClass, std::vector<ParityMember>> uncovered_;
  std::vector<ParityGroup> broken_;
  std::vector<ParityGroup> made_;
  ParityReport report_;
};

}  // namespace

std::uint64_t parity_memory_bound(unsigned shards, std::uint64_t pack_bytes) {
  // Packs end after the frame that fills them.
  constexpr std::uint64_t kLastFrame = 2 * 1024 * 1024;
  return (shards + 1) * std::min(pack_bytes + kLastFrame, kCoveredPackMax);
}

Result<repo::ParityWish> plan_parity(std::uint32_t hundredths, unsigned shards) {
  constexpr std::uint32_t kWhole = 100 * 100;
  constexpr unsigned kUsualShards = 2;
  const auto slots_for = [&](unsigned count) {
    return std::max(1U, (count * kWhole + hundredths / 2) / hundredths);
  };
  if (hundredths == 0 || hundredths > kWhole) {
    return fail(ErrorCode::kInvalidArgument, "parity is between 0.5% and 100% of the packs");
  }
  if (shards == 0) shards = slots_for(kUsualShards) <= repo::kParitySlotsMax ? kUsualShards : 1;
  if (shards > repo::kParityShardsMax || slots_for(shards) > repo::kParitySlotsMax) {
    return std::unexpected(
        Error(
            ErrorCode::kInvalidArgument,
            fmt::format("{} shards at {}.{:02}% would take groups of {} packs, and {} are the most",
                        shards, hundredths / 100, hundredths % 100, slots_for(shards),
                        repo::kParitySlotsMax))
            .with_hint("Ask for a larger overhead, or for fewer losses."));
  }
  repo::ParityWish wish;
  wish.hundredths = hundredths;
  wish.shards = shards;
  wish.slots = slots_for(shards);
  return wish;
}

Result<ParityReport> keep_parity(const ParityPlace& place, const ParityOptions& options,
                                 Activity& activity) {
  // The usual answer costs one listing and no lease.
  if (!TRY(repo::read_parity_wish(place.store, place.repository)).wanted()) return ParityReport{};
  return Keeper(place, options, Renew::kGaps, activity).run();
}

Result<ParityReport> add_parity(const ParityPlace& place, const repo::ParityWish& wish,
                                const ParityOptions& options, Activity& activity) {
  const auto known = repo::read_parity_wish(place.store, place.repository);
  if (!known && !repo::is_damage(known.error().code()))
    return std::unexpected(known.error().clone());
  const bool same = known && known->hundredths == wish.hundredths && known->shards == wish.shards &&
                    known->slots == wish.slots;
  if (!same) {
    repo::ParityWish wanted = wish;
    wanted.time = place.world.clock.now();
    TRY(repo::store_parity_wish(place.store, place.repository, wanted));
  }
  return Keeper(place, options, Renew::kOtherSizes, activity).run();
}

}  // namespace backstay::engine
