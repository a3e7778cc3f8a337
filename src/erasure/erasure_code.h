// Reed-Solomon over GF(2^8): the only room with ISA-L.
//
// Blocks of data stand in numbered slots, and there are numbered shards, each the sum over all
// slots of a coefficient times the slot's block (docs/format.md section 10.1). The coefficient of
// shard r and slot j is 1 / ((255 - r) ^ j), a Cauchy matrix, of which every square part can be
// inverted: as many blocks as there are shards may be lost, whichever they are. (ISA-L's
// gf_gen_rs_matrix does not promise that.) A coefficient depends on the two numbers alone, not on
// how many slots or shards there are: an empty slot counts as zeros, and blocks may come and go,
// and shards be added, without anything else being read.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

#include "base/bytes.h"
#include "base/error.h"

namespace backstay::erasure {

// Slots and shards together have no more numbers than the field has elements.
inline constexpr unsigned kNumbersMax = 256;
[[nodiscard]] constexpr bool is_geometry(unsigned slots, unsigned shards) {
  return slots >= 1 && shards >= 1 && slots <= kNumbersMax && shards <= kNumbersMax &&
         slots + shards <= kNumbersMax;
}

// A block and the number of its slot or shard. Blocks of one call have one length.
struct Block {
  unsigned number = 0;
  const std::uint8_t* bytes = nullptr;
};
struct MutableBlock {
  unsigned number = 0;
  std::uint8_t* bytes = nullptr;
};

// Sets the shards to the sum of the data blocks.
void encode(std::size_t length, std::span<const Block> data, std::span<const MutableBlock> shards);

// Adds one block to the shards, or takes it away: the two are the same.
void update(std::size_t length, const Block& data, std::span<const MutableBlock> shards);

// Brings back the blocks of the slots in `lost` from all other blocks that are not zeros and from
// shards. corruption when there are fewer shards than lost blocks; nothing is written then.
Result<void> reconstruct(std::size_t length, std::span<const Block> data,
                         std::span<const Block> shards, std::span<const MutableBlock> lost);

}  // namespace backstay::erasure
