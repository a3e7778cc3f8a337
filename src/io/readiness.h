// Waiting for a descriptor without being deaf to a request to stop.
#pragma once

#include <stop_token>

#include "base/error.h"

namespace backstay::io {

// Returns when a read from `fd` would not block (data, end or an error); cancelled when `stop` was
// requested before or meanwhile.
Result<void> wait_readable(int fd, const std::stop_token& stop);

// Returns when a small write to `fd` would not block. Unlike input, output goes on after a request
// to stop as long as somebody takes it, because the last words of a command are worth something:
// cancelled when `stop` was requested and the reader rests for longer than a moment.
Result<void> wait_writable(int fd, const std::stop_token& stop);

}  // namespace backstay::io
