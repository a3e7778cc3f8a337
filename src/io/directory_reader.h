// The names in a folder, in the order and at the speed of the kernel.
#pragma once

#include <cstddef>
#include <optional>
#include <string_view>

#include "base/bytes.h"
#include "base/error.h"

namespace backstay::io {

// Reads one folder at a time with getdents64 through a large buffer. One a thread.
class DirectoryReader {
 public:
  explicit DirectoryReader(std::size_t buffer_bytes = std::size_t{128} * 1024);

  // Begins with the first name of the open folder `fd`, which must live until the last call of
  // next().
  Result<void> start(int fd);
  // The next name without "." and "..", NUL-terminated and valid until the next call; nothing at
  // the end.
  Result<std::optional<std::string_view>> next();

 private:
  Result<bool> fill();

  Bytes buffer_;
  std::size_t position_ = 0;
  std::size_t filled_ = 0;
  int fd_ = -1;
};

}  // namespace backstay::io
