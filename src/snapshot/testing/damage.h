// Damaged copies of an encoded value, for tests of decoders.
#pragma once

#include "base/bytes.h"
#include "base/rng.h"

namespace backstay::snapshot::testing {

// Calls `each` with every shorter start of `encoded`, in memory of exactly that length, so that a
// sanitizer sees a read beyond it.
template <typename Each>
void for_each_truncation(ByteView encoded, Each each) {
  for (std::size_t length = 0; length < encoded.size(); ++length) {
    each(to_owned(encoded.first(length)));
  }
}

// Calls `each` with every copy in which one byte differs.
template <typename Each>
void for_each_flipped_byte(ByteView encoded, Rng& rng, Each each) {
  Bytes damaged = to_owned(encoded);
  for (std::uint8_t& byte : damaged) {
    const std::uint8_t original = byte;
    byte ^= static_cast<std::uint8_t>(1 + rng.below(255));
    each(damaged);
    byte = original;
  }
}

}  // namespace backstay::snapshot::testing
