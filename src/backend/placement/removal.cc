// Removed control objects: tombstones, and what they hide (docs/placement-format.md section 4.3).
#include <fmt/format.h>

#include "backend/placement/registers.h"
#include "base/try.h"

namespace backstay::backend::placement {
std::optional<NamedBurial> gathered_burial(const View& view, const std::string& tombstone,
                                           StoreMask stores) {
  NamedBurial gathered;
  bool all = false;
  for (const unsigned i : members_of(stores)) {
    const auto read = [&]() -> Result<Bytes> {
      return TRY(view.store(i).reach())->get(tombstone, kTombstoneBytesMax);
    };
    const Result<Bytes> bytes = read();
    const Result<std::string> name = bytes ? name_of_tombstone(*bytes) : std::string();
    if (!bytes || !name) continue;
    const Result<Burial> burial = decode_tombstone(*name, *bytes);
    if (!burial || tombstone_name(*name) != tombstone) continue;
    gathered.name = *name;
    all = all || burial->all;
    gathered.values.insert(burial->values.begin(), burial->values.end());
  }
  if (gathered.name.empty()) return std::nullopt;
  if (all) gathered.values.clear();
  return gathered;
}

std::set<ValueId> values_to_bury(const Look& seen) {
  std::set<ValueId> values = seen.found();
  if (values.empty()) values.insert(ValueId{});
  return values;
}

// What is hidden was removed; the rest was stored anew, or was put beside it and never counted.
Result<std::optional<Settled>> Registers::judge_tomb(std::string_view name, const Look& look,
                                                     const Troubles& troubles,
                                                     Patience patience) const {
  Settled gone;
  gone.entombed = true;
  const std::map<ValueId, StoreMask> alive = look.values();
  if (alive.empty()) {
    StoreMask standing = look.tombstones;
    for (const ValueId& value : look.found()) standing &= look.hiding(value);
    if (!view_.decides(standing))
      static_cast<void>(TRY(entomb(name, values_to_bury(look), standing)));
    return gone;
  }
  for (const auto& [value, holders] : alive) {
    if (view_.wins(holders)) return judge_values(name, look, troubles, patience);
  }
  // On so few stores no removal stands: it was never decided, or it was undone by who stores anew.
  const StoreMask may_have = look.tombstones | (view_.all() & ~look.answered);
  if (!view_.wins(may_have)) return judge_values(name, look, troubles, patience);
  if (patience == Patience::kTryAgain) return std::optional<Settled>();
  if (!view_.wins(look.tombstones))
    return troubles.failure(fmt::format("whether {} was removed cannot be said", name));
  return gone;
}

void Registers::drop_stale_tombstones(std::string_view name, const Look& look,
                                      const ValueId& alive) const {
  for (const unsigned i : members_of(look.tombstones & ~look.hiding(alive))) {
    const Result<Backend*> store = view_.store(i).reach();
    if (!store || !look.begun->is_fresh()) continue;
    const Result<Burial> now = read_burial(**store, name);
    if (!now || now->hides(alive) || !(*store)->remove(tombstone_name(name))) continue;
    view_.store(i).touch();
  }
}

Result<StoreMask> Registers::entomb(std::string_view name, const std::set<ValueId>& values,
                                    StoreMask standing) const {
  Troubles troubles;
  Mutex mutex;
  at_once(members_of(view_.all() & ~standing), [&](unsigned i) {
    const auto put = [&]() -> Result<void> {
      return put_tombstone(*TRY(view_.store(i).reach()), name, values);
    };
    const Result<void> done = put();
    if (!done) {
      troubles.add(view_.store(i), done.error());
      return;
    }
    view_.store(i).touch();
    const MutexLock lock(mutex);
    standing |= mask_of(i);
  });
  if (view_.decides(standing)) return standing;
  return troubles.failure(fmt::format("too few stores take the removal of {}", name));
}

Result<void> Registers::open_tomb(std::string_view name) const {
  Troubles troubles;
  const Look seen = look(name, Depth::kHeader, 0, troubles);
  if (seen.tombstones == 0 && view_.sees(seen.answered)) return {};
  if (seen.answered != view_.all()) {
    return troubles.failure(
        fmt::format("{} was removed and can be stored again when all stores are there", name));
  }
  if (seen.there() != 0) {
    return std::unexpected(
        Error(ErrorCode::kUnavailable,
              fmt::format("{} was removed, and a store that was away then still has it", name))
            .with_hint("Run backstay placement repair first."));
  }
  const std::string tombstone = tombstone_name(name);
  for (const unsigned i : members_of(seen.tombstones)) {
    if (!seen.begun->is_fresh())
      return fail(ErrorCode::kUnavailable, fmt::format("{} took too long to look at", name));
    TRY(TRY(view_.store(i).reach())->remove(tombstone));
    view_.store(i).touch();
  }
  return {};
}

StoreMask Registers::remove_copies(std::string_view name, const Look& seen, StoreMask stores,
                                   Beside beside) const {
  const Moment begun(view_.store(0).clock());
  StoreMask gone = 0;
  Mutex mutex;
  at_once(members_of(stores), [&](unsigned i) {
    const auto take = [&]() -> Result<bool> {
      Backend& store = *TRY(view_.store(i).reach());
      const Look::Copy copy = TRY(look_at_header(store, name));
      if (!copy.there) return true;
      // Who was slow must not take what was stored anew since.
      if (copy.whole && !seen.found().contains(copy.header.value)) return false;
      if (beside == Beside::kTombstone && !TRY(read_burial(store, name)).stands) return false;
      if (!begun.is_fresh()) return false;
      view_.store(i).give_up(name);
      TRY(store.remove(name));
      view_.store(i).forget_put(name);
      return true;
    };
    const Result<bool> taken = take();
    if (!taken || !*taken) return;
    const MutexLock lock(mutex);
    gone |= mask_of(i);
  });
  return gone;
}

StoreMask Registers::clear_tomb(std::string_view name, const Look& seen) const {
  return remove_copies(name, seen, view_.all(), Beside::kTombstone);
}

Result<void> Registers::remove(std::string_view name) const {
  Troubles troubles;
  Look seen = look(name, Depth::kHeader, 0, troubles);
  if (view_.sees(seen.answered) && seen.there() != 0 && seen.tombstones != 0) {
    // Of an earlier removal, perhaps: then what is there is on few stores, or was stored anew.
    // Where that cannot be said it is removed in either case.
    const Result<Settled> settled = settle(name, Depth::kHeader, 0);
    if (settled && !settled->there) {
      static_cast<void>(entomb(name, values_to_bury(seen), seen.tombstones).has_value());
      clear_tomb(name, seen);
      return {};
    }
    seen = look(name, Depth::kHeader, 0, troubles);
  }
  if (!view_.sees(seen.answered))
    return troubles.failure(fmt::format("too many stores are away to remove {}", name));
  if (seen.there() == 0) return {};
  const std::set<ValueId> values = values_to_bury(seen);
  Result<StoreMask> entombed = entomb(name, values, 0);
  if (!entombed && entombed.error().code() == ErrorCode::kNoSpace) {
    // A full store must give before it takes. Where not even that makes room for a tombstone, no
    // copy anywhere is as good; a store that is away might have one.
    if (seen.answered != view_.all() || !seen.begun->is_fresh())
      return std::unexpected(entombed.error().clone());
    const StoreMask gone = remove_copies(name, seen, view_.all(), Beside::kNothing);
    entombed = entomb(name, values, 0);
    if (!entombed && gone == view_.all()) return {};
  }
  const StoreMask standing = TRY(std::move(entombed));
  // That was the removal; copies that cannot be reached now go by a repair.
  clear_tomb(name, seen);
  remove_copies(name, seen, view_.all() & ~standing, Beside::kNothing);  // full, perhaps
  return {};
}

}  // namespace backstay::backend::placement
