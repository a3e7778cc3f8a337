// Chunks in memory, for tests: counts what is asked of it and fails where it is told to.
#pragma once

#include <cstdint>
#include <map>

#include "base/bytes.h"
#include "base/error.h"
#include "base/mutex.h"
#include "chunk/chunk.h"

namespace backstay::snapshot::testing {

// Thread-safe.
class MemoryChunks final : public chunk::ChunkReader, public chunk::ChunkWriter {
 public:
  Result<Bytes> read(const chunk::ChunkRef& ref) override EXCLUDES(mutex_);
  Result<chunk::ChunkRef> write(ByteView plaintext) override EXCLUDES(mutex_);

  // From now on reading this chunk fails, until mend().
  void fail_on(const chunk::ChunkId& id, ErrorCode code = ErrorCode::kCorruption) EXCLUDES(mutex_);
  void mend() EXCLUDES(mutex_);
  // What is read under this name from now on, whatever its id says: a forger who knows the keys.
  void replace(const chunk::ChunkId& id, Bytes plaintext) EXCLUDES(mutex_);
  [[nodiscard]] bool contains(const chunk::ChunkId& id) const EXCLUDES(mutex_);

  [[nodiscard]] std::uint64_t reads() const EXCLUDES(mutex_);   // calls of read()
  [[nodiscard]] std::uint64_t writes() const EXCLUDES(mutex_);  // calls of write()
  [[nodiscard]] std::uint64_t stored() const EXCLUDES(mutex_);  // different chunks
  [[nodiscard]] std::uint64_t stored_bytes() const EXCLUDES(mutex_);
  void reset_counts() EXCLUDES(mutex_);  // of reads and writes

 private:
  mutable Mutex mutex_;
  std::map<chunk::ChunkId, Bytes> chunks_ GUARDED_BY(mutex_);
  std::map<chunk::ChunkId, ErrorCode> failing_ GUARDED_BY(mutex_);
  std::uint64_t reads_ GUARDED_BY(mutex_) = 0;
  std::uint64_t writes_ GUARDED_BY(mutex_) = 0;
  std::uint64_t stored_bytes_ GUARDED_BY(mutex_) = 0;
};

}  // namespace backstay::snapshot::testing
