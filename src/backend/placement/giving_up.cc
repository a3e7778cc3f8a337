#include "backend/placement/giving_up.h"

#include <fmt/format.h>

#include <algorithm>

#include "backend/placement/opening.h"
#include "backend/placement/part.h"
#include "base/try.h"

namespace backstay::backend::placement {
namespace {

std::unexpected<Error> cannot_give_up(std::string what, std::string hint) {
  return std::unexpected(
      Error(ErrorCode::kInvalidArgument, std::move(what)).with_hint(std::move(hint)));
}

bool is_named(const std::vector<std::string>& names, const std::string& name) {
  return std::ranges::find(names, name) != names.end();
}

// The newest map that any of the stores has, and who answered with an identity.
struct Rest {
  std::optional<Map> newest;
  std::map<std::string, Identity> there;
};

Result<Rest> ask_the_rest(const MapFile& file, const StoreOpener& open,
                          const std::vector<std::string>& lost) {
  Rest rest;
  for (const FileStore& store : file.stores) {
    const auto ask = [&]() -> Result<Told> { return ask_store(*TRY(open(store.name))); };
    Result<Told> told = ask();
    if (!told && !is_named(lost, store.name)) {
      return std::unexpected(told.error().clone().with_hint(
          "All stores that are not given up must be there. If this one is lost, too, name it."));
    }
    if (!told || !told->identity) continue;
    rest.there.emplace(store.name, *told->identity);
    if (is_named(lost, store.name) || told->maps.empty()) continue;
    Map& map = std::prev(told->maps.end())->second;
    if (!rest.newest || rest.newest->version < map.version) rest.newest = std::move(map);
  }
  if (rest.newest) return rest;
  return fail(ErrorCode::kNotFound, "no store that is left says how the placement is laid out");
}

Result<Map> map_of_the_rest(const Rest& rest, const std::vector<std::string>& lost) {
  Map map = *rest.newest;
  for (const std::string& name : lost) {
    const auto found = std::ranges::find(map.stores, name, &MapStore::name);
    if (found == map.stores.end())
      return cannot_give_up(fmt::format("there is no store {} in the placement", name),
                            "See the names in the placement file.");
    const auto there = rest.there.find(name);
    if (there != rest.there.end() && there->second == identity_in(map, *found))
      return cannot_give_up(fmt::format("the store {} is there", name),
                            "Only stores that are lost for ever are given up.");
  }
  std::erase_if(map.stores, [&](const MapStore& store) { return is_named(lost, store.name); });
  std::size_t usable = 0;
  for (MapStore& store : map.stores) {
    const auto there = rest.there.find(store.name);
    if (there == rest.there.end() || there->second != identity_in(map, store)) {
      return std::unexpected(Error(ErrorCode::kUnavailable,
                                   fmt::format("the store {} is not at its place", store.name))
                                 .with_hint("All stores that are not given up must be there."));
    }
    store.membership = Membership::kMember;
    if (store.weight > 0) ++usable;
  }
  if (usable < map.redundancy.data)
    return cannot_give_up("too few stores are left for any object to be whole",
                          "Get back one of the lost ones.");
  if (map.redundancy.width() > usable)
    map.redundancy.parity = static_cast<unsigned>(usable) - map.redundancy.data;
  map.quorum = std::min(map.quorum, map.redundancy.width());
  ++map.version;
  map.phase = Phase::kSettled;
  map.losses_before_and_one = 0;
  map.given_up = true;
  TRY(validate(map));
  return map;
}

// Whether those that are left are enough for the ordinary ways.
bool decide_by_themselves(const Map& map, const std::vector<std::string>& lost,
                          const StoreOpener& open, const Clock& clock) {
  std::vector<std::shared_ptr<Store>> stores;
  StoreMask left = 0;
  for (unsigned i = 0; i < map.stores.size(); ++i) {
    const MapStore& store = map.stores[i];
    stores.push_back(std::make_shared<Store>(store.name, identity_in(map, store), open, clock));
    if (!is_named(lost, store.name)) left |= mask_of(i);
  }
  return View(map, std::move(stores)).decides(left);
}

}  // namespace

Result<GivenUp> plan_giving_up(const MapFile& file, const StoreOpener& open,
                               const std::vector<std::string>& lost, const PlacementWorld& world) {
  Rest rest = TRY(ask_the_rest(file, open, lost));
  GivenUp planned{.before = *rest.newest, .after = {}};
  planned.after = TRY(map_of_the_rest(rest, lost));
  if (decide_by_themselves(planned.before, lost, open, world.clock)) {
    return cannot_give_up("enough stores are left to go on without giving any up",
                          "Take the lost ones out with backstay placement remove, or put empty "
                          "disks in their places with backstay placement replace.");
  }
  return planned;
}

Result<void> give_up(const MapFile& file, const StoreOpener& open, const GivenUp& planned,
                     const PlacementWorld& world) {
  const std::string name = map_name(planned.after.version);
  const Bytes bytes = encode_map(planned.after);
  const ByteView piece = bytes;
  const Copy copy = make_copy(name, {&piece, 1}, new_nonce(world.rng));
  for (const MapStore& store : planned.after.stores) {
    if (file.find(store.name) == nullptr)
      return fail(ErrorCode::kInvalidArgument,
                  fmt::format("the file does not say where the store {} is", store.name));
    const std::unique_ptr<Backend> backend =
        TRY_DOING("opening the store " + store.name, open(store.name));
    const Result<void> put = backend->put(name, copy.pieces);
    if (!put && put.error().code() == ErrorCode::kAlreadyExists) {
      return std::unexpected(
          Error(ErrorCode::kConflict, "somebody changes the placement at the same time")
              .with_hint("Look at backstay placement status, and try again."));
    }
    TRY(Result<void>(put ? Result<void>() : std::unexpected(put.error().clone())));
    TRY(backend->barrier());
  }
  return {};
}

}  // namespace backstay::backend::placement
