#include <fmt/format.h>

#include <algorithm>
#include <unordered_set>

#include "base/try.h"
#include "engine/repair.h"
#include "engine/repair/bearings.h"
#include "engine/restore/read_lease.h"
#include "repo/pack_recovery.h"

namespace backstay::engine {

namespace {

// Whether the index has every chunk of the pack at the place where the pack says it is.
bool index_knows_all(const repo::Index& index, const repo::PackEntries& pack) {
  return std::ranges::all_of(pack.chunks, [&](const repo::PackEntries::Chunk& chunk) {
    chunk::ChunkId id;  // an index looks at as much of it as it keeps
    std::ranges::copy(chunk.id, id.bytes.begin());
    const auto places = index.find_all(id);
    return std::ranges::any_of(places, [&](const repo::ChunkLocation& at) {
      return at.frame.pack == pack.pack && at.frame.offset == chunk.frame_offset &&
             at.frame.sealed_length == chunk.sealed_length &&
             at.frame.raw_length == chunk.raw_length && at.frame.codec == chunk.codec &&
             at.offset_in_frame == chunk.offset_in_frame;
    });
  });
}

// Packs whose own directory says more than the runs that name them.
Result<void> complete_runs(repo::Repository& repository, const repairing::Bearings& found,
                           RepairMode mode, IndexRepairReport& report, Activity& activity) {
  std::unordered_set<repo::ObjectId> not_now(found.survey.lost.begin(), found.survey.lost.end());
  for (const repo::Index::Pack& pack : found.survey.strays) not_now.insert(pack.id);
  for (const repo::Index::Pack& pack : found.survey.marked_strays) not_now.insert(pack.id);
  std::vector<repo::Index::Pack> packs = repository.index().packs();
  std::erase_if(packs, [&](const repo::Index::Pack& pack) { return not_now.contains(pack.id); });
  const auto take = [&](std::vector<repo::PackEntries> read) -> Result<void> {
    if (activity.stop.stop_requested()) return fail(ErrorCode::kCancelled, "interrupted");
    report.packs_compared += read.size();
    std::erase_if(read, [&](const repo::PackEntries& pack) {
      return index_knows_all(repository.index(), pack);
    });
    report.packs_completed += read.size();
    if (read.empty() || mode == RepairMode::kDryRun) return {};
    // They are named by a run already, so they were durable before.
    TRY(repository.index().add(std::move(read)));
    return {};
  };
  const auto compared = TRY(repo::recover_packs(
      repository.store(), repository.keyring(), repository.config().id, packs,
      {.depth = repo::PackDepth::kDirectory, .readers = repository.world().readers()}, take));
  for (const auto& [id, error] : compared.unreadable) {
    if (error.code() == ErrorCode::kNotFound) continue;  // removed meanwhile
    report.packs_unreadable.push_back(
        {.object = repairing::name_of(found.present.at(id)), .what = error.describe()});
  }
  return {};
}

repo::PackEntries entries_of_pack(const repo::IndexRun& run, std::size_t pack) {
  return {.pack = run.pack_id(pack),
          .kind = run.pack_kind(pack),
          .size_bytes = run.pack_size(pack),
          .chunks = {}};
}

std::vector<repo::PackEntries> entries_of(const repo::IndexRun& run) {
  std::vector<repo::PackEntries> packs;
  for (std::size_t i = 0; i < run.pack_count(); ++i) packs.push_back(entries_of_pack(run, i));
  for (std::uint64_t i = 0; i < run.size(); ++i) {
    const repo::IndexRun::Entry entry = run.entry(i);
    packs[entry.pack].chunks.push_back({.id = entry.id,
                                        .frame_offset = entry.frame_offset,
                                        .sealed_length = entry.sealed_length,
                                        .raw_length = entry.raw_length,
                                        .codec = entry.codec,
                                        .offset_in_frame = entry.offset_in_frame});
    run.pass(i);
  }
  return packs;
}

// Runs that are damaged in the store while the cache of this machine still has them whole: they are
// written anew, with all that they knew.
Result<void> replace_cached_runs(repo::Repository& repository, RepairMode mode,
                                 IndexRepairReport& report, Activity& activity) {
  const auto runs = repository.index().runs();
  for (const auto& run : runs) {
    if (activity.stop.stop_requested()) return fail(ErrorCode::kCancelled, "interrupted");
    const auto stored =
        repo::verify_name(repository.store(), repo::ObjectKind::kIndexRun, run->id());
    if (stored || stored.error().code() == ErrorCode::kNotFound) continue;  // merged meanwhile
    const std::string name = repo::object_name(repo::ObjectKind::kIndexRun, run->id());
    if (!repo::is_damage(stored.error().code()))
      return std::unexpected(stored.error().clone().with_context("reading " + name));
    report.damaged_runs.push_back({.object = name, .what = stored.error().describe()});
    ++report.runs_replaced;
    if (mode == RepairMode::kDryRun) continue;
    TRY_DOING("replacing " + name, repository.index().add(entries_of(*run), {run->id()}));
  }
  return {};
}

}  // namespace

Result<IndexRepairReport> repair_index(repo::Repository& repository,
                                       const IndexRepairOptions& options, Activity& activity) {
  IndexRepairReport report;
  repairing::Bearings found = TRY(repairing::take_bearings(repository, options.mode, options.author,
                                                           repo::LeaseUse::kWriting, activity));
  for (const auto& [id, error] : found.damaged_runs) {
    auto& runs = error.code() == ErrorCode::kCorruption ? report.damaged_runs : report.strange_runs;
    runs.push_back(
        {.object = repo::object_name(repo::ObjectKind::kIndexRun, id), .what = error.describe()});
  }
  report.runs_replaced = found.runs_replaced ? report.damaged_runs.size() : 0;
  report.packs_taken_in = found.taken_in.packs.size();
  report.chunks_taken_in = found.taken_in.chunks;
  report.packs_missing = found.survey.lost.size();
  for (const auto& [id, error] : found.taken_in.unreadable) {
    const auto pack = found.present.find(id);
    if (pack == found.present.end() || error.code() == ErrorCode::kNotFound) continue;
    report.packs_unreadable.push_back(
        {.object = repairing::name_of(pack->second), .what = error.describe()});
  }
  if (report.packs_missing > 0) TRY(restoring::require_lease(found.lease));
  TRY(replace_cached_runs(repository, options.mode, report, activity));
  if (options.read_packs) TRY(complete_runs(repository, found, options.mode, report, activity));
  if (found.lease) TRY(found.lease->release());
  return report;
}

}  // namespace backstay::engine
