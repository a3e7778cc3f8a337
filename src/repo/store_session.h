// Storing new chunks: frames are compressed, verified, sealed into open packs, packs are put, index
// runs are written behind them (docs/format.md sections 5 and 8.1).
#pragma once

#include <chrono>
#include <cstdint>
#include <memory>
#include <stop_token>
#include <vector>

#include "chunk/chunk.h"
#include "repo/repository.h"

namespace backstay::repo {

// A frame on its way: plaintext of one or more chunks, one after another. Borrows the bytes.
struct RawFrame {
  PackKind kind = PackKind::kData;
  ByteView bytes;
  std::vector<chunk::ChunkRef> chunks;
};

// One per worker thread: contexts and scratch that are reused.
class FrameEncoder {
 public:
  FrameEncoder();
  ~FrameEncoder();
  FrameEncoder(FrameEncoder&&) noexcept;

 private:
  friend class StoreSession;
  struct State;
  std::unique_ptr<State> state_;
};

class StoreSession {
 public:
  struct Options {
    Compression compression;
    std::uint32_t pack_bytes = 16 * 1024 * 1024;  // when a data pack is full
    // Packs being put at once; 0: each is put by the thread that fills it.
    std::size_t uploads = 2;
    std::uint64_t checkpoint_bytes =
        512 * 1024 * 1024;  // an index run is written after so many stored bytes
    std::uint64_t checkpoint_entries =
        48 * 1024;  // or so many chunks; eight such runs and what a pack adds stay mergeable
    std::chrono::seconds checkpoint_interval{20};  // or so much time
  };
  // Everything is checked before it leaves, nothing is stored in dry runs.
  enum class Mode : std::uint8_t { kStore, kDryRun };

  StoreSession(Repository& repository, const Options& options, Mode mode);
  ~StoreSession();  // stops the uploads; what was not indexed is left for nobody to see

  // True when the caller is the first to bring this chunk and must put it into a frame; false when
  // it is stored already or on its way. Thread-safe.
  [[nodiscard]] bool claim(const chunk::ChunkId& id);

  // Compresses, verifies, seals and adds the frame to an open pack. Thread-safe with one encoder a
  // thread. Waits while too many packs are on their way. Fails with the first failure of any
  // upload.
  Result<void> add(const RawFrame& frame, FrameEncoder& encoder);

  // Finishes the open packs, waits for all uploads, writes the last index run: everything added is
  // durable and findable when this returns. No add() runs at the same time or later.
  Result<void> flush();

  struct Totals {
    std::uint64_t bytes_added = 0;   // plaintext
    std::uint64_t bytes_stored = 0;  // objects written
    std::uint64_t chunks_added = 0;
    std::uint64_t packs = 0;
  };
  [[nodiscard]] Totals totals() const;
  // The upper bound of the packs that the session holds in memory with these options.
  [[nodiscard]] static std::uint64_t memory_bound(const Options& options);
  // Besides it: chunks that may be on their way or in no index run yet, and what is kept of each.
  [[nodiscard]] static std::uint64_t unindexed_chunks_max(const Options& options);
  static const std::size_t kBytesOfUnindexedChunk;

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace backstay::repo
