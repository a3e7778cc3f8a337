// The bytes of files that were read last, and some of those that come after them.
#pragma once

#include <cstdint>
#include <functional>
#include <list>
#include <string>

#include "base/bytes.h"
#include "base/error.h"
#include "base/mutex.h"

namespace backstay::backend::ftp {

// FTP cannot end a transfer in the middle but by closing the connection, so whoever reads a file
// piece by piece would log in for each. What is read on from where it was read before is therefore
// fetched in steps that grow, from one megabyte to four. Thread-safe.
class ReadAhead {
 public:
  // Fetches up to `size` bytes from `offset`; fewer only where the file ends.
  using Fetch = std::function<Result<Bytes>(std::uint64_t offset, std::uint64_t size)>;

  // The bytes that there are from `offset` on, at most out.size(): their number.
  Result<std::size_t> read(const std::string& path, std::uint64_t offset, MutableByteView out,
                           const Fetch& fetch) EXCLUDES(mutex_);
  // The file has changed, or is gone.
  void forget(const std::string& path) EXCLUDES(mutex_);

 private:
  struct Window {
    std::string path;
    std::uint64_t offset = 0;
    Bytes bytes;
    std::uint64_t step = 0;  // that was fetched last
  };
  [[nodiscard]] std::uint64_t size_to_fetch(const std::string& path, std::uint64_t offset,
                                            std::uint64_t size) EXCLUDES(mutex_);

  Mutex mutex_;
  std::list<Window> windows_ GUARDED_BY(mutex_);  // the one that was used last comes first
};

}  // namespace backstay::backend::ftp
