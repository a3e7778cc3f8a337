// Chunks become frames, frames go through the encoders into packs.
#pragma once

#include <atomic>
#include <functional>
#include <memory>
#include <thread>
#include <vector>

#include "base/bounded_queue.h"
#include "base/mutex.h"
#include "base/slab_pool.h"
#include "chunk/chunk.h"
#include "repo/store_session.h"

namespace backstay::engine::backup_stages {

// Worker threads that compress, verify and seal. A failure stops the stage and is told once.
class EncoderPool {
 public:
  // `slabs` of `slab_bytes` each are the room for the plaintext of data, from where it is read into
  // until it is in a pack.
  EncoderPool(repo::StoreSession& session, std::size_t threads, std::size_t slab_bytes,
              std::size_t slabs, std::function<void(Error)> on_failure);
  ~EncoderPool();
  // Where frames of this kind are put together. Waits while all slabs are in use; null when the
  // stage has stopped.
  Slab take_slab(repo::PackKind kind, std::size_t bytes_needed) {
    return (kind == repo::PackKind::kData ? data_slabs_ : meta_slabs_).take(bytes_needed);
  }
  // A frame whose plaintext lies in `slab` and is not changed any more. False when the stage has
  // stopped.
  bool push(repo::PackKind kind, const Slab& slab, ByteView plaintext,
            std::vector<chunk::ChunkRef> chunks);
  // Waits until all frames are in packs.
  void drain();
  void abort();

 private:
  struct Waiting {
    Slab slab;
    repo::RawFrame frame;
  };
  void encode_all();

  repo::StoreSession& session_;
  std::function<void(Error)> on_failure_;
  SlabPool data_slabs_;
  SlabPool meta_slabs_;
  BoundedQueue<Waiting> queue_;
  std::vector<std::jthread> threads_;
};

// Frames of metadata are put together in slabs of this size, so many of them.
inline constexpr std::size_t kMetaSlabBytes = 1024 * 1024;
inline constexpr std::size_t kMetaSlabs = 2;

// Collects small chunks of one kind, one behind another in a slab, until they fill a frame; a large
// chunk is a frame of its own. Not thread-safe.
class FrameGroup {
 public:
  FrameGroup(EncoderPool& encoders, repo::PackKind kind, std::size_t frame_bytes)
      : encoders_(encoders), kind_(kind), frame_bytes_(frame_bytes) {}
  // Chunks from this size on are frames of their own.
  [[nodiscard]] std::size_t large_bytes() const { return frame_bytes_ / 2; }
  // Copies the chunk. False when the encoders have stopped.
  bool add(const chunk::ChunkRef& ref, ByteView plaintext);
  // Room for small chunks of so many bytes in all, to be written to and then handed to keep() from
  // the front to the back. Empty when the encoders have stopped.
  MutableByteView room(std::size_t bytes);
  // The chunk lies in what room() gave, behind all that was kept of it before; what lies between is
  // overwritten.
  void keep(const chunk::ChunkRef& ref, ByteView plaintext);
  bool flush();

 private:
  EncoderPool& encoders_;
  repo::PackKind kind_;
  std::size_t frame_bytes_;
  Slab slab_;
  std::size_t begin_ = 0;  // of the frame, in the slab
  std::size_t end_ = 0;    // of the chunks in it
  std::vector<chunk::ChunkRef> chunks_;
};

// Tree pages and content lists: found when they are stored already, else grouped into metadata
// frames.
class MetaWriter final : public chunk::ChunkWriter {
 public:
  MetaWriter(const repo::Repository& repository, repo::StoreSession& session,
             EncoderPool& encoders);
  Result<chunk::ChunkRef> write(ByteView plaintext) override;
  Result<void> flush();

 private:
  const repo::Repository& repository_;
  repo::StoreSession& session_;
  Mutex mutex_;
  FrameGroup group_ GUARDED_BY(mutex_);
};

}  // namespace backstay::engine::backup_stages
