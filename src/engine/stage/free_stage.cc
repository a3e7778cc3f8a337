#include <atomic>
#include <memory>
#include <unordered_set>

#include "base/try.h"
#include "engine/stage.h"
#include "engine/stage/tree_references.h"
#include "repo/damage_mark.h"
#include "repo/pack_survey.h"

namespace backstay::engine {

namespace {

// As in a store session: what lookups bring into memory of a mapped index does not stay there.
constexpr std::uint64_t kForgetAfterLookups = 256;

// Packs in which any place of a chunk is that a snapshot of the stage refers to.
Result<std::unordered_set<repo::ObjectId>> needed_packs(
    repo::Repository& stage, const std::vector<repo::StoredSnapshot>& snapshots) {
  std::unordered_set<repo::ObjectId> needed;
  const auto need = [&](const chunk::ChunkRef& ref) -> Result<void> {
    for (const repo::ChunkLocation& at : stage.index().find_all(ref.id))
      needed.insert(at.frame.pack);
    return {};
  };
  staging::WatchedReader reader(need, [&](const chunk::ChunkRef& ref) { return stage.read(ref); });
  for (const repo::StoredSnapshot& one : snapshots) {
    TRY(staging::for_each_data_chunk(
        reader, one.snapshot.tree,
        [&](const std::string&, const chunk::ChunkRef& ref) { return need(ref); }));
  }
  return needed;
}

Result<void> remove_all(repo::Repository& stage, repo::ObjectKind kind) {
  std::vector<std::string> names;
  TRY(stage.store().list(repo::name_prefix(kind),
                         [&](const backend::ObjectInfo& info) -> Result<void> {
                           names.push_back(info.name);
                           return {};
                         }));
  for (const std::string& name : names) TRY(stage.store().remove(name));
  return stage.store().barrier();
}

// Of packs that go; no run names a pack that is not there.
Result<void> drop_from_index(repo::Repository& stage,
                             const std::unordered_set<repo::ObjectId>& needed) {
  if (needed.empty()) return remove_all(stage, repo::ObjectKind::kIndexRun);
  std::unordered_set<repo::ObjectId> unneeded;
  for (const repo::Index::Pack& pack : stage.index().packs()) {
    if (!needed.contains(pack.id)) unneeded.insert(pack.id);
  }
  if (!unneeded.empty()) TRY(stage.index().drop_packs(unneeded));
  return {};
}

Result<std::vector<repo::StoredSnapshot>> all_snapshots(repo::Repository& stage) {
  std::optional<Error> damaged;
  auto found = TRY(stage.snapshots(
      [&](const snapshot::SnapshotId&, const Error& error) { damaged = error.clone(); }));
  if (damaged) return std::unexpected(std::move(*damaged));
  return found;
}

Result<void> recover_unnamed(repo::Repository& stage) {
  const auto survey = TRY(repo::survey_packs(stage.store(), stage.index()));
  TRY(stage.recover_now(survey));
  return {};
}

}  // namespace

repo::Index::KnownElsewhere data_known_to(const repo::Repository& known) {
  const auto asked = std::make_shared<std::atomic<std::uint64_t>>(0);
  return [&index = known.index(), asked](const chunk::ChunkId& id) {
    if (++*asked % kForgetAfterLookups == 0) index.forget_pages();
    if (!index.contains(id)) return false;
    const auto at = index.find(id);
    return at && at->frame.pack_kind == repo::PackKind::kData;
  };
}

Result<void> load_known(repo::Repository& known) {
  TRY(known.load_index([](const repo::ObjectId&, const Error&) {}));
  known.index().distrust(TRY(repo::marked_packs(known.store())));
  return {};
}

Result<std::uint64_t> free_stage(repo::Repository& stage) {
  const auto snapshots = TRY_DOING("finding out what the stage needs", all_snapshots(stage));
  TRY_DOING("loading the stage's index", stage.load_index([](const auto&, const Error&) {}));
  // What is in packs whose run is damaged or was never written is needed as well.
  TRY_DOING("looking into packs of the stage that its index does not name", recover_unnamed(stage));
  const auto needed = TRY_DOING("finding out what the stage needs", needed_packs(stage, snapshots));
  const auto listed = TRY(repo::list_packs(stage.store()));
  TRY_DOING("loading the stage's index", stage.load_index([](const auto&, const Error&) {}));
  TRY(drop_from_index(stage, needed));
  std::uint64_t freed = 0;
  for (const auto& [id, pack] : listed) {
    if (needed.contains(id)) continue;
    TRY(stage.store().remove(repo::object_name(repo::object_kind(pack.kind), id)));
    freed += pack.size_bytes;
  }
  if (needed.empty()) TRY(remove_all(stage, repo::ObjectKind::kDamageMark));
  // Nobody else is at work here, so that these are of runs that were killed.
  TRY(remove_all(stage, repo::ObjectKind::kLease));
  return freed;
}

Result<bool> is_whole_in_stage(repo::Repository& stage, const snapshot::Snapshot& staged) {
  bool whole = true;
  staging::WatchedReader reader([](const chunk::ChunkRef&) { return Result<void>(); },
                                [&](const chunk::ChunkRef& ref) { return stage.read(ref); });
  TRY(staging::for_each_data_chunk(reader, staged.tree,
                                   [&](const std::string&, const chunk::ChunkRef& ref) {
                                     whole = whole && stage.index().contains(ref.id);
                                     return Result<void>();
                                   }));
  return whole;
}

}  // namespace backstay::engine
