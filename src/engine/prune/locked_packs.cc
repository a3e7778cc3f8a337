// The part of a collection that looks what the store does not let go.
#include <algorithm>
#include <string>

#include "base/try.h"
#include "engine/prune/prune_run.h"

namespace backstay::engine::prune_stages {

// What nobody may remove is not condemned, nor stored again elsewhere.
Result<bool> PruneRun::is_locked(std::uint32_t number) {
  if (!store_.capabilities().object_lock) return false;
  const repo::PackUse& use = table_.packs()[number];
  const std::string name = repo::object_name(repo::object_kind(use.pack.kind), use.pack.id);
  const auto until = store_.retention(name);
  if (!until && until.error().code() == ErrorCode::kNotFound) return false;
  if (!until) {
    return std::unexpected(
        until.error().clone().with_context("asking until when " + name + " is locked"));
  }
  const auto note_locked = [&] {
    if (!locked_.insert(number).second) return;
    ++report_.packs_locked;
    report_.bytes_locked += use.pack.size_bytes;
    if (*until) report_.locked_until = std::max(report_.locked_until.value_or(**until), **until);
  };
  if (store_.capabilities().legal_hold &&
      TRY_DOING("asking for the legal hold of " + name, store_.legal_hold(name)) ==
          backend::LegalHold::kOn) {
    note_locked();
    return true;
  }
  if (!*until) return false;
  if (!store_time_) {
    // A disk is asked by writing to it. Where that has no room, all that has a lock stays.
    const auto now = store_.store_time();
    if (!now && now.error().code() != ErrorCode::kNoSpace)
      return std::unexpected(now.error().clone());
    store_time_ = now ? *now : Timestamp{};
  }
  if (**until <= *store_time_) return false;
  note_locked();
  return true;
}

Result<void> PruneRun::leave_locked_packs() {
  const auto leave = [&](std::vector<std::uint32_t>& packs) -> Result<std::vector<std::uint32_t>> {
    std::vector<std::uint32_t> free;
    std::vector<std::uint32_t> kept;
    for (const std::uint32_t number : packs)
      (TRY(is_locked(number)) ? kept : free).push_back(number);
    packs = std::move(free);
    return kept;
  };
  for (const std::uint32_t number : TRY(leave(plan_.drop)))
    plan_.drop_bytes -= table_.packs()[number].pack.size_bytes;
  for (const std::uint32_t number : TRY(leave(plan_.repack))) {
    plan_.repack_bytes -= table_.packs()[number].pack.size_bytes;
    plan_.repack_needed_bytes -= repo::needed_bytes_of(table_.packs()[number]);
  }
  return {};
}

}  // namespace backstay::engine::prune_stages
