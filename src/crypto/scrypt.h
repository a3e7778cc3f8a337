// From a passphrase to a key as others do it: scrypt (RFC 7914).
#pragma once

#include <cstdint>

#include "base/bytes.h"
#include "base/error.h"

namespace backstay::crypto {

struct ScryptParameters {
  std::uint64_t n = 0;  // cost: a power of two
  std::uint32_t r = 0;  // size of a block in units of 128 bytes
  std::uint32_t p = 0;  // passes
};

// Fills `out`. corruption for parameters that make no sense or want more than 1 GiB or 64 passes,
// so that a hostile repository cannot exhaust the machine; no_space when the memory cannot be had.
Result<void> scrypt(ByteView passphrase, ByteView salt, const ScryptParameters& parameters,
                    MutableByteView out);

}  // namespace backstay::crypto
