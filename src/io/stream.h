// Pipes, terminals and sockets: descriptors that can make a program wait for somebody else. All
// calls give `cancelled` soon after `stop` is requested; regular files are read and written as
// ever.
#pragma once

#include <cstdint>
#include <stop_token>
#include <string>

#include "base/bytes.h"
#include "base/error.h"

namespace backstay::io {

// Whether the descriptor is open, and for reading.
[[nodiscard]] bool is_readable(int fd);
// At least one byte; 0 at the end.
Result<std::size_t> read_stream(int fd, MutableByteView out, const std::stop_token& stop);
// What is there already, of a descriptor that does not block: 0 when there is nothing.
Result<std::size_t> read_available(int fd, MutableByteView out);
// Everything up to the end; invalid_argument when it is more than `size_max`.
Result<Bytes> read_whole_stream(int fd, std::uint64_t size_max, const std::stop_token& stop);
// The same by path, which may be that of a FIFO that nobody writes to yet.
Result<Bytes> read_file_or_stream(const std::string& path, std::uint64_t size_max,
                                  const std::stop_token& stop);
// All of `bytes`. After a request to stop it goes on while the reader does, for a moment.
Result<void> write_stream(int fd, ByteView bytes, const std::stop_token& stop);

}  // namespace backstay::io
