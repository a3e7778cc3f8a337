// Chunks of a stage on their way to the repository: what that has already is neither read nor sent,
// the rest is compressed, verified and packed as in a backup.
#pragma once

#include <optional>
#include <unordered_set>

#include "base/mutex.h"
#include "engine/backup/frame_stage.h"
#include "engine/backup/memory_plan.h"
#include "engine/stage.h"
#include "repo/frame_cache.h"

namespace backstay::engine::staging {

// A page or list, from the stage, or, where that does not have it, from the repository.
Result<Bytes> read_metadata(repo::Repository& stage, repo::Repository& remote,
                            const chunk::ChunkRef& ref);

// Of one snapshot. One thread calls it.
class ChunkSender {
 public:
  ChunkSender(repo::Repository& stage, repo::Repository& remote,
              const backup_stages::MemoryPlan& plan, Activity& activity);

  // The bytes of a page or list, which are also sent where the repository does not have them.
  Result<Bytes> send_metadata(const chunk::ChunkRef& ref);
  Result<void> send_data(const chunk::ChunkRef& ref);
  // All that was sent is durable and in the repository's index when this returns.
  Result<repo::StoreSession::Totals> finish();
  // Pages and lists among it.
  [[nodiscard]] bool has_sent(const chunk::ChunkId& page) const { return pages_.contains(page); }
  // Whether what send_metadata() and send_data() failed with came from the stage.
  [[nodiscard]] bool failed_in_stage() const { return failed_in_stage_; }

 private:
  Result<void> failure() EXCLUDES(mutex_);
  Result<Bytes> read_data(const chunk::ChunkRef& ref);

  repo::Repository& stage_;
  repo::Repository& remote_;
  Activity& activity_;
  repo::StoreSession session_;
  Mutex mutex_;
  std::optional<Error> failure_ GUARDED_BY(mutex_);
  backup_stages::EncoderPool encoders_;
  backup_stages::FrameGroup data_;
  backup_stages::FrameGroup metadata_;
  repo::FrameCache frames_;
  std::unordered_set<chunk::ChunkId> pages_;
  bool failed_in_stage_ = false;
};

}  // namespace backstay::engine::staging
