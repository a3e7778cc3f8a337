// Packs, every byte: name, directory, frames, chunk ids, and whether the index says the same.
#pragma once

#include <chrono>
#include <optional>
#include <vector>

#include "engine/check.h"
#include "engine/check/damage_log.h"
#include "engine/check/object_check.h"
#include "engine/check/verified_packs.h"
#include "repo/repository.h"

namespace backstay::engine::check_stages {

// Which packs need not be read again yet.
struct Freshness {
  const VerifiedPacks& verified;
  std::chrono::seconds max_age;
  Timestamp now;
};

struct ChosenPacks {
  std::vector<repo::Index::Pack> packs;  // in the order in which they are read
  std::uint64_t fresh = 0;               // so many more that are left out
};
// The packs that --read-data chooses, in order of their names (which is the order on disk); with
// `freshness` those that are due, in the order of their turn.
[[nodiscard]] ChosenPacks choose_packs(std::vector<repo::Index::Pack> packs, const ReadData& wanted,
                                       Rng& rng, const std::optional<Freshness>& freshness);

struct PackVerdict {
  std::uint64_t bytes = 0;  // that were read
  bool damaged = false;
};
// Reads one pack whole and adds what is wrong to `log`. A failure means that the store could not be
// asked.
Result<PackVerdict> check_pack(repo::Repository& repository, const repo::Index::Pack& pack,
                               DamageLog& log);

}  // namespace backstay::engine::check_stages
