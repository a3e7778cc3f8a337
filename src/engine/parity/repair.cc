#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <set>
#include <utility>

#include "base/try.h"
#include "engine/parity.h"
#include "engine/parity/copies.h"
#include "engine/parity/group_repair.h"
#include "engine/parity/group_writer.h"
#include "engine/parity/inventory.h"
#include "repo/damage_mark.h"
#include "repo/pack_recovery.h"

namespace backstay::engine {

namespace {

using parity_stages::CopyRepair;
using parity_stages::GroupRepair;
using parity_stages::GroupWriter;
using parity_stages::Inventory;
using parity_stages::kRepairOperation;
using parity_stages::pack_name;
using parity_stages::PackState;
using parity_stages::ParityGroup;
using parity_stages::remove_group;
using parity_stages::repair_from_copies;
using parity_stages::take_inventory;
using parity_stages::take_parity_lease;
using repo::ObjectId;
using repo::ParityMember;

// Two that replace the same pack could each remove what the other has just put.
Result<void> refuse_beside_another(const ParityPlace& place, const repo::Lease& own) {
  for (const auto& lease :
       TRY_DOING("listing leases", repo::list_leases(place.store, place.repository))) {
    if (lease.record.id == own.id() || !lease.alive || lease.ended) continue;
    if (lease.record.operation != kRepairOperation) continue;
    return std::unexpected(
        Error(ErrorCode::kConflict,
              fmt::format("{} repairs with parity already",
                          lease.record.host.empty() ? "somebody" : lease.record.host))
            .with_hint("Wait until it is done; 'backstay lease list' shows it."));
  }
  return {};
}

class ParityRepair {
 public:
  ParityRepair(const ParityPlace& place, const ParityRepairOptions& options, Activity& activity)
      : place_(place), options_(options), activity_(activity) {}

  Result<ParityRepairReport> run() {
    const bool dry_run = options_.mode == RepairMode::kDryRun;
    if (!dry_run) {
      // Two that do not see each other's leases could remove what the other has put.
      if (!place_.store.capabilities().lists_at_once)
        return backend::refuse_late_lists(place_.store.describe(), "parity repair");
      TRY(finish_replacements(place_, activity_));
      lease_ = TRY(take_parity_lease(place_, options_.parity, kRepairOperation));
      TRY(refuse_beside_another(place_, *lease_));
    }
    found_ = TRY(take_inventory(place_, activity_));
    CopyRepair copies{.mode = options_.mode, .repaired = {}};
    TRY(repair_from_copies(place_, found_.copies, activity_, copies));
    suspect();
    TRY(repair_groups());
    report_.objects = std::move(copies.repaired);
    for (auto& [id, one] : results_) report_.objects.push_back(std::move(one));
    std::ranges::sort(report_.objects, {}, &ParityRepaired::object);
    if (!dry_run) TRY(place_.store.barrier());
    if (lease_) TRY(lease_->ask());
    if (lease_) TRY(lease_->release());
    if (!dry_run) TRY(keep_parity(place_, options_.parity, activity_));
    return std::move(report_);
  }

 private:
  // What is known to be lost, or asked for.
  void suspect() {
    std::unordered_set<ObjectId> covered;
    for (const ParityGroup& group : found_.groups) {
      for (const ParityMember& member : group.directory.members) {
        covered.insert(member.pack);
        if (found_.state_of(member) == PackState::kLost ||
            (options_.packs.contains(member.pack) && !found_.condemned.contains(member.pack)))
          suspects_.insert(member.pack);
      }
    }
    for (const ObjectId& pack : found_.marked) {
      if (!covered.contains(pack) && found_.packs.contains(pack)) ++report_.packs_uncovered;
    }
  }

  // Small groups first: a pack that is alone in one was being replaced by a repair that was cut. A
  // pack that came back may be what another group lacked.
  Result<void> repair_groups() {
    std::vector<const ParityGroup*> groups;
    for (const ParityGroup& group : found_.groups) groups.push_back(&group);
    std::ranges::sort(groups, {}, [](const ParityGroup* group) {
      return std::pair(group->directory.members.size(), group);
    });
    bool first = true;
    for (std::size_t before = ~std::size_t{0}; first || report_.restored_packs.size() > before;) {
      before = report_.restored_packs.size();
      for (const ParityGroup* group : groups) TRY(repair_group(*group, first));
      first = false;
    }
    return {};
  }

  Result<void> repair_group(const ParityGroup& group, bool first) {
    std::vector<ParityMember> to_look_at;
    for (const ParityMember& member : group.directory.members) {
      const bool all = first && options_.read_data && !found_.condemned.contains(member.pack);
      if (suspects_.contains(member.pack) || (all && found_.packs.contains(member.pack)))
        to_look_at.push_back(member);
    }
    if (to_look_at.empty()) return {};
    GroupRepair repair(place_, found_, group, activity_);
    if (!TRY(repair.begin())) return {};
    for (const ParityMember& member : to_look_at) TRY(repair.examine(member));
    const auto damaged = repair.damaged();
    for (const ParityMember& member : damaged) {
      if (found_.condemned.contains(member.pack)) continue;
      suspects_.insert(member.pack);
      TRY(bring_back(group, repair, member));
    }
    for (const ParityMember& member : to_look_at) TRY(clear_when_whole(damaged, member));
    report_.bytes_read += repair.bytes_read();
    const bool all_back = std::ranges::none_of(group.directory.members, [&](const auto& member) {
      return suspects_.contains(member.pack);
    });
    if (first && options_.read_data && all_back) TRY(drop_damaged_shards(group, repair));
    return {};
  }

