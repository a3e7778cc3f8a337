#include "engine/stage/chunk_sender.h"

#include <algorithm>

#include "base/byte_size.h"
#include "base/try.h"

namespace backstay::engine::staging {

namespace {

// The packs of a stage lie in the order in which its trees name them, so that a few frames do.
constexpr std::size_t kStageFrameBytes = 8 * kMiB;
// As in a backup: pages are read one at a time later.
constexpr std::uint32_t kMetadataFrameMax = 512 * 1024;

}  // namespace

Result<Bytes> read_metadata(repo::Repository& stage, repo::Repository& remote,
                            const chunk::ChunkRef& ref) {
  auto bytes = stage.read(ref);
  if (bytes || bytes.error().code() != ErrorCode::kNotFound) return bytes;
  return remote.read(ref);
}

ChunkSender::ChunkSender(repo::Repository& stage, repo::Repository& remote,
                         const backup_stages::MemoryPlan& plan, Activity& activity)
    : stage_(stage),
      remote_(remote),
      activity_(activity),
      session_(remote, plan.store, repo::StoreSession::Mode::kStore),
      encoders_(session_, plan.encoders, plan.slab_bytes, plan.slabs,
                [this](Error error) {
                  {
                    const MutexLock lock(mutex_);
                    if (!failure_) failure_ = std::move(error);
                  }
                  encoders_.abort();
                }),
      data_(encoders_, repo::PackKind::kData, remote.config().frame_bytes),
      metadata_(encoders_, repo::PackKind::kMeta,
                std::min(remote.config().frame_bytes, kMetadataFrameMax)),
      frames_(kStageFrameBytes) {}

Result<void> ChunkSender::failure() {
  const MutexLock lock(mutex_);
  if (failure_) return std::unexpected(failure_->clone());
  return fail(ErrorCode::kInternal, "the encoders stopped without a reason");
}

Result<Bytes> ChunkSender::send_metadata(const chunk::ChunkRef& ref) {
  if (activity_.stop.stop_requested()) return fail(ErrorCode::kCancelled, "interrupted");
  auto bytes = read_metadata(stage_, remote_, ref);
  if (!bytes) {
    failed_in_stage_ = true;
    return bytes;
  }
  if (!session_.claim(ref.id)) return bytes;
  pages_.insert(ref.id);
  if (!metadata_.add(ref, *bytes)) TRY(failure());
  return bytes;
}

Result<Bytes> ChunkSender::read_data(const chunk::ChunkRef& ref) {
  const auto at = TRY(stage_.locate(ref.id));
  if (!at)
    return fail(ErrorCode::kNotFound, "chunk " + ref.id.short_hex() + " is not in the stage");
  Result<repo::FrameData> frame = frames_.find(at->frame);
  if (*frame == nullptr) {
    frame = stage_.read_frame(at->frame);
    if (frame) frames_.keep(at->frame, *frame);
  }
  Bytes kept;
  return to_owned(TRY(stage_.chunk_of(frame, *at, ref, kept)));
}

Result<void> ChunkSender::send_data(const chunk::ChunkRef& ref) {
  if (activity_.stop.stop_requested()) return fail(ErrorCode::kCancelled, "interrupted");
  activity_.progress.bytes_done += ref.length;
  if (!session_.claim(ref.id)) return {};
  const auto bytes = read_data(ref);
  if (!bytes) {
    failed_in_stage_ = true;
    return std::unexpected(bytes.error().clone());
  }
  return data_.add(ref, *bytes) ? Result<void>() : failure();
}

Result<repo::StoreSession::Totals> ChunkSender::finish() {
  if (!data_.flush() || !metadata_.flush()) TRY(failure());
  encoders_.drain();
  {
    const MutexLock lock(mutex_);
    if (failure_) return std::unexpected(failure_->clone());
  }
  TRY(session_.flush());
  return session_.totals();
}

}  // namespace backstay::engine::staging
