// Content-defined cut points: keyed FastCDC (docs/format.md section 5.2).
//
// A byte position is a candidate when a Gear hash of the 32 bytes before it is small enough; that
// is a property of the content alone, so positions may be scanned in any order and on any thread. A
// chunk ends at the first strict candidate between the minimum and the normal size, else at the
// first loose candidate up to the maximum, else at the maximum (normalised chunking, Xia et al.,
// FastCDC, 2016).
#pragma once

#include <array>
#include <cstdint>
#include <vector>

#include "base/bytes.h"
#include "base/error.h"
#include "crypto/secret.h"

namespace backstay::chunk {

struct CutSizes {
  std::uint32_t min_bytes = 256 * 1024;
  std::uint32_t normal_bytes = 1024 * 1024;  // a power of two
  std::uint32_t max_bytes = 4 * 1024 * 1024;
  friend bool operator==(const CutSizes&, const CutSizes&) = default;
};
// 64 <= min <= normal <= max <= 16 MiB and a normal size that is a power of two, else
// invalid_argument.
Result<void> validate(const CutSizes& sizes);

// 256 words that only holders of the chunker key know.
struct GearTable {
  std::array<std::uint32_t, 256> words;
  static GearTable from_key(const crypto::Secret& chunker_key);
};

// Thread-safe: holds no state but its table and sizes.
class ContentChunker {
 public:
  ContentChunker(const GearTable& table, const CutSizes& sizes);

  // The length of the chunk that `data` begins with; 0 while more bytes could change its end,
  // unless `at_end`. `data` is not empty and grows from call to call; `searched` is 0 at first and
  // saves looking at the same bytes again.
  [[nodiscard]] std::size_t find_end(ByteView data, bool at_end, std::size_t& searched) const;
  // Appends to `lengths` the lengths of the chunks that `data` begins with. `data` starts at a
  // chunk's start. Unless `at_end`, the last piece is left over when more bytes could change its
  // end; with it, all of `data` is cut. Returns the number of bytes that the appended lengths
  // cover.
  std::size_t cut(ByteView data, bool at_end, std::vector<std::uint32_t>& lengths) const;

  [[nodiscard]] const CutSizes& sizes() const { return sizes_; }

 private:
  GearTable table_;
  CutSizes sizes_;
  std::uint32_t strict_below_;  // candidate when hash < strict_below_
  std::uint32_t loose_below_;
};

// Equal pieces of `piece_bytes` for database files and disk images, where pages do not move.
// Same contract as ContentChunker::cut.
std::size_t cut_fixed(ByteView data, std::uint32_t piece_bytes, bool at_end,
                      std::vector<std::uint32_t>& lengths);

}  // namespace backstay::chunk
