// Barriers of many stores. A store that fails its barrier takes with it, in the worst case, all
// that it was given since the last: so that is brought to other stores, and made durable there,
// before the barrier of the whole succeeds.
#include <fmt/format.h>

#include <algorithm>

#include "backend/placement/bulk.h"
#include "backend/placement/placement_backend.h"
#include "base/try.h"

namespace backstay::backend::placement {
namespace {

constexpr std::size_t kRememberedMax = 200'000;

}  // namespace

Result<void> Registers::secure_without(std::string_view name, StoreMask failed) const {
  Result<Settled> settled = settle(name, Depth::kHeader, 0);
  if (!settled) return std::unexpected(std::move(settled).error());
  if (settled->entombed) return {};  // removed since
  if (!settled->there) {
    // The only store that kept it may be away.
    Troubles troubles;
    const Look seen = look(name, Depth::kHeader, 0, troubles);
    const bool gone = seen.answered == view_.all() && seen.there() == 0;
    if (gone || seen.tombstones != 0) return {};
    return troubles.failure(fmt::format("no store that answers has {}", name));
  }
  const StoreMask kept = settled->holders & ~failed;
  if (view_.decides(kept)) return {};
  const StoreMask others = view_.all() & ~failed & ~settled->holders;
  const StoreMask took = spread(name, settled->header.value, settled->holders, others);
  if (view_.decides(kept | took)) return {};
  return fail(ErrorCode::kUnavailable, fmt::format("too few other stores take {}", name));
}

Result<void> Registers::entomb_without(std::string_view name, const Look& seen,
                                       StoreMask failed) const {
  // What any of the tombstones says that can be had; of bulk objects there may be none.
  std::set<ValueId> values;
  bool all = kind_of(name) == Kind::kBulk;
  for (const Burial& burial : seen.burials) {
    all = all || burial.all;
    values.insert(burial.values.begin(), burial.values.end());
  }
  if (all) values.clear();
  if (!all && values.empty()) values.insert(ValueId{});
  StoreMask standing = 0;
  Mutex mutex;
  at_once(members_of(view_.all() & ~failed), [&](unsigned i) {
    const Result<Backend*> store = view_.store(i).reach();
    if (!store) return;
    if (!put_tombstone(**store, name, values)) return;
    view_.store(i).touch();
    const MutexLock lock(mutex);
    standing |= mask_of(i);
  });
  if (view_.decides(standing)) return {};
  return fail(ErrorCode::kUnavailable,
              fmt::format("too few other stores take the removal of {}", name));
}

void PlacementBackend::remember(std::string_view name, Since what) {
  const MutexLock lock(mutex_);
  if (window_.put.size() + window_.removed.size() >= kRememberedMax) {
    window_ = {};
    window_.complete = false;
  }
  if (what == Since::kNamesAdopted) window_.names_adopted = true;
  if (what == Since::kPut) window_.put.emplace(name);
  if (what == Since::kRemoved) window_.removed.emplace(name);
}

StoreMask PlacementBackend::barrier_of_stores(const View& view, Troubles& troubles, bool& former) {
  std::vector<std::shared_ptr<Store>> stores = view.stores();
  {
    const MutexLock lock(mutex_);
    stores.insert(stores.end(), former_.begin(), former_.end());
  }
  std::vector<unsigned> places(stores.size());
  for (unsigned i = 0; i < stores.size(); ++i) places[i] = i;
  StoreMask failed = 0;
  Mutex mutex;
  at_once(places, [&](unsigned i) {
    const Result<void> done = stores[i]->barrier();
    if (done) return;
    troubles.add(*stores[i], done.error());
    const MutexLock lock(mutex);
    if (i < view.stores().size())
      failed |= mask_of(i);
    else
      former = true;
  });
  tell_progress(view);
  return failed;
}

void PlacementBackend::know(KnownProgress shown, KnownProgress seen, std::set<std::string> notes) {
  const MutexLock lock(mutex_);
  shown_ = std::move(shown);
  seen_ = std::move(seen);
  seen_notes_ = std::move(notes);
}

void PlacementBackend::learn_progress(Store& store, const std::vector<std::string>& notes) {
  for (const std::string& name : notes) {
    {
      const MutexLock lock(mutex_);
      if (seen_notes_.contains(name)) continue;
    }
    const auto read = [&]() -> Result<KnownProgress> {
      const Bytes bytes = TRY(TRY(store.reach())->get(name, kMapBytesMax));
      return decode_seen(store.identity().placement, bytes);
    };
    const Result<KnownProgress> seen = read();
    if (!seen) continue;
    const MutexLock lock(mutex_);
    learn(seen_, *seen);
    seen_notes_.insert(name);
  }
}

// What fails is no matter: then that a store is set back to before this may not be noticed.
void PlacementBackend::tell_progress(const View& view) {
  KnownProgress news;
  for (const std::shared_ptr<Store>& store : view.stores()) {
    const Store::News of_store = store->take_news();
    if (of_store.durable) news[store->identity().store] = *of_store.durable;
    learn_progress(*store, of_store.seen);
  }
  if (news.empty()) return;
  KnownProgress known;
  std::set<std::string> before;
  {
    const MutexLock lock(mutex_);
    learn(seen_, news);
    known = seen_;
    before = seen_notes_;
  }
  for (const std::shared_ptr<Store>& store : view.stores())
    store->expect(known[store->identity().store]);
  std::uint64_t number = 1;
  for (const std::string& name : before) number = std::max(number, number_of_seen(name) + 1);
  if (known.size() > kSeenStoresMax / 2) {
    std::erase_if(known, [&](const auto& one) {
      const auto& stores = view.map().stores;
      return std::ranges::find(stores, one.first, &MapStore::id) == stores.end();
    });
  }
  const std::string name = seen_name(number, new_nonce(world_.rng));
  const Bytes note = encode_seen(view.map().id, known);
  at_once(members_of(view.all()), [&](unsigned i) {
    const Result<Backend*> store = view.store(i).reach();
    if (!store || !(*store)->put(name, note)) return;
    for (const std::string& old : before) static_cast<void>((*store)->remove(old).has_value());
  });
  const MutexLock lock(mutex_);
  for (const std::string& old : before) seen_notes_.erase(old);
  seen_notes_.insert(name);
}

StoreMask PlacementBackend::flush(const View& view, Troubles& troubles) {
  bool former = false;
  return barrier_of_stores(view, troubles, former);
}

Result<void> PlacementBackend::barrier() {
  Window window;
  {
    const MutexLock lock(mutex_);
    std::swap(window, window_);
  }
  const auto secure = [&](const View& view) -> Result<void> {
    StoreMask known = 0;
    bool former_known = false;
    // Each round at least one more store is done without.
    while (true) {
      Troubles troubles;
      bool former = false;
      const StoreMask failed = barrier_of_stores(view, troubles, former) | known;
      if (failed == known && former == former_known) return {};
      TRY(secure_without(view, failed, window, troubles));
      known = failed;
      former_known = former_known || former;
    }
  };
  Result<void> done = by_current_map(secure);
  if (done) return done;
  // Whoever asks again asks for the same.
  const MutexLock lock(mutex_);
  window_.put.merge(window.put);
  window_.removed.merge(window.removed);
  window_.names_adopted = window_.names_adopted || window.names_adopted;
  window_.complete = window_.complete && window.complete;
  return done;
}

Result<void> PlacementBackend::secure_without(const View& view, StoreMask failed,
                                              const Window& window, const Troubles& troubles) {
  const auto bring_elsewhere = [&]() -> Result<void> {
    if (!window.complete)
      return fail(ErrorCode::kUnavailable, "too much was stored since the last barrier");
    if (window.names_adopted &&
        (!view.sees(view.all() & ~failed) || !view.covers_bulk_without(failed)))
      return fail(ErrorCode::kUnavailable, "too few stores made their names durable");
    for (const std::string& name : window.put) {
      if (kind_of(name) == Kind::kControl)
        TRY(Registers(view).secure_without(name, failed));
      else
        TRY(bulk(view).secure_without(name, failed));
    }
    for (const std::string& name : window.removed) {
      Troubles unheard;
      const Look look = Registers(view).look(name, Registers::Depth::kHeader, 0, unheard);
      const bool there = !look.values().empty();
      if (there && look.answered != view.all())
        return unheard.failure(fmt::format("whether {} was stored anew cannot be said", name));
      if (there) continue;  // stored anew since
      TRY(Registers(view).entomb_without(name, look, failed));
    }
    return {};
  };
  const Result<void> brought = bring_elsewhere();
  if (brought) return {};
  return troubles.failure(fmt::format("stores fail to make durable what they were given, and {}",
                                      brought.error().describe()));
}

}  // namespace backstay::backend::placement
