// From a placement file to the map that holds, and the making of a new placement.
#include <fmt/format.h>

#include <algorithm>
#include <set>

#include "backend/placement/opening.h"
#include "backend/placement/placement_backend.h"
#include "base/try.h"

namespace backstay::backend::placement {
namespace {

constexpr std::string_view kMaps = "placement/map-";
constexpr std::string_view kDecided = "placement/decided-";

std::optional<std::uint64_t> version_of(std::string_view name, std::string_view start) {
  if (!name.starts_with(start) || name.size() != start.size() + 10) return std::nullopt;
  std::uint64_t version = 0;
  for (const char c : name.substr(start.size())) {
    if (c < '0' || c > '9') return std::nullopt;
    version = version * 10 + static_cast<std::uint64_t>(c - '0');
  }
  return version;
}

Result<Map> read_map(Backend& store, std::uint64_t version) {
  const std::string name = map_name(version);
  const OpenedCopy opened = TRY(open_copy(name, TRY(store.get(name, part_bytes(kMapBytesMax)))));
  return decode_map(opened.bytes);
}

}  // namespace

Result<Map> read_decided(Backend& store, const PlacementId& placement, std::uint64_t version) {
  Map map = TRY(decode_map(TRY(store.get(decided_name(version), kMapBytesMax))));
  if (map.id == placement && map.version == version) return map;
  return fail(ErrorCode::kCorruption, "the note of a map that was decided is another's");
}

// The last two maps of a store are enough: who made the last knew that the one before was decided.
Result<Told> ask_store(Backend& store) {
  Told told;
  const Result<Bytes> identity = store.get(kIdentityName, kMapBytesMax);
  if (!identity && identity.error().code() != ErrorCode::kNotFound)
    return std::unexpected(identity.error().clone());
  if (identity) told.identity = TRY(decode_identity(*identity));
  std::vector<std::uint64_t> versions;
  TRY(store.list("placement/", [&](const ObjectInfo& info) -> Result<void> {
    if (const auto version = version_of(info.name, kMaps)) versions.push_back(*version);
    if (const auto version = version_of(info.name, kDecided))
      told.decided = std::max(told.decided, *version);
    told.notes.add(info.name);
    return {};
  }));
  std::ranges::sort(versions, std::greater());
  for (const std::uint64_t version : versions) {
    if (told.maps.size() >= 2) break;
    Result<Map> map = read_map(store, version);
    if (map && map->version == version) told.maps.emplace(version, std::move(*map));
  }
  return told;
}

namespace {

struct AllTold {
  std::optional<Map> base;  // one that was decided
  std::size_t away = 0;
  std::size_t unmarked = 0;  // belong to no placement yet
  Troubles troubles;
  KnownProgress shown;               // by the stores of themselves
  KnownProgress seen;                // by others
  std::set<std::string> seen_notes;  // that say so
};

// What others saw of the stores. The same note lies in all of them, so each is read once; one that
// cannot be read says nothing.
void read_seen(Backend& store, const Told& told, AllTold& all) {
  for (const std::string& name : told.notes.seen) {
    if (all.seen_notes.contains(name)) continue;
    const Result<Bytes> bytes = store.get(name, kMapBytesMax);
    const auto seen = bytes ? decode_seen(told.identity->placement, *bytes)
                            : Result<KnownProgress>(std::unexpected(bytes.error().clone()));
    if (!seen) continue;
    learn(all.seen, *seen);
    all.seen_notes.insert(name);
  }
}

// One that cannot be read says nothing: others have it, too.
void learn_decided(Backend& store, const Told& told, std::optional<Map>& decided) {
  if (told.decided <= (decided ? decided->version : 0)) return;
  Result<Map> map = read_decided(store, told.identity->placement, told.decided);
  if (map) decided = *std::move(map);
}

// The newest of which it is known that it was decided. Who made the last one knew that of the one
// before; where stores left since it is known from the notes alone.
std::optional<Map> base_of(std::map<std::uint64_t, Map>& maps, std::optional<Map> decided) {
  if (maps.empty()) return decided;
  const auto last = std::prev(maps.end());
  const std::uint64_t noted = decided ? decided->version : 0;
  if (last->second.given_up && last->first >= noted) return std::move(last->second);
  const auto before = maps.find(last->first - 1);
  std::optional<Map> base = std::move(before == maps.end() ? last->second : before->second);
  return noted > base->version ? decided : base;
}

Result<void> ask_all(const MapFile& file, const StoreOpener& open, const Clock& clock,
                     AllTold& all) {
  std::map<std::uint64_t, Map> maps;
  std::optional<Map> decided;
  std::optional<PlacementId> id;
  for (const FileStore& store : file.stores) {
    std::unique_ptr<Backend> backend;
    const auto ask = [&]() -> Result<Told> {
      backend = TRY(open(store.name));
      return ask_store(*backend);
    };
    Result<Told> told = ask();
    if (!told) {
      ++all.away;
      all.troubles.add(Store(store.name, {}, open, clock), told.error());
      continue;
    }
    if (!told->identity) {
      ++all.unmarked;
      continue;
    }
    if (id && *id != told->identity->placement) {
      return std::unexpected(
          Error(
              ErrorCode::kInvalidArgument,
              fmt::format("the store {} belongs to another placement than the others", store.name))
              .with_hint("Check the URLs in the placement file."));
    }
    id = told->identity->placement;
    all.shown[told->identity->store] = {.incarnation = told->identity->incarnation,
                                        .count = told->notes.count()};
    read_seen(*backend, *told, all);
    learn_decided(*backend, *told, decided);
    for (auto& [version, map] : told->maps) {
      if (map.id == *id) maps.emplace(version, std::move(map));
    }
  }
  all.base = base_of(maps, std::move(decided));
  return {};
}

Result<Map> first_map(const MapFile& file, Rng& rng) {
  Map map;
  rng.fill(map.id.bytes);
  map.redundancy = file.redundancy;
  map.quorum = file.quorum_or_all();
  for (const FileStore& store : file.stores) {
    MapStore one{.name = store.name, .id = {}, .weight = store.weight, .domain = store.domain};
    rng.fill(one.id.bytes);
    map.stores.push_back(std::move(one));
  }
  TRY(validate(map));
  TRY(check_domains(map));
  return map;
}

Result<void> check_empty(Backend& store) {
  return store.list("", [&](const ObjectInfo& info) -> Result<void> {
    if (is_reserved(info.name)) return {};
    return std::unexpected(
        Error(ErrorCode::kAlreadyExists,
              fmt::format("{} is not empty: it holds {}", store.describe(), info.name))
            .with_hint(
                "Each store of a placement has a place of its own, which is empty at first."));
  });
}

// Whether something of a repository lies there.
Result<bool> is_in_use(Backend& store) {
  const Result<void> empty = check_empty(store);
  if (empty) return false;
  if (empty.error().code() == ErrorCode::kAlreadyExists) return true;
  return std::unexpected(empty.error().clone());
}

// The first store decides whose placement it is; who is cut or too late goes on with that one.
// Where something of a repository lies in one of them the placement was made long ago, and a store
// that does not know of it is the folder of a disk that is not mounted: nothing is made of that.
Result<void> make_placement(const MapFile& file, const StoreOpener& open, Rng& rng) {
  std::vector<std::unique_ptr<Backend>> stores;
  for (const FileStore& store : file.stores) {
    stores.push_back(TRY_DOING("opening the store " + store.name, open(store.name)));
    const Result<ObjectInfo> marked = stores.back()->head(kIdentityName);
    if (marked && TRY(is_in_use(*stores.back()))) return {};
    if (!marked && marked.error().code() != ErrorCode::kNotFound)
      return std::unexpected(marked.error().clone());
    if (!marked) TRY(check_empty(*stores.back()));
  }
  Map map = TRY(first_map(file, rng));
  const std::string name = map_name(1);
  const Bytes bytes = encode_map(map);
  const ByteView piece = bytes;
  const Copy copy = make_copy(name, {&piece, 1}, new_nonce(rng));
  Result<void> put = stores.front()->put(name, copy.pieces);
  if (!put && put.error().code() != ErrorCode::kAlreadyExists) return put;
  const Bytes part = TRY(stores.front()->get(name, part_bytes(kMapBytesMax)));
  map = TRY(decode_map(TRY(open_copy(name, part)).bytes));
  if (map.stores.size() != file.stores.size() ||
      !std::ranges::equal(map.stores, file.stores, {}, &MapStore::name, &FileStore::name)) {
    return std::unexpected(
        Error(ErrorCode::kAlreadyExists, "a placement of other stores was begun here")
            .with_hint("Give the file that it was begun with, or empty the stores."));
  }
  for (std::size_t i = 0; i < stores.size(); ++i) {
    put = stores[i]->put(name, part);
    if (!put && put.error().code() != ErrorCode::kAlreadyExists) return put;
    put = stores[i]->put(kIdentityName,
                         encode_identity({.placement = map.id, .store = map.stores[i].id}));
    if (!put && put.error().code() != ErrorCode::kAlreadyExists) return put;
    TRY(stores[i]->barrier());
  }
  return {};
}

}  // namespace

Result<std::unique_ptr<PlacementBackend>> PlacementBackend::open(const MapFile& file,
                                                                 StoreOpener open, std::string what,
                                                                 PlacementWorld world) {
  AllTold told;
  TRY(ask_all(file, open, world.clock, told));
  if (!told.base && told.away > 0)
    return told.troubles.failure(fmt::format("no store of {} says how it is laid out", what));
  if (!told.base) {
    return std::unexpected(
        Error(ErrorCode::kNotFound, fmt::format("there is no placement in {}", what))
            .with_hint("Create a repository there with backstay init."));
  }
  std::unique_ptr<PlacementBackend> backend(
      new PlacementBackend(std::move(open), std::move(what), std::move(world)));
  backend->know(told.shown, told.seen, std::move(told.seen_notes));
  backend->use(std::move(*told.base));
  while (!TRY(backend->is_current(*backend->view()))) {
  }
  return backend;
}

Result<std::unique_ptr<PlacementBackend>> PlacementBackend::create(const MapFile& file,
                                                                   StoreOpener open,
                                                                   std::string what,
                                                                   PlacementWorld world) {
  AllTold told;
  TRY(ask_all(file, open, world.clock, told));
  if (told.away > 0 && !told.base)
    return told.troubles.failure("all stores of a new placement must be there");
  // Also one that was cut while it was made.
  if (told.away == 0 && told.unmarked > 0 && (!told.base || told.base->version == 1))
    TRY(make_placement(file, open, world.rng));
  return PlacementBackend::open(file, std::move(open), std::move(what), std::move(world));
}

}  // namespace backstay::backend::placement