  // A mark is for what was damaged once; the bytes decide.
  Result<void> clear_when_whole(const std::vector<ParityMember>& damaged,
                                const ParityMember& member) {
    if (std::ranges::find(damaged, member) != damaged.end()) return {};
    suspects_.erase(member.pack);
    if (!found_.marked.contains(member.pack) || options_.mode == RepairMode::kDryRun) return {};
    if (!repo::verify_name(place_.store, repo::object_kind(member.kind), member.pack)) return {};
    found_.marked.erase(member.pack);
    return repo::remove_mark(place_.store, member.pack);
  }

  Result<void> drop_damaged_shards(const ParityGroup& group, GroupRepair& repair) {
    for (const unsigned number : TRY(repair.damaged_shards())) {
      const std::string& name = group.shards[number]->name;
      ++report_.shards_damaged;
      activity_.note(name + " is damaged: it is made anew");
      if (options_.mode == RepairMode::kDryRun) continue;
      auto removed = place_.store.remove(name);
      if (!removed && removed.error().code() != ErrorCode::kPermissionDenied) return removed;
    }
    return {};
  }

  Result<void> bring_back(const ParityGroup& group, GroupRepair& repair,
                          const ParityMember& member) {
    ParityRepaired& one = results_[member.pack];
    one.object = pack_name(member);
    one.bytes = member.size_bytes;
    const auto there = found_.packs.find(member.pack);
    const bool is_there = there != found_.packs.end();
    if (!is_there)
      one.what = "the pack is missing";
    else if (there->second.size_bytes != member.size_bytes)
      one.what = fmt::format("the pack has {} bytes and should have {}", there->second.size_bytes,
                             member.size_bytes);
    else
      one.what = "its bytes do not match its name";
    auto whole = repair.assemble(member);
    if (!whole) {
      if (!repo::is_damage(whole.error().code())) return std::unexpected(whole.error().clone());
      one.outcome = ParityOutcome::kBeyondRepair;
      one.what += ": " + whole.error().describe();
      return {};
    }
    one.bytes_rebuilt = repair.bytes_rebuilt(member);
    one.outcome = ParityOutcome::kRestored;
    if (options_.mode == RepairMode::kRepair) {
      one.outcome =
          TRY_DOING("putting back " + one.object, is_there ? replace(group, member, whole->bytes())
                                                           : put(member, whole->bytes()));
    }
    if (one.outcome != ParityOutcome::kRestored) return {};
    suspects_.erase(member.pack);
    report_.restored_packs.push_back(member.pack);
    if (options_.mode == RepairMode::kDryRun) return {};
    found_.packs[member.pack] = {
        .id = member.pack, .kind = member.kind, .size_bytes = member.size_bytes};
    found_.marked.erase(member.pack);
    return repo::remove_mark(place_.store, member.pack);
  }

  Result<ParityOutcome> put(const ParityMember& member, ByteView bytes) {
    TRY(lease_->verify());
    auto done = place_.store.put(pack_name(member), bytes);
    if (!done && done.error().code() == ErrorCode::kAlreadyExists)
      done = repo::verify_name(place_.store, repo::object_kind(member.kind), member.pack);
    TRY(done);
    TRY(place_.store.barrier());
    return ParityOutcome::kRestored;
  }

  // Nothing is overwritten, so that the name must become free first. What is whole of the damaged
  // pack may be needed for others, and the machine may stop: until the pack is back, a group of its
  // own has all of it.
  Result<ParityOutcome> replace(const ParityGroup& group, const ParityMember& member,
                                ByteView bytes) {
    GroupWriter writer(place_, activity_);
    const ParityGroup alone = TRY(writer.write_alone(member, bytes, group.directory.block_bytes));
    TRY(place_.store.barrier());
    TRY(lease_->ask());
    const std::string name = pack_name(member);
    const bool whole =
        repo::verify_name(place_.store, repo::object_kind(member.kind), member.pack).has_value();
    if (!whole) {
      auto removed = place_.store.remove(name);
      if (!removed && removed.error().code() == ErrorCode::kPermissionDenied) {
        TRY(remove_group(place_, alone));
        return ParityOutcome::kKept;
      }
      TRY(removed);
      TRY(put(member, bytes));
      TRY(repo::verify_name(place_.store, repo::object_kind(member.kind), member.pack));
    }
    if (alone.id != group.id) TRY(remove_group(place_, alone));
    return ParityOutcome::kRestored;
  }

  const ParityPlace& place_;
  const ParityRepairOptions& options_;
  Activity& activity_;
  std::unique_ptr<repo::Lease> lease_;
  Inventory found_;
  std::set<ObjectId> suspects_;
  std::map<ObjectId, ParityRepaired> results_;
  ParityRepairReport report_;
};

}  // namespace

std::string_view to_string(ParityOutcome outcome) {
  switch (outcome) {
    case ParityOutcome::kRestored:
      return "restored";
    case ParityOutcome::kBeyondRepair:
      return "beyond_repair";
    case ParityOutcome::kKept:
      return "kept";
  }
  return "unknown";
}

Result<ParityRepairReport> repair_with_parity(const ParityPlace& place,
                                              const ParityRepairOptions& options,
                                              Activity& activity) {
  return ParityRepair(place, options, activity).run();
}

}  // namespace backstay::engine
