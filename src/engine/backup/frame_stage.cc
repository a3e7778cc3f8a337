#include "engine/backup/frame_stage.h"

#include <algorithm>
#include <utility>

namespace backstay::engine::backup_stages {

namespace {

// Pages are read one at a time, so that each costs the decoding of a whole frame.
constexpr std::uint32_t kMetaFrameMax = 512 * 1024;

}  // namespace

EncoderPool::EncoderPool(repo::StoreSession& session, std::size_t threads, std::size_t queue_bytes,
                         std::function<void(Error)> on_failure)
    : session_(session),
      on_failure_(std::move(on_failure)),
      ring_(queue_bytes),
      queue_(queue_bytes) {
  for (std::size_t i = 0; i < threads; ++i) threads_.emplace_back([this] { encode_all(); });
}

// The threads end first: what they hold lies in the ring.
EncoderPool::~EncoderPool() {
  abort();
  threads_.clear();
}

void EncoderPool::abort() {
  ring_.abort();
  queue_.abort();
}

bool EncoderPool::push(repo::PackKind kind, ByteView plaintext,
                       std::vector<chunk::ChunkRef> chunks) {
  auto block = ring_.take(plaintext.size());
  if (!block) return false;
  std::ranges::copy(plaintext, block->bytes().begin());
  repo::RawFrame frame{.kind = kind, .bytes = block->bytes(), .chunks = std::move(chunks)};
  return queue_.push({.plaintext = std::move(*block), .frame = std::move(frame)});
}

void EncoderPool::encode_all() {
  repo::FrameEncoder encoder;
  while (const auto waiting = queue_.pop()) {
    auto added = session_.add(waiting->frame, encoder);
    if (!added) {
      on_failure_(std::move(added).error());
      return;
    }
  }
}

void EncoderPool::drain() {
  queue_.close();
  threads_.clear();
}

bool FrameGroup::add(const chunk::ChunkRef& ref, ByteView plaintext) {
  if (plaintext.size() >= frame_bytes_ / 2) return encoders_.push(kind_, plaintext, {ref});
  if (plaintext_.size() + plaintext.size() > frame_bytes_ && !flush()) return false;
  if (plaintext_.capacity() == 0) plaintext_.reserve(frame_bytes_);
  append(plaintext_, plaintext);
  chunks_.push_back(ref);
  return true;
}

bool FrameGroup::flush() {
  if (chunks_.empty()) return true;
  const bool pushed = encoders_.push(kind_, plaintext_, std::exchange(chunks_, {}));
  plaintext_.clear();
  return pushed;
}

MetaWriter::MetaWriter(const repo::Repository& repository, repo::StoreSession& session,
                       EncoderPool& encoders)
    : repository_(repository),
      session_(session),
      group_(encoders, repo::PackKind::kMeta,
             std::min(repository.config().frame_bytes, kMetaFrameMax)) {}

Result<chunk::ChunkRef> MetaWriter::write(ByteView plaintext) {
  const chunk::ChunkRef ref{.id = repository_.chunk_id(plaintext),
                            .length = static_cast<std::uint32_t>(plaintext.size())};
  if (!session_.claim(ref.id)) return ref;
  const MutexLock lock(mutex_);
  if (!group_.add(ref, plaintext)) return fail(ErrorCode::kCancelled, "the run is being stopped");
  return ref;
}

Result<void> MetaWriter::flush() {
  const MutexLock lock(mutex_);
  if (!group_.flush()) return fail(ErrorCode::kCancelled, "the run is being stopped");
  return {};
}

}  // namespace backstay::engine::backup_stages
