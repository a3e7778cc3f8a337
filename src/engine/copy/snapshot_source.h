// A snapshot as the source of a backup into another repository: its bytes are cut and named anew
// there, as if they had been backed up to it, so that later backups find them.
#pragma once

#include <memory>
#include <optional>

#include "repo/frame_cache.h"
#include "repo/repository.h"
#include "snapshot/tree.h"
#include "source/source.h"

namespace backstay::engine::copying {

// What reading from a repository holds in memory, beside the backup of what is read.
[[nodiscard]] std::uint64_t memory_of_source(const repo::Repository& from);

class SnapshotSource final : public source::Source {
 public:
  // `before` is the tree of the snapshot, in the same repository, whose copy the new one is
  // compared with: what has other content there is read, whatever its times say. Without it
  // everything is. The repository must outlive it and have its index loaded.
  SnapshotSource(repo::Repository& from, const snapshot::TreeRoot& tree,
                 const std::optional<snapshot::TreeRoot>& before);

  Result<std::optional<source::SourceItem>> next() override;
  Result<std::unique_ptr<source::FileReader>> open(source::SourceItem& item) override;

 private:
  [[nodiscard]] bool same_content_before(const snapshot::TreeItem& item);

  repo::Repository& from_;
  repo::FrameCache frames_;  // neighbours in the tree share frames
  snapshot::TreeCursor cursor_;
  std::optional<snapshot::TreeCursor> before_;  // nothing when it cannot be read
  std::optional<snapshot::TreeItem> before_head_;
  bool before_started_ = false;
};

}  // namespace backstay::engine::copying
