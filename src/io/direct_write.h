// Large files written past the page cache: no copy in the kernel, and nobody's cached files are
// pushed out by what only a restore will read again.
#pragma once

#include <span>

#include "base/bytes.h"
#include "base/error.h"

namespace backstay::io {

// Writes `pieces` one after another to the start of the empty, writable file `fd`. Where the file
// system has no direct output the bytes go through the page cache. Not durable before a sync.
Result<void> write_direct(int fd, std::span<const ByteView> pieces);

}  // namespace backstay::io
