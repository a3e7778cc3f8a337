// The rule 3-2-1-1-0, counted and not hoped for: 3 copies of the data, on 2 kinds of media, 1 of
// them at another site, 1 offline or immutable, 0 errors. A pure function of what is known.
//
// What is not known never counts as good: a place that cannot be reached, a medium or site that
// nobody named, a pack that was not verified.
#pragma once

#include <array>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "policy/places.h"

namespace backstay::policy {

struct PlaceFacts {
  std::string name;
  std::string medium = {};
  std::string site = {};
  bool offline = false;
  bool primary = false;
  bool reachable = false;
  // Of every source it has the newest snapshot that any place has.
  bool current = false;
  // The store itself keeps its newest snapshots: no program of a client can remove them by now.
  bool immutable = false;
  std::uint64_t packs = 0;
  std::uint64_t packs_verified = 0;  // read and found whole, not too long ago
  // Snapshots that cannot be read, packs and parts of the index that are damaged or lost.
  std::uint64_t damages = 0;
  // The place before it that is the same repository by another address: it is counted there.
  std::string same_as = {};
};
[[nodiscard]] PlaceFacts facts_of(const Place& place);  // what the set says

struct Digit {
  std::string_view name;  // "copies", "media", "off_site", "offline_or_immutable", "errors"
  std::uint64_t wanted = 0;
  std::uint64_t found = 0;  // of errors: those that are known
  bool met = false;
  std::string reason = {};  // what it was counted from
  std::string next = {};    // what would make it good; empty where it is
};

[[nodiscard]] std::array<Digit, 5> copy_digits(const PlaceSet& set,
                                               const std::vector<PlaceFacts>& places);

}  // namespace backstay::policy
