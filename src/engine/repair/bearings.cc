#include "engine/repair/bearings.h"

#include <fmt/format.h>

#include <algorithm>

#include "base/try.h"
#include "engine/backup/settle_packs.h"
#include "engine/restore/read_lease.h"

namespace backstay::engine::repairing {

namespace {

// A folder that is empty because its disk is not mounted looks like one whose packs are lost.
Result<void> refuse_where_all_are_missing(const repo::Repository& repository,
                                          const Bearings& found) {
  for (const repo::PackKind kind : {repo::PackKind::kData, repo::PackKind::kMeta}) {
    const auto named = [&](const repo::Index::Pack& pack) { return pack.kind == kind; };
    const auto packs = repository.index().packs();
    if (std::ranges::none_of(packs, named)) continue;
    if (std::ranges::any_of(found.present, [&](const auto& one) { return named(one.second); }))
      continue;
    return std::unexpected(
        Error(ErrorCode::kUnavailable,
              fmt::format("the index names packs, and there is not one in {}",
                          repo::name_prefix(repo::object_kind(kind))))
            .with_hint("Look whether the repository's disk is mounted. Where the packs are lost "
                       "indeed there is nothing to repair: make a backup, and forget the "
                       "snapshots that check names."));
  }
  return {};
}

}  // namespace

Result<std::unique_ptr<repo::Lease>> take_repair_lease(repo::Repository& repository,
                                                       const RepairAuthor& author,
                                                       repo::LeaseUse use) {
  return repository.take_lease(repo::lease_of_this_process("repair", author.host, author.user),
                               use);
}

Result<std::unique_ptr<repo::Lease>> begin_repair(repo::Repository& repository,
                                                  const RepairAuthor& author, repo::LeaseUse use) {
  auto lease = TRY(take_repair_lease(repository, author, use));
  TRY(repository.refresh_generations());
  return lease;
}

Result<void> look_again(repo::Repository& repository, RepairMode mode, Bearings& found) {
  found.damaged_runs.clear();
  backup_stages::SettleOptions settle{
      .dry_run = mode == RepairMode::kDryRun, .damaged_runs = {}, .condemned_too = true};
  TRY_DOING("loading the index",
            repository.load_index([&](const repo::ObjectId& id, const Error& error) {
              if (error.code() == ErrorCode::kCorruption) settle.damaged_runs.push_back(id);
              found.damaged_runs.emplace_back(id, error.clone());
            }));
  found.present = TRY(repo::list_packs(repository.store()));
  TRY(refuse_where_all_are_missing(repository, found));
  found.survey = TRY(repo::survey_packs(repository.store(), repository.index(), found.present));
  auto adopted = TRY_DOING("taking in packs that no index run names",
                           backup_stages::adopt_packs(repository, found.survey, settle));
  found.taken_in = std::move(adopted.packs);
  found.runs_replaced = adopted.runs_replaced;
  found.survey.marked.insert(found.survey.marked.end(), adopted.damaged.begin(),
                             adopted.damaged.end());
  for (const auto& [id, error] : found.taken_in.unreadable) {
    if (repo::is_damage(error.code()) || error.code() == ErrorCode::kNotFound) continue;
    return std::unexpected(error.clone().with_context("reading pack " + id.short_hex() +
                                                      ", which no index run names"));
  }
  repository.index().distrust(found.survey.lost);
  repository.index().distrust(found.survey.marked);
  return {};
}

Result<Bearings> take_bearings(repo::Repository& repository, RepairMode mode,
                               const RepairAuthor& author, repo::LeaseUse use, Activity& activity) {
  if (repository.keyring().is_write_only()) {
    return std::unexpected(
        Error(ErrorCode::kPermissionDenied, "this key cannot read what is stored")
            .with_hint("Repair with a passphrase or key that can."));
  }
  Bearings found;
  const bool dry_run = mode == RepairMode::kDryRun;
  found.lease = dry_run ? TRY(restoring::take_read_lease(repository, "repair", activity))
                        : TRY(begin_repair(repository, author, use));
  // It would not be done, so it is not shown either.
  if (dry_run) TRY(repository.refresh_generations());
  TRY(look_again(repository, mode, found));
  return found;
}

}  // namespace backstay::engine::repairing
