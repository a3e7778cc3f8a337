#include <fmt/format.h>

#include <algorithm>
#include <set>

#include "backend/placement.h"
#include "backend/placement/giving_up.h"
#include "base/try.h"

namespace backstay::backend::placement {
namespace {

std::unexpected<Error> makes_no_sense(std::string what, std::string hint) {
  return std::unexpected(
      Error(ErrorCode::kInvalidArgument, std::move(what)).with_hint(std::move(hint)));
}

// Parts of partitions that change their store, as a share of all.
double moved_between(const Map& before, const Map& after) {
  const Ring from(before);
  const Ring to(after);
  std::size_t moved = 0;
  const unsigned width = after.redundancy.width();
  for (unsigned partition = 0; partition < kPartitions; ++partition) {
    std::set<StoreId> had;
    const std::vector<unsigned> order = from.order_of_partition(partition);
    for (unsigned i = 0; i < std::min<std::size_t>(before.redundancy.width(), order.size()); ++i)
      had.insert(before.stores[order[i]].id);
    const std::vector<unsigned> wanted = to.order_of_partition(partition);
    for (unsigned i = 0; i < width; ++i)
      moved += had.contains(after.stores[wanted[i]].id) ? 0U : 1U;
  }
  return static_cast<double>(moved) / (static_cast<double>(kPartitions) * width);
}

// A drained or removed store takes its domain with it, where it was the last one there.
Result<void> domains_suffice(const Map& before, const Map& after) {
  const unsigned most = parts_in_a_domain(after);
  const bool copies = after.redundancy.data == 1;
  if (most <= parts_in_a_domain(before) || (!copies && most <= after.redundancy.parity)) return {};
  return makes_no_sense(
      fmt::format("one failure domain would hold {} of {}", most, describe(after.redundancy)),
      "Add a store in another domain first; or, where the store is lost, replace it. With "
      "--fewer-domains it is done all the same: what is lost together is then lost.");
}

Result<void> apply(Map& map, const MapFile& file, const WishedChange& wish,
                   const MapStore& joining) {
  const Map before = map;
  const Change change = wish.change;
  const std::string& name = wish.store;
  const auto found = std::ranges::find(map.stores, name, &MapStore::name);
  if (change == Change::kAdd) {
    const FileStore* const wished = file.find(name);
    if (wished == nullptr) {
      return makes_no_sense(fmt::format("the placement file has no store {}", name),
                            "Write the store into the file first.");
    }
    if (found != map.stores.end() && found->weight > 0)
      return makes_no_sense(fmt::format("the store {} is in the placement already", name),
                            "See backstay placement status.");
    if (found != map.stores.end()) {
      found->weight = wished->weight;
    } else {
      map.stores.push_back(joining);
      std::ranges::sort(map.stores, {}, &MapStore::name);
    }
    return {};
  }
  if (found == map.stores.end())
    return makes_no_sense(fmt::format("there is no store {} in the placement", name),
                          "See backstay placement status.");
  if (change == Change::kRemove) {
    found->membership = Membership::kLeaving;
  } else {
    found->weight = 0;
  }
  // Too few stores are told of by validate().
  std::size_t usable = 0;
  for (const MapStore& store : map.stores)
    usable += store.weight > 0 && store.membership != Membership::kLeaving ? 1U : 0U;
  if (wish.domains == Domains::kMayBeFewer || usable < map.redundancy.width()) return {};
  return domains_suffice(before, map);
}

}  // namespace

std::vector<std::string> folders_behind(const std::string& described) {
  if (!described.starts_with("placement:")) return {described};
  std::vector<std::string> folders;
  const Result<std::string> path = file_of(described);
  if (!path) return folders;
  const Result<MapFile> file = read_map_file(*path);
  if (!file) return folders;
  for (const FileStore& store : file->stores) {
    constexpr std::string_view kFile = "file://";
    if (store.url.starts_with('/')) folders.push_back(store.url);
    if (store.url.starts_with(kFile)) folders.push_back(store.url.substr(kFile.size()));
  }
  return folders;
}

Result<Planned> plan_change(PlacementBackend& backend, const MapFile& file,
                            const WishedChange& wished) {
  const Map before = backend.view()->map();
  if (before.phase == Phase::kMoving) {
    return std::unexpected(Error(ErrorCode::kConflict, "a change of this placement is under way")
                               .with_hint("Finish it with backstay placement rebalance first."));
  }
  MapStore joining{.name = wished.store, .id = {}, .weight = 1, .domain = {}};
  if (const FileStore* const in_file = file.find(wished.store)) {
    joining.weight = in_file->weight;
    joining.domain = in_file->domain;
  }
  joining.membership = Membership::kJoining;
  backend.world().rng.fill(joining.id.bytes);
  Planned planned{.next = before};
  TRY(apply(planned.next, file, wished, joining));
  planned.next.phase = Phase::kMoving;
  planned.next.losses_before_and_one = before.losses() + 1;
  TRY(validate(planned.next));
  planned.moves = moved_between(before, planned.next);
  return planned;
}

Result<void> begin_change(PlacementBackend& backend, const MapFile& file,
                          const WishedChange& wished, const StoreWorld& world) {
  TRY(plan_change(backend, file, wished));
  MapStore joining;
  const std::string& store = wished.store;
  const FileStore* const in_file = file.find(store);
  const std::vector<MapStore>& stores = backend.view()->map().stores;
  const bool is_new = std::ranges::find(stores, store, &MapStore::name) == stores.end();
  if (wished.change == Change::kAdd && is_new && in_file != nullptr) {
    const std::unique_ptr<Backend> opened = TRY_DOING(
        "opening the store " + store, open_backend(in_file->url, OpenKind::kCreate, world));
    joining = TRY(prepare_store(backend, *in_file, *opened));
  }
  return change_map(backend, [&](Map& map) { return apply(map, file, wished, joining); });
}

Result<UpkeepReport> replace_store(PlacementBackend& backend, const MapFile& file,
                                   const std::string& store, const StoreWorld& world,
                                   const UpkeepOptions& options) {
  const FileStore* const wished = file.find(store);
  if (wished == nullptr) {
    return makes_no_sense(fmt::format("the placement file has no store {}", store),
                          "Write into the file where its new place is.");
  }
  const std::unique_ptr<Backend> opened =
      TRY_DOING("opening the store " + store, open_backend(wished->url, OpenKind::kCreate, world));
  return refill_store(backend, store, *opened, options);
}

Result<void> give_stores_up(const MapFile& file, const std::vector<std::string>& lost,
                            const StoreWorld& world) {
  const StoreOpener opener = store_opener(file, OpenKind::kOpen, world);
  const PlacementWorld around{.clock = world.clock, .rng = world.rng};
  const GivenUp planned = TRY(plan_giving_up(file, opener, lost, around));
  return give_up(file, opener, planned, around);
}

Result<bool> begin_rebalance(PlacementBackend& backend, const MapFile& file) {
  const PlacementStatus status = TRY(placement_status(backend));
  if (status.map.phase == Phase::kMoving) return true;
  Map wished = status.map;
  const bool differs = take_over(file, wished);
  const bool misplaced = std::ranges::any_of(
      status.stores, [](const StoreStatus& store) { return store.misplaced > 0; });
  if (!differs && !misplaced) return false;
  if (differs) TRY(check_domains(wished));
  TRY(change_map(backend, [&](Map& map) -> Result<void> {
    static_cast<void>(take_over(file, map));
    return {};
  }));
  return true;
}

}  // namespace backstay::backend::placement
