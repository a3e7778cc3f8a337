// Packs, every byte: name, directory, frames, chunk ids, and whether the index says the same.
#pragma once

#include <unordered_set>
#include <vector>

#include "engine/check.h"
#include "engine/check/damage_log.h"
#include "engine/check/object_check.h"
#include "repo/repository.h"

namespace backstay::engine::check_stages {

// The packs that --read-data chooses, in order of their names (which is the order on disk).
[[nodiscard]] std::vector<repo::Index::Pack> choose_packs(std::vector<repo::Index::Pack> packs,
                                                          const ReadData& wanted, Rng& rng);

// Reads one pack whole and adds what is wrong to `log`. Returns the bytes read. A failure means
// that the store could not be asked.
Result<std::uint64_t> check_pack(repo::Repository& repository, const repo::Index::Pack& pack,
                                 DamageLog& log);

}  // namespace backstay::engine::check_stages
