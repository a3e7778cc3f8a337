#include "engine/restore/locate_chunk.h"

#include "base/try.h"

namespace backstay::engine::restoring {

Result<repo::ChunkLocation> locate_chunk(repo::Repository& repository,
                                         const snapshot::Extent& extent) {
  const auto location = TRY(repository.locate(extent.id));
  if (location && extent.length <= repo::kFrameMax) return *location;
  return fail(ErrorCode::kNotFound,
              "chunk " + extent.id.short_hex() + " is not in the repository's index");
}

}  // namespace backstay::engine::restoring
