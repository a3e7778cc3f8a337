// Waiting for a descriptor without being deaf to a request to stop.
#pragma once

#include <chrono>
#include <cstdint>
#include <stop_token>

#include "base/error.h"

namespace backstay::io {

// Returns when a read from `fd` would not block (data, end or an error); cancelled when `stop` was
// requested before or meanwhile.
Result<void> wait_readable(int fd, const std::stop_token& stop);

// The same of two descriptors, the second of which may be -1; the first counts when both are ready.
// kNone when `until` passed.
enum class ReadyDescriptor : std::uint8_t { kFirst, kSecond, kNone };
Result<ReadyDescriptor> wait_readable_of(int first, int second, const std::stop_token& stop,
                                         std::chrono::steady_clock::time_point until);

// Returns when a small write to `fd` would not block. Unlike input, output goes on after a request
// to stop as long as somebody takes it, because the last words of a command are worth something:
// cancelled when `stop` was requested and the reader rests for longer than a moment.
Result<void> wait_writable(int fd, const std::stop_token& stop);

}  // namespace backstay::io
