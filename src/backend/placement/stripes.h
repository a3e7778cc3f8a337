// How an object lies in parts of which several are needed: docs/placement-format.md section 3.1.
#pragma once

#include <algorithm>
#include <cstdint>

#include "backend/placement/block_hash.h"

namespace backstay::backend::placement {

// Stripe after stripe, each of `data` blocks of 64 KiB, one for each part. The last stripe is
// divided evenly, with zeros behind the object, so that all parts have one length.
struct Stripes {
  std::uint64_t object_bytes = 0;
  unsigned data = 1;

  // Of the object, in a full stripe.
  [[nodiscard]] std::uint64_t full_bytes() const { return std::uint64_t{data} * kBlockBytes; }
  [[nodiscard]] std::uint64_t count() const {
    return object_bytes / full_bytes() + (object_bytes % full_bytes() != 0 ? 1 : 0);
  }
  // Bytes of the block that each part has of this stripe.
  [[nodiscard]] std::size_t unit_of(std::uint64_t stripe) const {
    if (stripe < object_bytes / full_bytes()) return kBlockBytes;
    return static_cast<std::size_t>((object_bytes % full_bytes() + data - 1) / data);
  }
  [[nodiscard]] std::uint64_t payload_bytes() const {
    const std::uint64_t rest = object_bytes % full_bytes();
    return object_bytes / full_bytes() * kBlockBytes + (rest + data - 1) / data;
  }
};

// Which of the first `data` parts hold bytes of the object between two offsets, as a mask. The
// range is not empty and ends within the object.
[[nodiscard]] inline std::uint64_t parts_between(const Stripes& stripes, std::uint64_t from,
                                                 std::uint64_t to) {
  const std::uint64_t all = (std::uint64_t{1} << stripes.data) - 1;
  const std::uint64_t full = stripes.full_bytes();
  std::uint64_t mask = 0;
  for (std::uint64_t stripe = from / full; stripe * full < to && mask != all; ++stripe) {
    const std::size_t unit = stripes.unit_of(stripe);
    const std::uint64_t first = std::max(from, stripe * full) - stripe * full;
    const std::uint64_t last = std::min(to, (stripe + 1) * full) - stripe * full - 1;
    for (std::uint64_t part = first / unit; part <= last / unit; ++part) mask |= 1ULL << part;
  }
  return mask;
}

}  // namespace backstay::backend::placement
