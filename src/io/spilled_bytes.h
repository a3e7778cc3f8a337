// Bytes that are written once from front to back and then read: a few stay in memory, many go to a
// file without a name, so that they count as the page cache's and not as this process's memory.
#pragma once

#include <cstdint>
#include <string>

#include "base/bytes.h"
#include "base/error.h"
#include "base/streamed_bytes.h"
#include "io/file.h"

namespace backstay::io {

class SpilledBytes {
 public:
  static constexpr std::size_t kInMemoryMax = 1024 * 1024;

  // In memory where `expected` bytes are no more than kInMemoryMax or `folder` is empty, and also
  // where no file can be made or written there: a full disk stops nobody who has memory.
  SpilledBytes(const std::string& folder, std::uint64_t expected);

  Result<void> append(ByteView bytes);
  [[nodiscard]] std::uint64_t size() const { return size_; }
  [[nodiscard]] bool in_memory() const { return !file_; }
  // Fills `out`, which must not reach beyond the end.
  Result<void> read(std::uint64_t offset, MutableByteView out) const;
  // Pieces of at most kInMemoryMax. Borrows this.
  [[nodiscard]] StreamedBytes stream() const;
  Result<Bytes> all() const;

 private:
  Result<void> take_into_memory();

  Fd file_;  // none: memory_ has all
  Bytes memory_;
  std::uint64_t size_ = 0;
};

}  // namespace backstay::io
