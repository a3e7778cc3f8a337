// A new disk in the place of one that was lost.
#include <fmt/format.h>

#include <algorithm>
#include <optional>

#include "backend/placement/bulk.h"
#include "backend/placement/deciding.h"
#include "backend/placement/upkeep.h"
#include "base/try.h"

namespace backstay::backend::placement {
namespace {

// Says that a refill was begun here, and for which store.
constexpr std::string_view kMarkName = "placement/filling";
constexpr std::uint64_t kPartMax = std::uint64_t{1} << 40;

// What a run that was killed has put is made durable by this one.
Result<void> put_durably(Backend& store, const std::string& name, ByteView bytes) {
  Result<void> put = store.put(name, bytes);
  if (!put && put.error().code() == ErrorCode::kAlreadyExists) return store.adopt(name);
  return put;
}

enum class Place : std::uint8_t { kEmpty, kBegun };

// What stands at the place of the store: nothing, or what an earlier attempt has put.
Result<Place> look_at_place(Backend& opened, const Identity& identity) {
  if (opened.head(kIdentityName)) {
    return std::unexpected(
        Error(ErrorCode::kAlreadyExists, fmt::format("{} is a store already", opened.describe()))
            .with_hint("Only a store that was lost is replaced, by an empty disk; see backstay "
                       "placement status."));
  }
  const Result<Bytes> mark = opened.get(kMarkName, kMapBytesMax);
  if (mark) {
    if (TRY(decode_identity(*mark)) == identity) return Place::kBegun;
    return std::unexpected(
        Error(ErrorCode::kAlreadyExists,
              fmt::format("{} was begun to be filled as another store, or before that was replaced "
                          "once more",
                          opened.describe()))
            .with_hint("Empty it, and run backstay placement replace again."));
  }
  if (mark.error().code() != ErrorCode::kNotFound) return std::unexpected(mark.error().clone());
  TRY(opened.list("", [&](const ObjectInfo& info) -> Result<void> {
    return std::unexpected(
        Error(ErrorCode::kAlreadyExists,
              fmt::format("{} is not empty: it holds {}", opened.describe(), info.name))
            .with_hint("The place of a store that was lost must be empty."));
  }));
  return Place::kEmpty;
}

// A part as one of `holders` has it, whole; of `value` where that is said. Nothing: all that they
// have is damaged. unavailable when one of them could not be read.
Result<std::optional<Bytes>> whole_part(const View& view, const std::string& name,
                                        StoreMask holders, const std::optional<ValueId>& value) {
  std::optional<Error> unread;
  for (const unsigned i : members_of(holders)) {
    const auto read = [&]() -> Result<Bytes> {
      Bytes part = TRY(TRY(view.store(i).reach())->get(name, kPartMax));
      const OpenedCopy opened = TRY(open_copy(name, part));
      if (value && opened.header.value != *value)
        return fail(ErrorCode::kNotFound, "another value");
      return part;
    };
    Result<Bytes> part = read();
    if (part) return std::optional<Bytes>(*std::move(part));
    const ErrorCode code = part.error().code();
    const bool answer = code == ErrorCode::kNotFound || code == ErrorCode::kCorruption;
    if (!answer) unread = std::move(part).error();
  }
  if (unread) return std::unexpected(*std::move(unread));
  return std::optional<Bytes>();
}

// The store that is filled, which counts as away in the view.
struct Filled {
  const View& view;
  const Bulk& bulk;
  unsigned store;
  Backend& opened;
  OldDisk old_disk;
};

// The values that no tombstone names, as all others than the store have them. A removal that was
// decided has left a tombstone on one of them, so none of these was removed. Nothing where one of
// the others does not answer.
std::optional<std::map<ValueId, StoreMask>> values_alive(const View& view, unsigned store,
                                                         const std::string& name) {
  Troubles troubles;
  const Look look = Registers(view).look(name, Registers::Depth::kHeader, 0, troubles);
  if ((look.answered | mask_of(store)) != view.all() || look.damaged() != 0) return std::nullopt;
  return look.values();
}

// Of copies that say the same it does not matter whose was first.
bool all_say_the_same(const View& view, unsigned store, const std::string& name) {
  const auto values = values_alive(view, store, name);
  return values && !values->empty() && std::ranges::all_of(*values, [&](const auto& one) {
           return one.first.hash == values->begin()->first.hash;
         });
}

// Of several of which nobody can say whose counts: the one on the most stores, then on the first.
std::optional<ValueId> chosen_value(const View& view, unsigned store, const std::string& name) {
  const auto values = values_alive(view, store, name);
  if (!values) return std::nullopt;
  const auto most = std::ranges::max_element(*values, [](const auto& a, const auto& b) {
    const unsigned n = count_of(a.second);
    const unsigned m = count_of(b.second);
    return n != m ? n < m : std::countr_zero(a.second) > std::countr_zero(b.second);
  });
  if (most == values->end()) return std::nullopt;
  return most->first;
}

// Nothing: it is not there any more, or nothing of it is whole.
Result<std::optional<Bytes>> part_for(const Filled& filled, const std::string& name,
                                      StoreMask holders, UpkeepReport& report) {
  const auto& [view, bulk, store, opened, old_disk] = filled;
  const StoreMask others = holders & ~mask_of(store);
  std::optional<ValueId> value;
  if (kind_of(name) == Kind::kControl) {
    // Also of a value that was not decided yet: readers go on with it.
    const Result<Settled> settled = Registers(view).settle(name, Registers::Depth::kHeader, 0);
    if (settled && !settled->there) return std::optional<Bytes>();
    if (settled) value = settled->header.value;
    const bool damaged = !settled && settled.error().code() == ErrorCode::kCorruption;
    if (!settled && !damaged) {
      const bool sure = all_say_the_same(view, store, name);
      if (!sure && old_disk == OldDisk::kMayBeFound)
        return std::unexpected(settled.error().clone());
      value = chosen_value(view, store, name);
      if (!value) return std::unexpected(settled.error().clone());
    }
  }
  std::optional<Bytes> part = TRY(whole_part(view, name, others, value));
  if (!part) report.lost.push_back(name);
  return part;
}

// Bulk objects that it owns; and those of which the lost disk had a part because an owner was away,
// or because it was not moved yet: without that, the next store that is lost may be one too many.
bool belongs(const Filled& filled, const std::string& name, const Listed& listed) {
  if (kind_of(name) == Kind::kControl) return true;
  const std::vector<unsigned> owners = filled.bulk.owners_of(name);
  if (std::ranges::find(owners, filled.store) != owners.end()) return true;
  const StoreMask others = listed.stores & ~mask_of(filled.store);
  return count_of(others) < filled.view.map().redundancy.width();
}

// What was stored anew, beside a tombstone that names what was there before.
bool is_alive(const Filled& filled, const std::string& name) {
  if (kind_of(name) == Kind::kBulk) return false;
  const auto values = values_alive(filled.view, filled.store, name);
  return values && !values->empty();
}

// A shard is no copy of what another store has.
Result<void> fill_shard(const Filled& filled, const std::string& name, UpkeepReport& report) {
  const Result<std::uint64_t> put = filled.bulk.fill_store(name, filled.store, filled.opened);
  // Never finished by who created it.
  if (!put && put.error().code() == ErrorCode::kNotFound) return {};
  if (!put && put.error().code() == ErrorCode::kCorruption) {
    report.lost.push_back(name);
    return {};
  }
  if (!put) return std::unexpected(put.error().clone());
  report.copies_put += *put > 0 ? 1U : 0U;
  report.bytes_put += *put;
  return {};
}

Result<void> fill(const Filled& filled, const Listing& listing, const UpkeepOptions& options,
                  UpkeepReport& report) {
  const auto& [view, bulk, store, opened, old_disk] = filled;
  for (const auto& [name, tombstone] : listing.tombstones) {
    const std::optional<NamedBurial> burial = gathered_burial(view, name, tombstone.stores);
    // One that is stale must not be on so many stores that it looks like a removal.
    if (!burial || is_alive(filled, burial->name)) continue;
    TRY(put_durably(opened, name, encode_tombstone(burial->name, burial->values)));
  }
  for (const auto& [name, listed] : listing.objects) {
    if (options.stopped && options.stopped())
      return fail(ErrorCode::kCancelled, "stopped; run it again to go on");
    ++report.objects;
    if (listing.tombstone_of(name) != nullptr && !is_alive(filled, name)) continue;
    if (!belongs(filled, name, listed)) continue;
    if (kind_of(name) == Kind::kBulk && view.map().redundancy.data > 1) {
      TRY(fill_shard(filled, name, report));
      continue;
    }
    const std::optional<Bytes> part = TRY(part_for(filled, name, listed.stores, report));
    if (!part) continue;
    TRY(put_durably(opened, name, *part));
    ++report.copies_put;
    report.bytes_put += part->size();
  }
  return {};
}

// All but the one that is filled and those that leave: what only they have was given up.
StoreMask others_than(const View& view, unsigned store) {
  StoreMask others = 0;
  for (unsigned i = 0; i < view.map().stores.size(); ++i) {
    const bool leaves = view.map().stores[i].membership == Membership::kLeaving;
    if (i != store && !leaves) others |= mask_of(i);
  }
  return others;
}

// While one is away, what only it and the lost one had is not seen.
Result<void> all_others_are_there(const View& view, unsigned store) {
  for (const unsigned i : members_of(others_than(view, store))) {
    const Result<void> there = view.store(i).is_itself();
    if (there) continue;
    return std::unexpected(
        there.error().clone().with_hint("A store is filled anew when all others are there. Where "
                                        "another is lost as well, remove that one first."));
  }
  return {};
}

Result<unsigned> place_of(const View& view, const std::string& name) {
  const auto& stores = view.map().stores;
  const auto found = std::ranges::find(stores, name, &MapStore::name);
  if (found != stores.end()) return static_cast<unsigned>(found - stores.begin());
  return fail(ErrorCode::kInvalidArgument,
              fmt::format("there is no store {} in the placement", name));
}

// Where it cannot be said which of two values was decided the lost disk is needed, should it be
// found: then it stays the store.
Result<void> all_can_be_said(const View& view, unsigned store) {
  Listing listing;
  TRY(list_stores(view, "", ListWhat::kRepositoryAndMaps, listing));
  for (const auto& [name, listed] : listing.objects) {
    if (kind_of(name) != Kind::kControl) continue;
    const Result<Settled> settled = Registers(view).settle(name, Registers::Depth::kHeader, 0);
    const bool said = settled || settled.error().code() == ErrorCode::kCorruption;
    if (said || all_say_the_same(view, store, name)) continue;
    const auto values = values_alive(view, store, name);
    if (!values) return std::unexpected(settled.error().clone());
    // A removal that was begun, and may have been decided: the new disk gets its tombstone.
    if (values->empty()) continue;
    return std::unexpected(
        Error(ErrorCode::kUnavailable,
              fmt::format("two created {} at the same moment, and only the lost disk can say whose "
                          "counts",
                          name))
            .with_hint("Where it will not be found again, run this with --lost-for-ever: then one "
                       "of them is chosen."));
  }
  return {};
}

// The map says that the lost disk is the store no more, before anything is put on the new one.
Result<void> begin_refill(PlacementBackend& backend, const std::string& name, Backend& opened,
                          OldDisk old_disk) {
  while (!TRY(backend.is_current(*backend.view()))) {
  }
  const std::shared_ptr<const View> before = backend.view();
  const unsigned store = TRY(place_of(*before, name));
  TRY(all_others_are_there(*before, store));
  const Identity identity = identity_in(before->map(), before->map().stores[store]);
  if (TRY(look_at_place(opened, identity)) == Place::kBegun) return {};
  if (old_disk == OldDisk::kMayBeFound) TRY(all_can_be_said(*before, store));
  TRY(renew_incarnation(backend, name));
  while (!TRY(backend.is_current(*backend.view()))) {
  }
  const std::shared_ptr<const View> now = backend.view();
  const MapStore& renewed = now->map().stores[TRY(place_of(*now, name))];
  TRY(opened.put(kMarkName, encode_identity(identity_in(now->map(), renewed))));
  return {};
}

}  // namespace

Result<UpkeepReport> refill_store(PlacementBackend& backend, const std::string& name,
                                  Backend& opened, const UpkeepOptions& options) {
  TRY(begin_refill(backend, name, opened, options.old_disk));
  return backend.by_current_map([&](const View& view) -> Result<UpkeepReport> {
    const unsigned store = TRY(place_of(view, name));
    const Identity identity = identity_in(view.map(), view.map().stores[store]);
    TRY(all_others_are_there(view, store));
    if (TRY(look_at_place(opened, identity)) != Place::kBegun)
      return fail(ErrorCode::kConflict, "the new disk was emptied meanwhile; run it again");
    UpkeepReport report;
    Listing listing;
    TRY(list_stores(view, "", ListWhat::kRepositoryAndMaps, listing));
    if ((others_than(view, store) & ~listing.answered) != 0)
      return listing.troubles.failure("a store is filled anew when all others are there");
    const Bulk bulk = backend.bulk(view);
    TRY(fill({view, bulk, store, opened, options.old_disk}, listing, options, report));
    // Only what is durable may count, and only when all of it is there.
    TRY(opened.barrier());
    TRY(all_others_are_there(view, store));
    if (!TRY(backend.is_current(view)))
      return fail(ErrorCode::kConflict, "the map changed meanwhile; run it again to go on");
    if (!view.moving()) {
      TRY(put_durably(opened, decided_name(view.map().version), encode_map(view.map())));
      TRY(opened.barrier());
      TRY(tell_decided(backend, view, mask_of(store)));
    }
    TRY(opened.put(kIdentityName, encode_identity(identity)));
    TRY(opened.barrier());
    // Somebody may have replaced it once more while this one slept: then it is not the store.
    TRY(opened.remove(kMarkName));
    report.settled = report.lost.empty();
    return report;
  });
}

}  // namespace backstay::backend::placement
