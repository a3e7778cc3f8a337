// One item of an encoded content or list chunk (docs/format.md section 6.3).
#pragma once

#include "base/bytes.h"
#include "base/error.h"
#include "base/record.h"
#include "snapshot/content.h"

namespace backstay::snapshot {

void append_extent(const Extent& extent, Bytes& out);
[[nodiscard]] std::size_t encoded_extent_bytes(const Extent& extent);

// Reads the items of a content or of a list chunk one by one; `encoded` must outlive it.
class ExtentReader {
 public:
  // Fails with corruption when the level is beyond the limit, or not what a list one level up says.
  static Result<ExtentReader> open(ByteView encoded);

  [[nodiscard]] std::uint8_t level() const { return level_; }
  [[nodiscard]] bool done() const { return reader_.done(); }
  [[nodiscard]] std::uint64_t covered() const { return covered_; }  // by the items read so far
  Result<Extent> next();

 private:
  ExtentReader(ByteReader reader, std::uint8_t level) : reader_(reader), level_(level) {}
  Result<void> read_id(Extent& extent);

  ByteReader reader_;
  std::uint8_t level_;
  std::uint64_t covered_ = 0;
};

}  // namespace backstay::snapshot
