#include <fmt/format.h>

#include <algorithm>
#include <map>

#include "base/try.h"
#include "engine/check/pack_check.h"
#include "engine/parity.h"
#include "engine/repair.h"
#include "engine/repair/bearings.h"
#include "engine/repair/pack_salvage.h"
#include "engine/restore/read_lease.h"
#include "repo/damage_mark.h"

namespace backstay::engine {

namespace {

using repairing::Bearings;
using repo::ObjectId;

// The packs that a damage, or the caller, names. A pack that is condemned is the business of
// collections (docs/format.md section 8.4).
class Candidates {
 public:
  Candidates(const repo::Repository& repository, const Bearings& found)
      : index_(repository.index()), found_(found) {
    for (const repo::Index::Pack& pack : index_.packs()) known_.emplace(pack.id, pack);
    for (const auto& [id, pack] : found.present) known_.emplace(id, pack);
    std::erase_if(known_, [&](const auto& one) { return index_.is_condemned(one.first); });
  }

  Result<std::vector<repo::Index::Pack>> choose(const std::vector<std::string>& wanted) const {
    std::map<ObjectId, repo::Index::Pack> chosen;
    if (wanted.empty()) {
      for (const auto* ids : {&found_.survey.marked, &found_.survey.lost}) {
        for (const ObjectId& id : *ids) {
          if (const auto at = known_.find(id); at != known_.end()) chosen.insert(*at);
        }
      }
    }
    for (const std::string& name : wanted) {
      const repo::Index::Pack pack = TRY(find(name));
      chosen.emplace(pack.id, pack);
    }
    std::vector<repo::Index::Pack> packs;
    for (const auto& [id, pack] : chosen) packs.push_back(pack);
    return packs;
  }

 private:
  static constexpr std::size_t kDigitsMin = 8;

  Result<repo::Index::Pack> find(const std::string& name) const {
    const std::string digits = name.substr(name.rfind('/') + 1);
    std::vector<repo::Index::Pack> fitting;
    for (const auto& [id, pack] : known_) {
      if (digits.size() >= kDigitsMin && id.hex().starts_with(digits)) fitting.push_back(pack);
    }
    if (fitting.size() == 1) return fitting.front();
    if (fitting.empty()) {
      return std::unexpected(
          Error(ErrorCode::kNotFound, fmt::format("there is no pack '{}'", name))
              .with_hint("Give the name that check shows, or its first eight digits or more."));
    }
    return fail(ErrorCode::kInvalidArgument,
                fmt::format("'{}' fits {} packs: give more digits", name, fitting.size()));
  }

  const repo::Index& index_;
  const Bearings& found_;
  std::map<ObjectId, repo::Index::Pack> known_;
};

class PackRepair {
 public:
  PackRepair(repo::Repository& repository, const PackRepairOptions& options, Bearings& found,
             Activity& activity)
      : repository_(repository), options_(options), found_(found), activity_(activity) {}

  Result<PackRepairReport> run() {
    std::vector<repo::Index::Pack> packs =
        TRY(Candidates(repository_, found_).choose(options_.packs));
    TRY(try_parity(packs));
    TRY(judge(packs));
    // What is there and damaged is not explained by what others freed.
    const auto is_missing = [](const RepairedPack& one) {
      return one.outcome == PackOutcome::kMissing;
    };
    if (std::ranges::any_of(report_.packs, is_missing)) TRY(restoring::require_lease(found_.lease));
    // Before anything is saved: what a damaged pack has counts for nothing.
    for (const repo::Index::Pack& pack : damaged_) repository_.index().distrust({pack.id});
    repairing::PackSalvage salvage(repository_, options_.mode);
    TRY(save_all(salvage));
    TRY(salvage.finish(results_));
    TRY(mark_all());
    const auto totals = salvage.totals();
    report_.packs_written = totals.packs;
    report_.bytes_stored = totals.bytes_stored;
    for (RepairedPack& one : results_) report_.packs.push_back(std::move(one));
    std::ranges::sort(report_.packs, {}, &RepairedPack::object);
    return std::move(report_);
  }

 private:
  // What parity brings back is whole again, and more than could be saved of it.
  Result<void> try_parity(std::vector<repo::Index::Pack>& packs) {
    ParityRepairOptions options;
    options.mode = options_.mode;
    options.parity.author = options_.author;
    for (const repo::Index::Pack& pack : packs) options.packs.insert(pack.id);
    if (packs.empty()) return {};
    const auto repaired = repair_with_parity(parity_place(repository_), options, activity_);
    if (!repaired && repaired.error().code() == ErrorCode::kCancelled)
      return std::unexpected(repaired.error().clone());
    if (!repaired) {
      activity_.note("parity is of no help here: " + repaired.error().describe());
      return {};
    }
    std::erase_if(packs, [&](const repo::Index::Pack& pack) {
      const std::string name = repairing::name_of(pack);
      const auto one = std::ranges::find(repaired->objects, name, &ParityRepaired::object);
      if (one == repaired->objects.end() || one->outcome != ParityOutcome::kRestored) return false;
      RepairedPack result;
      result.object = name;
      result.outcome = PackOutcome::kRestored;
      result.what = one->what;
      report_.packs.push_back(std::move(result));
      if (options_.mode == RepairMode::kRepair) repository_.index().trust(pack.id);
      return true;
    });
    return {};
  }

