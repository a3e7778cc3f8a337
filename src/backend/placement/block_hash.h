// The 16 bytes behind each block of a part: docs/placement-format.md section 3.
#pragma once

#include <string_view>

#include "base/bytes.h"
#include "crypto/hash.h"

namespace backstay::backend::placement {

inline constexpr std::size_t kBlockBytes = 64 * 1024;
inline constexpr std::size_t kBlockHashBytes = 16;
inline constexpr std::size_t kBlockStride = kBlockBytes + kBlockHashBytes;

// Which part of how many needed ones a block belongs to. Copies are all the same.
struct PartKind {
  unsigned data = 1;
  unsigned index = 0;
};

// A block is tied to its object, its part and its place, so that no other block passes for it.
class BlockHash {
 public:
  // `block` is below 2^48: no object of 64 bits has more.
  BlockHash(std::string_view name, PartKind kind, std::uint64_t block) {
    stream_.update(as_bytes(name));
    const std::uint64_t part =
        kind.data > 1 ? std::uint64_t{kind.data} << 48 | std::uint64_t{kind.index} << 56 : 0;
    std::uint8_t place[9] = {0};  // a zero ends the name
    store_le(place + 1, block | part);
    stream_.update(place);
  }
  void update(ByteView bytes) { stream_.update(bytes); }
  void append_to(Bytes& out) const { append(out, stream_.finish().view().first(kBlockHashBytes)); }
  [[nodiscard]] bool matches(ByteView hash) const {
    return same_bytes(stream_.finish().view().first(kBlockHashBytes), hash);
  }

 private:
  crypto::Blake3Stream stream_;
};

}  // namespace backstay::backend::placement
