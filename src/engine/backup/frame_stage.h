// Chunks become frames, frames go through the encoders into packs.
#pragma once

#include <atomic>
#include <functional>
#include <memory>
#include <thread>
#include <vector>

#include "base/bounded_queue.h"
#include "base/byte_ring.h"
#include "base/mutex.h"
#include "chunk/chunk.h"
#include "repo/store_session.h"

namespace backstay::engine::backup_stages {

// Worker threads that compress, verify and seal. A failure stops the stage and is told once.
class EncoderPool {
 public:
  // `queue_bytes` is the room for plaintext from push() until it is in a pack.
  EncoderPool(repo::StoreSession& session, std::size_t threads, std::size_t queue_bytes,
              std::function<void(Error)> on_failure);
  ~EncoderPool();
  // Copies the plaintext; waits while there is no room for it. False when the stage has stopped.
  bool push(repo::PackKind kind, ByteView plaintext, std::vector<chunk::ChunkRef> chunks);
  // Waits until all frames are in packs.
  void drain();
  void abort();

 private:
  struct Waiting {
    ByteRing::Block plaintext;
    repo::RawFrame frame;
  };
  void encode_all();

  repo::StoreSession& session_;
  std::function<void(Error)> on_failure_;
  ByteRing ring_;
  BoundedQueue<Waiting> queue_;  // the ring is its limit
  std::vector<std::jthread> threads_;
};

// Collects small chunks of one kind until they fill a frame; a large chunk is a frame of its own.
// Not thread-safe.
class FrameGroup {
 public:
  FrameGroup(EncoderPool& encoders, repo::PackKind kind, std::size_t frame_bytes)
      : encoders_(encoders), kind_(kind), frame_bytes_(frame_bytes) {}
  // False when the encoders have stopped.
  bool add(const chunk::ChunkRef& ref, ByteView plaintext);
  bool flush();

 private:
  EncoderPool& encoders_;
  repo::PackKind kind_;
  std::size_t frame_bytes_;
  Bytes plaintext_;  // keeps its memory
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
