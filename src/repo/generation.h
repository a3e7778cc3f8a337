// Collection generations (docs/format.md section 8.4).
#pragma once

#include <cstdint>
#include <vector>

#include "backend/backend.h"
#include "base/clock.h"
#include "repo/lease.h"
#include "repo/object.h"

namespace backstay::repo {

struct Generation {
  std::uint64_t number = 1;
  std::vector<ObjectId> condemned;
  Timestamp time;
  // Carried forward from generation to generation: leases that were ended, and the snapshots of
  // those that count all the same (docs/format.md section 8.3).
  std::vector<LeaseId> ended_leases;
  std::vector<ObjectId> kept_snapshots;
};
// What fits an object with room to spare.
inline constexpr std::size_t kCondemnedMax = 24 * 1024;
inline constexpr std::size_t kEndedLeasesMax = 4096;
[[nodiscard]] Bytes encode_generation(const Generation& generation, const RepositoryId& repository);
Result<Generation> decode_generation(ByteView stored, const RepositoryId& repository);

// already_exists when the number is taken.
Result<void> create_generation(backend::Backend& store, const Generation& generation,
                               const RepositoryId& repository);
Result<void> remove_generation(backend::Backend& store, std::uint64_t number);
// All of them, ascending. The first generation has no object: collections take numbers from 2.
// Objects never change, so that those in `known` are not read again.
Result<std::vector<Generation>> read_generations(backend::Backend& store,
                                                 const RepositoryId& repository,
                                                 const std::vector<Generation>& known = {});

}  // namespace backstay::repo
