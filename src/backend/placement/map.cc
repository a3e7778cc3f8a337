#include "backend/placement/map.h"

#include <fmt/format.h>

#include <algorithm>
#include <set>

#include "base/record.h"
#include "base/try.h"
#include "crypto/hash.h"

namespace backstay::backend::placement {
namespace {

constexpr std::string_view kMapMagic = "BKSTPMP1";
constexpr std::string_view kIdentityMagic = "BKSTPID1";

std::unexpected<Error> bad(std::string what, std::string hint) {
  return std::unexpected(
      Error(ErrorCode::kInvalidArgument, std::move(what)).with_hint(std::move(hint)));
}

std::unexpected<Error> broken(std::string_view what) {
  return fail(ErrorCode::kCorruption, fmt::format("a placement map {}", what));
}

Bytes enclosed(std::string_view magic, const Bytes& record) {
  Bytes out = to_owned(as_bytes(magic));
  append(out, record);
  append(out, crypto::blake3(out).view());
  return out;
}

// The record between magic and hash.
Result<ByteView> opened(std::string_view magic, ByteView bytes) {
  constexpr std::size_t kHash = crypto::Digest::kSize;
  if (bytes.size() < magic.size() + kHash || bytes.size() > kMapBytesMax)
    return broken("has a wrong length");
  const ByteView body = bytes.first(bytes.size() - kHash);
  if (!same_bytes(crypto::blake3(body).view(), bytes.last(kHash)))
    return broken("does not match its hash");
  if (as_text(body.first(magic.size())) != magic) return broken("begins with something else");
  return body.subspan(magic.size());
}

void append_store(Bytes& out, const MapStore& store) {
  Bytes inner;
  RecordWriter writer(inner);
  writer.text(1, store.name);
  writer.bytes(2, store.id.view());
  writer.number(3, store.weight);
  writer.text(4, store.domain);
  writer.number(5, static_cast<std::uint64_t>(store.membership));
  if (store.incarnation > 0) writer.number(6, store.incarnation);
  RecordWriter(out).bytes(6, inner);
}

template <typename Enum>
Result<Enum> enum_of(std::uint64_t value, Enum last) {
  if (value > static_cast<std::uint64_t>(last)) return broken("says something that is not known");
  return static_cast<Enum>(value);
}

Result<MapStore> decode_store(ByteView bytes) {
  MapStore store{.name = {}, .id = {}, .weight = 0, .domain = {}, .membership = {}};
  RecordReader reader(bytes);
  while (!reader.done()) {
    const Field field = TRY(reader.next());
    switch (field.number) {
      case 1:
        store.name = as_text(field.value_bytes);
        break;
      case 2: {
        auto id = StoreId::from_bytes(field.value_bytes);
        if (!id) return broken("has a store with a wrong id");
        store.id = *id;
        break;
      }
      case 3:
        if (field.value_number > kWeightMax) return broken("has a weight beyond the limit");
        store.weight = static_cast<std::uint32_t>(field.value_number);
        break;
      case 4:
        store.domain = as_text(field.value_bytes);
        break;
      case 5:
        store.membership = TRY(enum_of(field.value_number, Membership::kLeaving));
        break;
      case 6:
        store.incarnation = field.value_number;
        break;
      default:
        break;
    }
  }
  return store;
}

Result<unsigned> small_number(std::uint64_t value) {
  if (value > 255) return broken("has a number beyond the limit");
  return static_cast<unsigned>(value);
}

Result<void> decode_field(Map& map, const Field& field) {
  switch (field.number) {
    case 1: {
      auto id = PlacementId::from_bytes(field.value_bytes);
      if (!id) return broken("has a wrong id");
      map.id = *id;
      return {};
    }
    case 2:
      map.version = field.value_number;
      return {};
    case 3:
      map.phase = TRY(enum_of(field.value_number, Phase::kMoving));
      return {};
    case 4:
      map.redundancy.data = TRY(small_number(field.value_number));
      return {};
    case 5:
      map.redundancy.parity = TRY(small_number(field.value_number));
      return {};
    case 6:
      if (map.stores.size() >= kStoresMax) return broken("has too many stores");
      map.stores.push_back(TRY(decode_store(field.value_bytes)));
      return {};
    case 7:
      map.quorum = TRY(small_number(field.value_number));
      return {};
    case 8:
      map.losses_before_and_one = TRY(small_number(field.value_number));
      return {};
    case 15:
      map.given_up = field.value_number == 1;
      return {};
    default:
      return {};
  }
}

Result<void> validate_store(const MapStore& store) {
  if (!is_store_name(store.name)) {
    return bad(fmt::format("'{}' is no name of a store", store.name),
               "Names are made of 1 to 40 of the characters a-z, 0-9 and '-'.");
  }
  if (!store.domain.empty() && !is_store_name(store.domain)) {
    return bad(fmt::format("'{}' is no name of a failure domain", store.domain),
               "Names are made of 1 to 40 of the characters a-z, 0-9 and '-'.");
  }
  if (store.weight > kWeightMax) {
    return bad(fmt::format("the weight of {} is {}", store.name, store.weight),
               fmt::format("Weights are whole numbers up to {}.", kWeightMax));
  }
  return {};
}

Result<void> validate_redundancy(const Map& map, std::size_t usable) {
  const Redundancy& r = map.redundancy;
  if (r.data < 1 || r.width() > kShardsMax || (r.data > 1 && r.parity < 1)) {
    return bad(fmt::format("{} cannot be kept", describe(r)),
               fmt::format("At most {} parts are stored of an object.", kShardsMax));
  }
  if (r.width() > usable) {
    return bad(fmt::format("{} need as many stores, and there are {} that take objects",
                           describe(r), usable),
               "Add stores, or ask for less redundancy.");
  }
  const unsigned least = std::min(r.width(), r.data + (r.parity > 0 ? 1 : 0));
  if (map.quorum < least || map.quorum > r.width()) {
    return bad(fmt::format("a quorum of {} does not go with {}", map.quorum, describe(r)),
               fmt::format("It is between {} and {}.", least, r.width()));
  }
  return {};
}

}  // namespace

std::string describe(const Redundancy& redundancy) {
  if (redundancy.data == 1) {
    return fmt::format("{} cop{}", redundancy.width(), redundancy.width() == 1 ? "y" : "ies");
  }
  return fmt::format("{}+{} shards", redundancy.data, redundancy.parity);
}

bool is_store_name(std::string_view name) {
  return !name.empty() && name.size() <= 40 && std::ranges::all_of(name, [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-';
  });
}

Result<void> validate(const Map& map) {
  if (map.version < 1 || map.version > kMapVersionMax)
    return bad("the number of the map is beyond the limit", "Maps are numbered from 1.");
  if (map.stores.empty() || map.stores.size() > kStoresMax) {
    return bad(fmt::format("there are {} stores", map.stores.size()),
               fmt::format("A placement has between 1 and {}.", kStoresMax));
  }
  const bool moving = map.phase == Phase::kMoving;
  if (moving != (map.losses_before_and_one > 0))
    return bad("the map does not say what held before", "Make it anew.");
  std::set<StoreId> ids;
  std::size_t usable = 0;
  for (std::size_t i = 0; i < map.stores.size(); ++i) {
    const MapStore& store = map.stores[i];
    TRY(validate_store(store));
    if (i > 0 && map.stores[i - 1].name >= store.name)
      return bad(fmt::format("the store {} stands twice, or not in order", store.name),
                 "Each store has a name of its own.");
    if (!moving && store.membership != Membership::kMember)
      return bad(fmt::format("the store {} comes or goes while nothing moves", store.name),
                 "Make the map anew.");
    if (!ids.insert(store.id).second)
      return bad(fmt::format("the store {} has the id of another", store.name),
                 "Each store has an id of its own.");
    if (store.weight > 0 && store.membership != Membership::kLeaving) ++usable;
  }
  return validate_redundancy(map, usable);
}

Bytes encode_map(const Map& map) {
  Bytes record;
  RecordWriter writer(record);
  writer.bytes(1, map.id.view());
  writer.number(2, map.version);
  writer.number(3, static_cast<std::uint64_t>(map.phase));
  writer.number(4, map.redundancy.data);
  writer.number(5, map.redundancy.parity);
  for (const MapStore& store : map.stores) append_store(record, store);
  writer.number(7, map.quorum);
  writer.number(8, map.losses_before_and_one);
  if (map.given_up) writer.number(15, 1);
  return enclosed(kMapMagic, record);
}

Result<Map> decode_map(ByteView bytes) {
  Map map{.id = {}, .version = 0, .phase = {}, .redundancy = {}, .quorum = 0, .stores = {}};
  RecordReader reader(TRY(opened(kMapMagic, bytes)));
  while (!reader.done()) TRY(decode_field(map, TRY(reader.next())));
  const Result<void> valid = validate(map);
  if (!valid) return broken("cannot be: " + valid.error().message());
  return map;
}

std::string map_name(std::uint64_t version) {
  return fmt::format("placement/map-{:010}", version);
}

std::string decided_name(std::uint64_t version) {
  return fmt::format("placement/decided-{:010}", version);
}

Bytes encode_identity(const Identity& identity) {
  Bytes record;
  RecordWriter writer(record);
  writer.bytes(1, identity.placement.view());
  writer.bytes(2, identity.store.view());
  if (identity.incarnation > 0) writer.number(3, identity.incarnation);
  return enclosed(kIdentityMagic, record);
}

Result<Identity> decode_identity(ByteView bytes) {
  Identity identity;
  RecordReader reader(TRY(opened(kIdentityMagic, bytes)));
  bool placement = false;
  bool store = false;
  while (!reader.done()) {
    const Field field = TRY(reader.next());
    if (field.number == 1) {
      const auto id = PlacementId::from_bytes(field.value_bytes);
      placement = id.has_value();
      if (id) identity.placement = *id;
    } else if (field.number == 2) {
      const auto id = StoreId::from_bytes(field.value_bytes);
      store = id.has_value();
      if (id) identity.store = *id;
    } else if (field.number == 3) {
      identity.incarnation = field.value_number;
    }
  }
  if (!placement || !store) return broken("has a store that does not say which it is");
  return identity;
}

}  // namespace backstay::backend::placement
