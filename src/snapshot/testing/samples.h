// Arbitrary but valid values, the same for the same seed, for property tests.
#pragma once

#include "base/bytes.h"
#include "base/rng.h"
#include "crypto/secret.h"
#include "snapshot/entry.h"
#include "snapshot/snapshot.h"
#include "snapshot/tree.h"

namespace backstay::snapshot::testing {

[[nodiscard]] chunk::ChunkId sample_id(Rng& rng);
[[nodiscard]] crypto::Secret sample_key(std::uint8_t fill);
// Extents of every kind that stand in a file.
[[nodiscard]] Extent sample_extent(Rng& rng);
// Of any type, with any of the optional things; what encode_entry would leave out is not set.
[[nodiscard]] Entry sample_entry(Rng& rng);
// A regular file as most are: one chunk, no attributes.
[[nodiscard]] Entry plain_file(std::uint64_t size_bytes, std::uint64_t number);
[[nodiscard]] Entry plain_folder();
[[nodiscard]] Snapshot sample_snapshot(Rng& rng);
// Between 0 and `length_max` bytes, zeros and slashes apart.
[[nodiscard]] std::string sample_name(Rng& rng, std::size_t length_max);

}  // namespace backstay::snapshot::testing
