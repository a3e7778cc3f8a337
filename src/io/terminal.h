// The terminal that a person sits at.
#pragma once

#include <cstddef>
#include <stop_token>
#include <string>

#include "base/bytes.h"
#include "base/error.h"

namespace backstay::io {

[[nodiscard]] bool is_terminal(int fd);
// Whether somebody sits at a terminal that this program may ask on: others that it starts may, too.
[[nodiscard]] bool has_terminal();

// Columns of the terminal behind `fd`; 80 where that is not known.
[[nodiscard]] std::size_t terminal_width(int fd);

// Asks on /dev/tty, whatever standard input and output are, and shows nothing of the answer. The
// line without its end, at most 4,095 bytes; the caller wipes it. Ctrl-C and a requested stop give
// `cancelled`; echo is on again however this ends. not_found without a terminal.
Result<Bytes> read_passphrase(const std::string& prompt, const std::stop_token& stop = {});

// The same on a terminal that is already open for reading and writing.
Result<Bytes> read_passphrase_from(int terminal, const std::string& prompt,
                                   const std::stop_token& stop = {});

}  // namespace backstay::io
