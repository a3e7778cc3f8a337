// Where the bytes of a chunk are.
#pragma once

#include "repo/repository.h"
#include "snapshot/content.h"

namespace backstay::engine::restoring {

// not_found for one that is not in the index, or that no frame can hold.
Result<repo::ChunkLocation> locate_chunk(repo::Repository& repository,
                                         const snapshot::Extent& extent);

}  // namespace backstay::engine::restoring
