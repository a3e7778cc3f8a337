// What a restore may hold in memory and open at a time.
#pragma once

#include <cstddef>
#include <cstdint>

#include "backend/backend.h"

namespace backstay::engine::restoring {

// A window is the part of the tree whose chunk references are sorted by their place in the
// repository before anything of it is read. At most two windows are in memory: the one being
// filled, and what the workers still have of the one before.
struct Limits {
  std::size_t window_files = 8192;
  std::size_t window_pieces = 32768;         // about 110 bytes each
  std::size_t window_entry_bytes = 8 << 20;  // what the entries of the files take
  std::size_t open_files = 64;               // files that are written in several pieces
  std::size_t open_folders = 256;
  std::size_t zero_buffer_bytes = 1 << 20;
  std::size_t read_ahead_bytes = 16 << 20;  // dump: plaintext that waits to be written
  std::size_t threads = 1;
  // For tests: the free space around an open file; otherwise the file system is asked.
  std::uint64_t (*free_bytes)(int fd) = nullptr;
  // For tests: as if the target's file system ignored case.
  bool ignores_case = false;
};

// `memory_limit` of 0 means the default above; less makes the windows smaller, down to an eighth.
[[nodiscard]] Limits limits_for(std::size_t threads, std::uint64_t memory_limit);

// Where nobody says how many: one a processor; more where most of the time goes into waiting for
// the answers of `store`, as far as `memory_limit` (0: none is said) lets them.
[[nodiscard]] std::size_t usual_threads(const backend::Backend& store, std::uint64_t memory_limit);

// Both: `threads` of 0 means the usual ones.
[[nodiscard]] Limits limits_over(const backend::Backend& store, std::size_t threads,
                                 std::uint64_t memory_limit);

}  // namespace backstay::engine::restoring
