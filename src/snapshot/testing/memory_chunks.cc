#include "snapshot/testing/memory_chunks.h"

#include "crypto/hash.h"

namespace backstay::snapshot::testing {

Result<Bytes> MemoryChunks::read(const chunk::ChunkRef& ref) {
  const MutexLock lock(mutex_);
  ++reads_;
  if (const auto failing = failing_.find(ref.id); failing != failing_.end()) {
    return fail(failing->second, "chunk " + ref.id.short_hex() + " was told to fail");
  }
  const auto found = chunks_.find(ref.id);
  if (found == chunks_.end()) {
    return fail(ErrorCode::kNotFound, "there is no chunk " + ref.id.short_hex());
  }
  if (found->second.size() != ref.length) {
    return fail(ErrorCode::kCorruption, "chunk " + ref.id.short_hex() + " has another length");
  }
  return found->second;
}

Result<chunk::ChunkRef> MemoryChunks::write(ByteView plaintext) {
  const chunk::ChunkId id{crypto::blake3(plaintext).bytes};
  const MutexLock lock(mutex_);
  ++writes_;
  if (chunks_.try_emplace(id, plaintext.begin(), plaintext.end()).second) {
    stored_bytes_ += plaintext.size();
  }
  return chunk::ChunkRef{id, static_cast<std::uint32_t>(plaintext.size())};
}

void MemoryChunks::fail_on(const chunk::ChunkId& id, ErrorCode code) {
  const MutexLock lock(mutex_);
  failing_[id] = code;
}

void MemoryChunks::mend() {
  const MutexLock lock(mutex_);
  failing_.clear();
}

void MemoryChunks::replace(const chunk::ChunkId& id, Bytes plaintext) {
  const MutexLock lock(mutex_);
  chunks_[id] = std::move(plaintext);
}

bool MemoryChunks::contains(const chunk::ChunkId& id) const {
  const MutexLock lock(mutex_);
  return chunks_.contains(id);
}

std::uint64_t MemoryChunks::reads() const {
  const MutexLock lock(mutex_);
  return reads_;
}

std::uint64_t MemoryChunks::writes() const {
  const MutexLock lock(mutex_);
  return writes_;
}

std::uint64_t MemoryChunks::stored() const {
  const MutexLock lock(mutex_);
  return chunks_.size();
}

std::uint64_t MemoryChunks::stored_bytes() const {
  const MutexLock lock(mutex_);
  return stored_bytes_;
}

void MemoryChunks::reset_counts() {
  const MutexLock lock(mutex_);
  reads_ = 0;
  writes_ = 0;
}

}  // namespace backstay::snapshot::testing
