#include "engine/backup/frame_stage.h"

#include <algorithm>
#include <cstring>
#include <limits>
#include <utility>

namespace backstay::engine::backup_stages {

namespace {

// Pages are read one at a time, so that each costs the decoding of a whole frame.
constexpr std::uint32_t kMetaFrameMax = 512 * 1024;

}  // namespace

// The slabs limit what waits in the queue.
EncoderPool::EncoderPool(repo::StoreSession& session, std::size_t threads, std::size_t slab_bytes,
                         std::size_t slabs, std::function<void(Error)> on_failure)
    : session_(session),
      on_failure_(std::move(on_failure)),
      data_slabs_(slab_bytes, slabs),
      meta_slabs_(kMetaSlabBytes, kMetaSlabs),
      queue_(std::numeric_limits<std::size_t>::max()) {
  for (std::size_t i = 0; i < threads; ++i) threads_.emplace_back([this] { encode_all(); });
}

// The threads end first: what they hold lies in slabs.
EncoderPool::~EncoderPool() {
  abort();
  threads_.clear();
}

void EncoderPool::abort() {
  data_slabs_.abort();
  meta_slabs_.abort();
  queue_.abort();
}

bool EncoderPool::push(repo::PackKind kind, const Slab& slab, ByteView plaintext,
                       std::vector<chunk::ChunkRef> chunks) {
  return queue_.push(
      {.slab = slab, .frame = {.kind = kind, .bytes = plaintext, .chunks = std::move(chunks)}});
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
  if (plaintext.size() >= large_bytes()) {
    const Slab slab = encoders_.take_slab(kind_, plaintext.size());
    if (slab == nullptr) return false;
    std::ranges::copy(plaintext, slab->data());
    return encoders_.push(kind_, slab, slab->bytes().first(plaintext.size()), {ref});
  }
  const MutableByteView place = room(plaintext.size());
  if (place.empty()) return false;
  std::ranges::copy(plaintext, place.begin());
  keep(ref, place);
  return true;
}

MutableByteView FrameGroup::room(std::size_t bytes) {
  if (end_ - begin_ + bytes > frame_bytes_ && !flush()) return {};
  if (slab_ == nullptr || end_ + bytes > slab_->size()) {
    if (!flush()) return {};
    slab_.reset();  // before another is waited for
    slab_ = encoders_.take_slab(kind_, frame_bytes_);
    begin_ = end_ = 0;
    if (slab_ == nullptr) return {};
  }
  return slab_->bytes().subspan(end_, bytes);
}

void FrameGroup::keep(const chunk::ChunkRef& ref, ByteView plaintext) {
  std::uint8_t* const place = slab_->data() + end_;
  if (plaintext.data() != place) std::memmove(place, plaintext.data(), plaintext.size());
  end_ += plaintext.size();
  chunks_.push_back(ref);
}

bool FrameGroup::flush() {
  if (chunks_.empty()) return true;
  const ByteView frame = slab_->bytes().subspan(begin_, end_ - begin_);
  begin_ = end_;
  return encoders_.push(kind_, slab_, frame, std::exchange(chunks_, {}));
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
