// Large files written past the page cache: no copy in the kernel, and nobody's cached files are
// pushed out by what only a restore will read again.
#pragma once

#include <atomic>
#include <cstdint>
#include <span>

#include "base/bytes.h"
#include "base/error.h"
#include "base/page_buffer.h"
#include "io/file.h"

namespace backstay::io {

// Writes `pieces` one after another to the start of the empty, writable file `fd`. Where the file
// system has no direct output the bytes go through the page cache. Not durable before a sync.
Result<void> write_direct(int fd, std::span<const ByteView> pieces);

// A file that is filled at any places, in any order, by several threads. What makes whole blocks
// goes past the page cache; the parts of blocks at either end of a write go through it. On file
// systems other than ext4 and XFS everything does: some compress only what comes that way.
class DirectFile {
 public:
  // Of `stage` in write(); more would not be faster.
  static constexpr std::size_t kStageBytes = std::size_t{512} * 1024;

  // `fd` is open for writing and outlives this.
  explicit DirectFile(int fd);
  // `stage` is scratch memory of the calling thread of kStageBytes. Ranges that are written at the
  // same time must not overlap.
  Result<void> write(ByteView bytes, std::uint64_t offset, const PageBuffer& stage) const;
  // Space for a range that will be written whole, in one piece where there is one; without it, many
  // writers leave many small extents behind.
  Result<void> reserve(std::uint64_t offset, std::uint64_t length) const;

 private:
  Result<std::size_t> write_blocks(ByteView bytes, std::uint64_t offset,
                                   const PageBuffer& stage) const;

  int fd_;
  Fd direct_;  // another opening, because the flag belongs to the opening
  mutable std::atomic<bool> works_;
};

}  // namespace backstay::io
