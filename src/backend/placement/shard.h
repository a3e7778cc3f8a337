// Parts of which several are needed: Reed-Solomon shards (docs/placement-format.md section 3.1).
//
// The first `data` parts hold the bytes of the object as they are, so that a range is read from the
// parts it lies in and nothing is computed; the others are sums of them (erasure/erasure_code.h).
// What a part holds follows from the object and its number alone: whoever makes it, from whichever
// others, makes the same.
#pragma once

#include <string>
#include <string_view>

#include "backend/placement/part.h"
#include "backend/placement/stripes.h"
#include "base/streamed_bytes.h"

namespace backstay::backend::placement {

// Cuts an object into shards, stripe by stripe: a stream holds one stripe in memory.
class ShardMaker {
 public:
  // Of all parts, but for their number and who made them. Reads all of the object for its hash.
  static Result<PartHeader> header_of(const StreamedBytes& object, unsigned data);
  // `header` is that of any part. `object` outlives it, and so do the streams that it gives.
  ShardMaker(std::string_view name, const StreamedBytes& object, const PartHeader& header)
      : name_(name), object_(object), header_(header) {}

  // The part of that number. Reads the object once. Several at the same time where the object's
  // pieces may be asked for at the same time.
  [[nodiscard]] StreamedBytes part(unsigned index) const;

 private:
  std::string name_;
  const StreamedBytes& object_;
  PartHeader header_;
};

struct StripeRange {
  std::uint64_t first = 0;
  std::uint64_t count = 0;
};
// The blocks that a part has of some stripes.
struct PartBlocks {
  unsigned index = 0;
  Bytes bytes;
};
// Of the part that the store has, whichever it is; `guess` is tried first. corruption when a block
// is that of none.
Result<PartBlocks> read_part_blocks(Backend& store, std::string_view name, const Stripes& stripes,
                                    const StripeRange& range, unsigned guess);

// Reads all of a part that is a shard or a copy, but for the hash of the whole object, which a
// shard alone cannot show. corruption when a byte is not as it was written.
Result<PartHeader> read_whole_part(Backend& store, std::string_view name);

// A part as a store has it, checked block by block while it is read. `store` outlives it.
// `header` is the one that the store gave.
[[nodiscard]] StreamedBytes stream_of_part(Backend& store, std::string name, PartHeader header);

}  // namespace backstay::backend::placement
