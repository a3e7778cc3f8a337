// Bytes of open files of the target: zeros, holes, and what is there already.
#pragma once

#include <cstdint>
#include <optional>

#include "base/error.h"
#include "chunk/chunk.h"
#include "engine/restore/site.h"

namespace backstay::engine::restoring {

// Zeros that are allocated on the disk, or (files that are updated in place) a hole to be made.
struct ZeroRange {
  enum class Kind : std::uint8_t { kAllocated, kHole };
  std::uint64_t offset = 0;
  std::uint64_t length = 0;
  Kind kind = Kind::kAllocated;
};

// A file with more allocated zeros than this is not written by one worker in one go.
inline constexpr std::uint64_t kWholeZerosMax = 1 << 20;

// Written out: space that is only allocated reads as zeros too, but counts as a hole when the next
// backup asks the file system where the holes are (measured on ext4). cancelled when the run ends.
Result<void> write_zeros_at(int fd, std::uint64_t offset, std::uint64_t length, const Site& site);

// Changes only what is not as it should be; returns how many bytes that were.
Result<std::uint64_t> update_zeros_at(int fd, const ZeroRange& range, const Site& site);

// How much of the file is not in holes.
Result<std::uint64_t> data_bytes(int fd);

// Whether nothing would be changed by that.
Result<bool> range_is_right(int fd, const ZeroRange& range, const Site& site);

// True when the file, whose size is right, has the bytes and the holes of the entry.
Result<bool> has_content(int fd, const snapshot::Entry& entry, const Site& site);

// The bytes of the chunk when the file has exactly these there.
Result<std::optional<Bytes>> chunk_at(int fd, std::uint64_t offset, const chunk::ChunkRef& chunk,
                                      const repo::Repository& repository);
Result<bool> has_chunk_at(int fd, std::uint64_t offset, const chunk::ChunkRef& chunk,
                          const repo::Repository& repository);

// True when the range reads as zeros; holes are not read. False also when the file ends before.
Result<bool> reads_as_zeros(int fd, std::uint64_t offset, std::uint64_t length, const Site& site);

}  // namespace backstay::engine::restoring
