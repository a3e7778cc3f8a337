// Packs, every byte: name, directory, frames, chunk ids, and whether the index says the same.
#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "engine/check.h"
#include "engine/check/damage_log.h"
#include "engine/check/object_check.h"
#include "engine/check/verified_packs.h"
#include "repo/repository.h"

namespace backstay::engine::check_stages {

// What is remembered of earlier checks: who was not read for longest comes first, and who was read
// within `max_age` not at all.
struct Freshness {
  const VerifiedPacks& verified;
  std::optional<std::chrono::seconds> max_age;
  Timestamp now;

  [[nodiscard]] bool is_fresh(const repo::ObjectId& pack) const {
    return max_age && verified.is_fresh(pack, *max_age, now);
  }
};

struct ChosenPacks {
  std::vector<repo::Index::Pack> packs;  // in the order in which they are read
  std::uint64_t fresh = 0;               // so many more that are left out
};
// The packs that --read-data chooses. A share of them is drawn at random, unless `freshness` says
// which are due.
[[nodiscard]] ChosenPacks choose_packs(std::vector<repo::Index::Pack> packs, const ReadData& wanted,
                                       Rng& rng, const Freshness& freshness);

// What a pack that was read whole turned out to be.
enum class PackState : std::uint8_t {
  kWhole,
  kDamaged,
  kStrange,  // its bytes match its name, and a later version or another key would be needed
};
struct PackVerdict {
  PackState state = PackState::kWhole;
  std::uint64_t bytes = 0;    // that were read
  std::string what;           // of a pack that is not whole
  std::string index_trouble;  // of one that is: what the index does not know of it
};
// Every byte of a pack: its name, its directory, its frames, and that each chunk is what its id
// says. What check and repair both mean by a damaged pack. not_found when it is not there; other
// failures mean that the store could not be asked.
Result<PackVerdict> examine_pack(repo::Repository& repository, const repo::Index::Pack& pack);

// Adds what examine_pack() finds to `log`; a pack that is not there is damaged.
Result<PackVerdict> check_pack(repo::Repository& repository, const repo::Index::Pack& pack,
                               DamageLog& log);

}  // namespace backstay::engine::check_stages
