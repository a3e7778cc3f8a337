// What a test that sees into all stores knows of the maps, whoever is away.
#pragma once

#include <algorithm>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include "backend/placement/part.h"
#include "backend/placement/testing/many_stores.h"

namespace backstay::backend::placement {

// The two newest maps that lie in any of the first `places` stores, the last one first.
inline std::vector<Map> newest_maps_in(ManyStores& many, std::size_t places) {
  std::map<std::uint64_t, Map, std::greater<>> maps;
  for (std::size_t i = 0; i < places; ++i) {
    for (const auto& [name, bytes] : many[i].memory.objects()) {
      if (!name.starts_with("placement/map-")) continue;
      const auto opened = open_copy(name, bytes);
      if (!opened) continue;
      auto map = decode_map(opened->bytes);
      if (map) maps.emplace(map->version, std::move(*map));
    }
  }
  std::vector<Map> newest;
  for (auto& [version, map] : maps) {
    if (newest.size() < 2) newest.push_back(std::move(map));
  }
  return newest;
}

// Whether what is on the disk is what all these maps have under that name: the store may have been
// replaced, or have left.
inline bool is_the_store(const std::vector<Map>& maps, const std::string& name,
                         const MemoryBackend::Objects& disk) {
  const auto marked = disk.find(std::string(kIdentityName));
  if (marked == disk.end()) return false;
  const auto identity = decode_identity(marked->second);
  return identity && std::ranges::all_of(maps, [&](const Map& map) {
           const auto found = std::ranges::find(map.stores, name, &MapStore::name);
           return found != map.stores.end() && identity_in(map, *found) == *identity;
         });
}

}  // namespace backstay::backend::placement