  // Which of them are damaged indeed. A failure of the store ends it: a disk that does not answer
  // is not a damaged pack.
  Result<void> judge(const std::vector<repo::Index::Pack>& packs) {
    for (const repo::Index::Pack& pack : packs) activity_.progress.bytes_total += pack.size_bytes;
    for (const repo::Index::Pack& pack : packs) {
      if (activity_.stop.stop_requested()) return fail(ErrorCode::kCancelled, "interrupted");
      activity_.progress.set_current(repairing::name_of(pack));
      RepairedPack result;
      result.object = repairing::name_of(pack);
      const auto verdict = check_stages::examine_pack(repository_, as_it_is(pack));
      if (!verdict && verdict.error().code() != ErrorCode::kNotFound)
        return std::unexpected(verdict.error().clone().with_context("reading " + result.object));
      result.what = verdict ? verdict->what : "the pack is missing";
      if (!verdict) {
        result.outcome = PackOutcome::kMissing;
      } else if (verdict->state == check_stages::PackState::kDamaged) {
        damaged_.push_back(as_it_is(pack));
        results_.push_back(std::move(result));
        continue;
      } else {
        result.outcome = PackOutcome::kWhole;
        if (verdict->state == check_stages::PackState::kWhole) TRY(take_mark_from(pack.id));
      }
      activity_.progress.bytes_done += pack.size_bytes;
      report_.packs.push_back(std::move(result));
    }
    return {};
  }

  // With the length that it has, whatever the index says.
  [[nodiscard]] repo::Index::Pack as_it_is(const repo::Index::Pack& pack) const {
    const auto there = found_.present.find(pack.id);
    return there == found_.present.end() ? pack : there->second;
  }

  Result<void> take_mark_from(const ObjectId& pack) {
    if (std::ranges::find(found_.survey.marked, pack) == found_.survey.marked.end()) return {};
    repository_.index().trust(pack);
    if (options_.mode == RepairMode::kDryRun) return {};
    return repo::remove_mark(repository_.store(), pack);
  }

  Result<void> save_all(repairing::PackSalvage& salvage) {
    std::vector<std::vector<repairing::KnownFrame>> frames(damaged_.size());
    std::unordered_set<ObjectId> closed;
    for (std::size_t i = 0; i < damaged_.size(); ++i) {
      auto listed = repairing::frames_by_directory(repository_, damaged_[i]);
      results_[i].directory_readable = listed.has_value();
      if (listed)
        frames[i] = std::move(*listed);
      else if (repo::is_damage(listed.error().code()))
        closed.insert(damaged_[i].id);
      else
        return std::unexpected(
            listed.error().clone().with_context("reading " + results_[i].object));
    }
    auto from_index = repairing::frames_by_index(repository_.index(), closed);
    for (std::size_t i = 0; i < damaged_.size(); ++i) {
      if (closed.contains(damaged_[i].id)) frames[i] = std::move(from_index[damaged_[i].id]);
      activity_.progress.set_current(results_[i].object);
      TRY_DOING("saving what is whole of " + results_[i].object,
                salvage.save(frames[i], results_[i], activity_));
    }
    return {};
  }

  // So that no writer relies on them, and collections free them in time.
  Result<void> mark_all() {
    if (options_.mode == RepairMode::kDryRun) return {};
    for (const repo::Index::Pack& pack : damaged_) {
      if (std::ranges::find(found_.survey.marked, pack.id) != found_.survey.marked.end()) continue;
      TRY_DOING("marking " + repairing::name_of(pack),
                repo::mark_damaged(repository_.store(), repository_.config().id, pack.id, pack.kind,
                                   repository_.world().clock.now()));
    }
    return {};
  }

  repo::Repository& repository_;
  const PackRepairOptions& options_;
  Bearings& found_;
  Activity& activity_;
  std::vector<repo::Index::Pack> damaged_;
  std::vector<RepairedPack> results_;  // of `damaged_`, in this order
  PackRepairReport report_;
};

}  // namespace

std::string_view to_string(PackOutcome outcome) {
  switch (outcome) {
    case PackOutcome::kWhole:
      return "whole";
    case PackOutcome::kMissing:
      return "missing";
    case PackOutcome::kSalvaged:
      return "salvaged";
    case PackOutcome::kRestored:
      return "restored";
  }
  return "unknown";
}

Result<PackRepairReport> repair_packs(repo::Repository& repository,
                                      const PackRepairOptions& options, Activity& activity) {
  Bearings found = TRY(repairing::take_bearings(repository, options.mode, options.author,
                                                repo::LeaseUse::kWriting, activity));
  PackRepairReport report = TRY(PackRepair(repository, options, found, activity).run());
  if (found.lease) TRY(found.lease->release());
  return report;
}

}  // namespace backstay::engine
