#include "backend/placement/registers.h"

#include <fmt/format.h>

#include <algorithm>

#include "base/try.h"

namespace backstay::backend::placement {
namespace {

// Another client may be at the same name; each round sees what it did meanwhile.
constexpr int kRoundsMax = 12;

bool is_answer(const Error& error) {
  return error.code() == ErrorCode::kNotFound || error.code() == ErrorCode::kCorruption;
}

Result<Look::Copy> look_at_whole(Backend& store, std::string_view name, std::uint64_t size_max) {
  Look::Copy copy;
  Result<Bytes> bytes = store.get(name, part_bytes(size_max));
  if (!bytes && bytes.error().code() == ErrorCode::kInvalidArgument)
    return look_at_header(store, name);
  if (!bytes && !is_answer(bytes.error())) return std::unexpected(bytes.error().clone());
  if (!bytes && bytes.error().code() == ErrorCode::kNotFound) return copy;
  copy.there = true;
  if (!bytes) return copy;
  Result<OpenedCopy> opened = open_copy(name, std::move(*bytes));
  copy.whole = opened.has_value();
  if (!opened) return copy;
  copy.header = opened->header;
  copy.bytes = std::move(opened->bytes);
  return copy;
}

Settled there_on(const ValueId& value, StoreMask holders) {
  Settled found;
  found.there = true;
  found.holders = holders;
  found.header.value = value;
  return found;
}

}  // namespace

Result<Look::Copy> look_at_header(Backend& store, std::string_view name) {
  Look::Copy copy;
  Bytes bytes(kHeaderBytes);
  const Result<void> read = store.get_range(name, 0, bytes);
  if (!read && !is_answer(read.error())) return std::unexpected(read.error().clone());
  if (!read && read.error().code() == ErrorCode::kNotFound) return copy;
  copy.there = true;
  if (!read) return copy;
  const bool bulk = kind_of(name) == Kind::kBulk;  // may be kept in shards
  const Result<PartHeader> header =
      bulk ? decode_part_header(name, bytes) : decode_header(name, bytes);
  copy.whole = header.has_value();
  if (header) copy.header = *header;
  return copy;
}

StoreMask Look::there() const {
  return mask_where(copies, [](const Copy& copy) { return copy.there; });
}

StoreMask Look::damaged() const {
  return mask_where(copies, [](const Copy& copy) { return copy.there && !copy.whole; });
}

StoreMask Look::holding(const ValueId& value) const {
  return mask_where(copies,
                    [&](const Copy& copy) { return copy.whole && copy.header.value == value; });
}

std::map<ValueId, StoreMask> Look::values() const {
  std::map<ValueId, StoreMask> values;
  for (unsigned i = 0; i < copies.size(); ++i) {
    const ValueId& value = copies[i].header.value;
    if (copies[i].whole && hiding(value) == 0) values[value] |= mask_of(i);
  }
  return values;
}

std::set<ValueId> Look::found() const {
  std::set<ValueId> found;
  for (const Copy& copy : copies) {
    if (copy.whole) found.insert(copy.header.value);
  }
  return found;
}

StoreMask Look::hiding(const ValueId& value) const {
  return mask_where(burials, [&](const auto& burial) { return burial.hides(value); });
}

// The copy is read before the tombstone: a tombstone is put before copies go, and goes only when
// there are none, so what is seen of both at once was so at one moment.
Look Registers::look(std::string_view name, Depth depth, std::uint64_t size_max,
                     Troubles& troubles) const {
  Look look;
  look.begun.emplace(view_.store(0).clock());
  look.copies.resize(view_.stores().size());
  look.burials.resize(view_.stores().size());
  Mutex mutex;
  at_once(members_of(view_.all()), [&](unsigned i) {
    const auto ask = [&]() -> Result<void> {
      Backend& store = *TRY(view_.store(i).reach());
      look.copies[i] = TRY(depth == Depth::kWhole ? look_at_whole(store, name, size_max)
                                                  : look_at_header(store, name));
      if (!look.copies[i].there) TRY(view_.store(i).is_itself());
      look.burials[i] = TRY(read_burial(store, name));
      return {};
    };
    const Result<void> asked = ask();
    if (!asked) {
      look.copies[i] = {};
      look.burials[i] = {};
      troubles.add(view_.store(i), asked.error());
      return;
    }
    const MutexLock lock(mutex);
    look.answered |= mask_of(i);
    if (look.burials[i].stands) look.tombstones |= mask_of(i);
  });
  return look;
}

Result<Settled> Registers::settle(std::string_view name, Depth depth,
                                  std::uint64_t size_max) const {
  for (int round = 0; round < kRoundsMax; ++round) {
    Troubles troubles;
    Look seen = look(name, depth, size_max, troubles);
    const Patience patience = round < 3 ? Patience::kTryAgain : Patience::kAsItIs;
    std::optional<Settled> settled = TRY(judge(name, seen, troubles, patience));
    if (!settled) continue;
    if (!settled->there) return std::move(*settled);
    for (const unsigned i : members_of(seen.holding(settled->header.value))) {
      settled->header = seen.copies[i].header;
      if (seen.copies[i].bytes.empty()) continue;
      settled->bytes = std::move(seen.copies[i].bytes);
      break;
    }
    return std::move(*settled);
  }
  return fail(ErrorCode::kUnavailable,
              fmt::format("others keep changing {} at the same time", name));
}

// Nothing when the stores have to be asked again, because something was brought to its end.
Result<std::optional<Settled>> Registers::judge(std::string_view name, const Look& look,
                                                const Troubles& troubles, Patience patience) const {
  if (!view_.sees(look.answered))
    return troubles.failure(fmt::format("too many stores are away to say anything of {}", name));
  if (look.there() == 0) {
    // The removal was decided, or nothing ever counted that it could take away.
    Settled gone;
    gone.entombed = look.tombstones != 0;
    return gone;
  }
  if (look.tombstones != 0) return judge_tomb(name, look, troubles, patience);
  return judge_values(name, look, troubles, patience);
}

Result<std::optional<Settled>> Registers::judge_values(std::string_view name, const Look& look,
                                                       const Troubles& troubles,
                                                       Patience patience) const {
  const std::map<ValueId, StoreMask> values = look.values();
  if (values.empty() && look.answered != view_.all()) {
    return troubles.failure(
        fmt::format("the copies of {} that can be had are damaged, and stores are away", name));
  }
  if (values.empty()) {
    return fail(ErrorCode::kCorruption,
                fmt::format("all stored copies of {} that can be had are damaged", name));
  }
  // One that won; else the one on the most stores; of several the one on the first.
  const auto most = std::ranges::max_element(values, [&](const auto& a, const auto& b) {
    const bool wins = view_.wins(a.second);
    if (wins != view_.wins(b.second)) return !wins;
    const unsigned n = count_of(a.second);
    const unsigned m = count_of(b.second);
    return n != m ? n < m : std::countr_zero(a.second) > std::countr_zero(b.second);
  });
  const auto& [value, holders] = *most;
  if (view_.wins(holders)) return judge_winner(name, look, value, patience);
  const auto settled = [&](StoreMask on) { return there_on(value, on); };
  const StoreMask free = look.answered & ~look.there();
  const StoreMask took = free == 0 ? 0 : spread(name, value, holders, free);
  if (view_.decides(holders | took)) return settled(holders | took);
  const bool alone = values.size() == 1;
  if (took != free && patience == Patience::kTryAgain) return std::optional<Settled>();
  // Nobody else's value can be decided any more: those of R stores are missing for it.
  if (alone && view_.sees(holders | took)) return settled(holders | took);
  if (look.answered != view_.all()) {
    return troubles.failure(
        fmt::format("whose {} counts cannot be said while stores are away", name));
  }
  if (alone) return settled(holders | took);
  if (took != free)
    return troubles.failure(fmt::format("too few stores take the {} that counts", name));
  if (look.damaged() != 0) {
    return fail(ErrorCode::kCorruption,
                fmt::format("the stores disagree about {}, and some copies are damaged", name));
  }
  // All have something and nothing is on enough of them: nobody was told that his counts, and
  // nobody ever will be.
  TRY(bury_undecided(name));
  return std::optional<Settled>();
}

// What others put beside it gives way: their values can never be decided (section 4.4), and would
// only be in the way of this one on the stores of the next map.
Result<std::optional<Settled>> Registers::judge_winner(std::string_view name, const Look& look,
                                                       const ValueId& value,
                                                       Patience patience) const {
  StoreMask holders = look.holding(value);
  const StoreMask rivals = look.there() & ~look.damaged() & ~holders;
  if (rivals != 0) holders |= displace(name, value, look, rivals);
  if (look.tombstones != 0) drop_stale_tombstones(name, look, value);
  if (view_.decides(holders)) return there_on(value, holders);
  const StoreMask free = look.answered & ~look.there();
  holders |= free == 0 ? 0 : spread(name, value, holders, free);
  if (view_.decides(holders)) return there_on(value, holders);
  if (patience == Patience::kTryAgain) return std::optional<Settled>();
  if (view_.sees(holders)) return there_on(value, holders);
  return fail(ErrorCode::kUnavailable, fmt::format("too few stores take the {} that counts", name));
}

StoreMask Registers::displace(std::string_view name, const ValueId& winner, const Look& look,
                              StoreMask rivals) const {
  StoreMask cleared = 0;
  for (const unsigned i : members_of(rivals)) {
    const auto give_way = [&]() -> Result<void> {
      Backend& store = *TRY(view_.store(i).reach());
      if (TRY(read_burial(store, name)).hides(winner)) return fail(ErrorCode::kConflict, "removed");
      const Look::Copy copy = TRY(look_at_header(store, name));
      if (!copy.whole || copy.header.value == winner || !look.begun->is_fresh())
        return fail(ErrorCode::kConflict, "something else by now");
      view_.store(i).give_up(name);
      TRY(store.remove(name));
      view_.store(i).forget_put(name);
      return {};
    };
    if (give_way()) cleared |= mask_of(i);
  }
  return cleared == 0 ? 0 : spread(name, winner, look.holding(winner), cleared);
}

Result<bool> Registers::is_newest_map() const {
  const std::string next = map_name(view_.map().version + 1);
  Troubles troubles;
  const Look seen = look(next, Depth::kHeader, 0, troubles);
  if (seen.there() != 0) return false;
  if (view_.sees(seen.answered)) return true;
  return troubles.failure("too many stores are away to know which map holds");
}

// The map is asked for after the look: under a newer one somebody's value may win.
Result<void> Registers::bury_undecided(std::string_view name) const {
  Troubles troubles;
  const Look seen = look(name, Depth::kHeader, 0, troubles);
  if (seen.there() != view_.all() || seen.damaged() != 0 || seen.tombstones != 0) return {};
  for (const auto& [value, holders] : seen.values()) {
    if (view_.wins(holders)) return {};
  }
  const bool is_map = name == map_name(view_.map().version + 1);
  if (!is_map && !TRY(is_newest_map()))
    return fail(ErrorCode::kUnavailable, "the map of the stores is being changed");
  if (!seen.begun->is_fresh()) return {};
  static_cast<void>(TRY(entomb(name, seen.found(), 0)));
  clear_tomb(name, seen);
  return {};
}

StoreMask Registers::spread(std::string_view name, const ValueId& value, StoreMask holders,
                            StoreMask targets) const {
  for (const unsigned from : members_of(holders)) {
    const auto read = [&]() -> Result<Bytes> {
      Backend& store = *TRY(view_.store(from).reach());
      const ObjectInfo info = TRY(store.head(name));
      Bytes part = TRY(store.get(name, info.size_bytes));
      const OpenedCopy opened = TRY(open_copy(name, part));
      if (opened.header.value != value) return fail(ErrorCode::kConflict, "another value");
      return part;
    };
    const Result<Bytes> part = read();
    if (!part) continue;
    StoreMask took = 0;
    Mutex mutex;
    at_once(members_of(targets), [&](unsigned to) {
      const Result<Backend*> store = view_.store(to).reach();
      if (!store) return;
      // Who was faster may have put another value: then it is no holder.
      if (!(*store)->put(name, *part)) return;
      view_.store(to).touch_put(name);
      const MutexLock lock(mutex);
      took |= mask_of(to);
    });
    return took;
  }
  return 0;
}

Result<void> Registers::create(std::string_view name, const Made& made) const {
  for (int round = 0; round < kRoundsMax; ++round) {
    const Settled before = TRY(settle(name, Depth::kHeader, 0));
    if (before.entombed) TRY(open_tomb(name));
    // Who reads may take the only value on R stores for the one that counts, and who stores may
    // not: those stores may be lost.
    if (before.there && before.header.value == made.value) {
      const StoreMask others = view_.all() & ~before.holders;
      if (view_.decides(before.holders)) return {};
      if (view_.decides(before.holders | spread(name, made.value, before.holders, others)))
        return {};
      return fail(ErrorCode::kUnavailable, fmt::format("too few stores take {}", name));
    }
    if (before.there)
      return fail(ErrorCode::kAlreadyExists, fmt::format("object {} is there already", name));
    Result<void> claimed = claim(name, made);
    if (claimed) return {};
    if (claimed.error().code() != ErrorCode::kConflict) return claimed;
    // Somebody else was there; the next round says whose it is.
  }
  return fail(ErrorCode::kUnavailable,
              fmt::format("others keep changing {} at the same time", name));
}

// On one store after the other until one takes it, so that of several creators one gets all; then
// on all others.
Result<void> Registers::claim(std::string_view name, const Made& made) const {
  Troubles troubles;
  StoreMask took = 0;
  const auto put = [&](unsigned i) -> Result<void> {
    TRY(made.put(*TRY(view_.store(i).reach())));
    view_.store(i).touch_put(name);
    return {};
  };
  const std::vector<unsigned> stores = members_of(view_.all());
  std::size_t next = 0;
  while (next < stores.size() && took == 0) {
    const unsigned i = stores[next++];
    const Result<void> done = put(i);
    if (done) took |= mask_of(i);
    if (!done && done.error().code() == ErrorCode::kAlreadyExists)
      return fail(ErrorCode::kConflict, "another value");
    if (!done) troubles.add(view_.store(i), done.error());
  }
  bool taken = false;
  Mutex mutex;
  const auto put_and_count = [&](unsigned i) {
    const Result<void> done = put(i);
    const MutexLock lock(mutex);
    if (done)
      took |= mask_of(i);
    else if (done.error().code() == ErrorCode::kAlreadyExists)
      taken = true;
    else
      troubles.add(view_.store(i), done.error());
  };
  const std::vector<unsigned> rest(stores.begin() + static_cast<std::ptrdiff_t>(next),
                                   stores.end());
  if (made.puts == Made::Puts::kAtOnce) {
    at_once(rest, put_and_count);
  } else {
    std::ranges::for_each(rest, put_and_count);
  }
  if (view_.decides(took)) return {};
  if (taken) return fail(ErrorCode::kConflict, "another value on some stores");
  return troubles.failure(fmt::format("too few stores take {}", name));
}

}  // namespace backstay::backend::placement
