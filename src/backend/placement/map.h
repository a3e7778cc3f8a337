// What all clients of many stores agree on: which stores there are, and how much is kept of each
// object. Maps are numbered and never changed; each lies in all of its stores, and the next one is
// claimed there (docs/placement-format.md section 2).
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/bytes.h"
#include "base/error.h"
#include "base/strong_id.h"

namespace backstay::backend::placement {

using PlacementId = StrongId<struct PlacementTag, 16>;
using StoreId = StrongId<struct StoreTag, 16>;

inline constexpr std::size_t kStoresMax = 64;
inline constexpr unsigned kShardsMax = 32;
inline constexpr std::uint32_t kWeightMax = 1'000'000;
inline constexpr std::uint64_t kMapVersionMax = 9'999'999'999;

// An object of `data` parts that are needed and `parity` parts that may be missing. Copies are the
// case of one part, which each copy is.
struct Redundancy {
  unsigned data = 1;
  unsigned parity = 1;
  [[nodiscard]] unsigned width() const { return data + parity; }
  friend bool operator==(const Redundancy&, const Redundancy&) = default;
};
// "2 copies", "4+2 shards".
[[nodiscard]] std::string describe(const Redundancy& redundancy);

enum class Membership : std::uint8_t {
  kMember = 0,
  kJoining = 1,  // does not count for quorums of the map before this one
  kLeaving = 2,  // does not count for those of the map after this one
};

struct MapStore {
  std::string name;
  StoreId id;
  std::uint32_t weight = 1;  // share of the objects; 0 is a store that is being emptied
  std::string domain;        // what fails together; stores without one are domains of their own
  Membership membership = Membership::kMember;
  // How often its disk was replaced. One that holds what an earlier disk held is not the store.
  std::uint64_t incarnation = 0;
  friend bool operator==(const MapStore&, const MapStore&) = default;
};

enum class Phase : std::uint8_t {
  kSettled = 0,
  kMoving = 1,  // objects are on their way to where the map has them
};

struct Map {
  PlacementId id;
  std::uint64_t version = 1;
  Phase phase = Phase::kSettled;
  Redundancy redundancy;
  unsigned quorum = 2;  // parts of an object that are stored before it counts as stored
  // While objects move: 1 + losses() of the map before. 0 when settled.
  unsigned losses_before_and_one = 0;
  std::vector<MapStore> stores;  // by ascending name
  // Made by a person's word that the other stores are lost: it holds without a majority of them.
  bool given_up = false;
  // Stores that may be lost with nothing that counts as stored.
  [[nodiscard]] unsigned losses() const { return quorum - redundancy.data; }
  friend bool operator==(const Map&, const Map&) = default;
};

// [a-z0-9-], 1 to 40 characters, for stores and domains.
[[nodiscard]] bool is_store_name(std::string_view name);

// invalid_argument, with what is wrong and a hint, when no placement can work like that.
Result<void> validate(const Map& map);

// The object and back. corruption for anything that breaks a rule of the page.
[[nodiscard]] Bytes encode_map(const Map& map);
Result<Map> decode_map(ByteView bytes);

// "placement/map-0000000001"
[[nodiscard]] std::string map_name(std::uint64_t version);
// "placement/decided-0000000001": the map once more, put when it had been decided.
[[nodiscard]] std::string decided_name(std::uint64_t version);

// Which placement a store belongs to, and which of its stores it is: an empty disk in the place of
// one that is not mounted is told by the absence of this object.
struct Identity {
  PlacementId placement;
  StoreId store;
  std::uint64_t incarnation = 0;  // MapStore::incarnation
  friend bool operator==(const Identity&, const Identity&) = default;
};
[[nodiscard]] inline Identity identity_in(const Map& map, const MapStore& store) {
  return {.placement = map.id, .store = store.id, .incarnation = store.incarnation};
}
inline constexpr std::string_view kIdentityName = "placement/store";
[[nodiscard]] Bytes encode_identity(const Identity& identity);
Result<Identity> decode_identity(ByteView bytes);

inline constexpr std::size_t kMapBytesMax = 64 * 1024;

}  // namespace backstay::backend::placement
