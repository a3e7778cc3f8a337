// A secret in parts, of which any m of n give it back and fewer say nothing about it.
//
// Adi Shamir, "How to share a secret", CACM 22 (11), 1979: for each byte a random polynomial of
// degree m - 1 over GF(256) whose value at 0 is the byte; share number x has its value at x. The
// field is that of libgfshare (x^8 + x^4 + x^3 + x^2 + 1), so that gfcombine(1) puts the values
// together, too. No step depends on secret bytes in its time or in what memory it touches.
#pragma once

#include <array>
#include <cstdint>
#include <span>
#include <vector>

#include "base/error.h"
#include "base/rng.h"
#include "crypto/secret.h"

namespace backstay::crypto {

struct Share {
  static constexpr std::size_t kSetBytes = 4;
  std::uint8_t threshold = 0;                 // m: so many are needed
  std::uint8_t number = 0;                    // x, from 1
  std::array<std::uint8_t, kSetBytes> set{};  // drawn at random, the same in all shares of a split
  Secret value;
};

// Shares 1 to `count`. invalid_argument unless 2 <= threshold <= count <= 255.
Result<std::vector<Share>> split_secret(const Secret& secret, unsigned threshold, unsigned count,
                                        Rng& rng);

// invalid_argument, with words for people, when shares are of different sets or too few. One that
// is given twice counts once.
Result<Secret> combine_shares(std::span<const Share> shares);

}  // namespace backstay::crypto
