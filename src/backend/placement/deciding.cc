#include "backend/placement/deciding.h"

#include <fmt/format.h>

#include <algorithm>

#include "base/try.h"

namespace backstay::backend::placement {
namespace {

// It decides where everybody looks from now on, so it stays also where a store loses it.
Result<void> keep_map(PlacementBackend& backend, const View& view, const std::string& name) {
  Troubles troubles;
  const StoreMask failed = backend.flush(view, troubles);
  if (failed == 0) return {};
  TRY(Registers(view).secure_without(name, failed));
  if ((backend.flush(view, troubles) & ~failed) == 0) return {};
  return troubles.failure("the map is not durable on enough stores");
}

Result<void> put_map(PlacementBackend& backend, const View& view, const Map& map) {
  TRY(validate(map));
  const std::string name = map_name(map.version);
  const Bytes bytes = encode_map(map);
  const ByteView piece = bytes;
  const Copy copy = make_copy(name, {&piece, 1}, new_nonce(backend.world().rng));
  const Made made{.value = copy.value,
                  .put = [&](Backend& store) { return store.put(name, copy.pieces); }};
  const Result<void> created = Registers(view).create(name, made);
  static_cast<void>(TRY(backend.is_current(view)));
  if (created) return keep_map(backend, view, name);
  if (created.error().code() != ErrorCode::kAlreadyExists)
    return std::unexpected(created.error().clone());
  return std::unexpected(
      Error(ErrorCode::kConflict, "somebody else changed the placement at the same time")
          .with_hint("Look at backstay placement status, and try again."));
}

// What is left on a store that nobody uses any more. Failures are no matter. Another disk may be at
// its place by now.
void wipe(Store& store) {
  if (!store.is_itself()) return;
  const Result<Backend*> backend = store.reach();
  if (!backend) return;
  std::vector<std::string> names;
  const Result<void> listed = (*backend)->list("", [&](const ObjectInfo& info) -> Result<void> {
    if (info.name != kIdentityName) names.push_back(info.name);
    return {};
  });
  if (!listed) return;
  names.emplace_back(kIdentityName);
  std::optional<Moment> asked;
  for (const std::string& name : names) {
    // It may have been taken in again.
    if (!asked || !asked->is_fresh()) {
      asked.emplace(store.clock());
      if (!store.is_itself()) return;
    }
    if (!(*backend)->remove(name)) return;
  }
}

}  // namespace

Result<void> tell_decided(PlacementBackend& backend, const View& view, StoreMask besides) {
  if (view.moving()) return {};
  const std::string name = map_name(view.map().version);
  const Settled settled = TRY(Registers(view).settle(name, Registers::Depth::kHeader, 0));
  if (!settled.there || !view.decides(settled.holders | besides))
    return fail(ErrorCode::kUnavailable, fmt::format("too few stores have {}, which holds", name));
  const std::string note = decided_name(view.map().version);
  const Bytes bytes = encode_map(view.map());
  Troubles troubles;
  StoreMask took = besides;
  for (const unsigned i : members_of(view.all() & ~besides)) {
    const auto tell = [&]() -> Result<void> {
      Backend& store = *TRY(view.store(i).reach());
      // The map itself may be there without a barrier since.
      if ((settled.holders & mask_of(i)) != 0) TRY(store.adopt(name));
      const Result<void> put = store.put(note, bytes);
      if (!put && put.error().code() == ErrorCode::kAlreadyExists) return store.adopt(note);
      return Result<void>(put ? Result<void>() : std::unexpected(put.error().clone()));
    };
    const Result<void> told = tell();
    if (!told) {
      troubles.add(view.store(i), told.error());
      continue;
    }
    view.store(i).touch();
    took |= mask_of(i);
  }
  took &= ~backend.flush(view, troubles) | besides;
  if (view.decides(took)) return {};
  return troubles.failure("too few stores take the note that the map was decided");
}

Result<void> settle_map(PlacementBackend& backend, const View& view) {
  Map next = view.map();
  ++next.version;
  next.phase = Phase::kSettled;
  next.losses_before_and_one = 0;
  std::erase_if(next.stores,
                [](const MapStore& store) { return store.membership == Membership::kLeaving; });
  for (MapStore& store : next.stores) store.membership = Membership::kMember;
  TRY(put_map(backend, view, next));
  const std::shared_ptr<const View> now = backend.view();
  if (now->map() != next) return {};  // others go on already
  TRY(tell_decided(backend, *now));
  for (unsigned i = 0; i < view.map().stores.size(); ++i) {
    if (view.map().stores[i].membership == Membership::kLeaving) wipe(view.store(i));
  }
  return {};
}

Result<void> change_map(PlacementBackend& backend, const std::function<Result<void>(Map&)>& edit) {
  while (!TRY(backend.is_current(*backend.view()))) {
  }
  const std::shared_ptr<const View> view = backend.view();
  if (view->moving()) {
    return std::unexpected(Error(ErrorCode::kConflict, "a change of this placement is under way")
                               .with_hint("Finish it with backstay placement rebalance first."));
  }
  TRY(tell_decided(backend, *view));
  Map next = view->map();
  TRY(edit(next));
  if (next.redundancy.data != view->map().redundancy.data) {
    return std::unexpected(
        Error(ErrorCode::kUnsupported,
              fmt::format("{} do not become {}", describe(view->map().redundancy),
                          describe(next.redundancy)))
            .with_hint("Make a repository in another placement, on empty stores, and fill it with "
                       "backstay copy. The number of copies, and of shards that may be lost, can "
                       "change."));
  }
  ++next.version;
  next.phase = Phase::kMoving;
  next.losses_before_and_one = view->map().losses() + 1;
  next.given_up = false;
  const auto moves = [](const MapStore& one) { return one.membership != Membership::kMember; };
  if (std::ranges::count_if(next.stores, moves) > 1) {
    return std::unexpected(Error(ErrorCode::kInvalidArgument, "one store joins or leaves at a time")
                               .with_hint("Do one after the other."));
  }
  return put_map(backend, *view, next);
}

Result<void> renew_incarnation(PlacementBackend& backend, const std::string& store) {
  const std::shared_ptr<const View> view = backend.view();
  Map next = view->map();
  const auto found = std::ranges::find(next.stores, store, &MapStore::name);
  if (found == next.stores.end())
    return fail(ErrorCode::kInvalidArgument,
                fmt::format("there is no store {} in the placement", store));
  ++next.version;
  const std::uint64_t wanted = ++found->incarnation;
  Result<void> put = put_map(backend, *view, next);
  if (put || put.error().code() != ErrorCode::kUnavailable) return put;
  // Where W are all stores, the lost one among them, all others decide: nobody reads without one
  // of them, but who has nothing else than the disk that was given up.
  while (!TRY(backend.is_current(*backend.view()))) {
  }
  const std::shared_ptr<const View> now = backend.view();
  const auto& stores = now->map().stores;
  const auto there = std::ranges::find(stores, store, &MapStore::name);
  if (there == stores.end() || there->incarnation != wanted) return put;
  Troubles troubles;
  const auto lost = static_cast<unsigned>(there - stores.begin());
  if ((backend.flush(*now, troubles) & ~mask_of(lost)) == 0) return {};
  return troubles.failure("the map is not durable on enough stores");
}

}  // namespace backstay::backend::placement
