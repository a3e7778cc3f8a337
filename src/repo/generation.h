// Collection generations (docs/format.md section 8.4).
#pragma once

#include <cstdint>
#include <vector>

#include "backend/backend.h"
#include "base/clock.h"
#include "repo/object.h"

namespace backstay::repo {

struct Generation {
  std::uint64_t number = 1;
  std::vector<ObjectId> condemned;
  Timestamp time;
};
[[nodiscard]] Bytes encode_generation(const Generation& generation, const RepositoryId& repository);
Result<Generation> decode_generation(ByteView stored, const RepositoryId& repository);

// already_exists when the number is taken.
Result<void> create_generation(backend::Backend& store, const Generation& generation,
                               const RepositoryId& repository);
// All of them, ascending. The first generation has no object: collections take numbers from 2.
Result<std::vector<Generation>> read_generations(backend::Backend& store,
                                                 const RepositoryId& repository);

}  // namespace backstay::repo
