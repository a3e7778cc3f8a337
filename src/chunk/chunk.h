// A chunk: a run of plaintext that is stored once however often it occurs.
#pragma once

#include <cstdint>

#include "base/bytes.h"
#include "base/error.h"
#include "base/strong_id.h"

namespace backstay::chunk {

// Keyed BLAKE3-256 of the chunk's plaintext (docs/format.md section 5).
using ChunkId = StrongId<struct ChunkIdTag>;

struct ChunkRef {
  ChunkId id;
  std::uint32_t length = 0;  // bytes of plaintext
  friend bool operator==(const ChunkRef&, const ChunkRef&) = default;
};

// Gives the plaintext of chunks. Thread-safe. Every byte returned was authenticated and matches the
// id.
class ChunkReader {
 public:
  virtual ~ChunkReader() = default;
  // Fails with not_found when the index has no such chunk, corruption when its bytes are damaged.
  virtual Result<Bytes> read(const ChunkRef& ref) = 0;
};

// Stores metadata chunks (tree pages, content lists), or finds them stored already. Thread-safe.
class ChunkWriter {
 public:
  virtual ~ChunkWriter() = default;
  virtual Result<ChunkRef> write(ByteView plaintext) = 0;
};

}  // namespace backstay::chunk
