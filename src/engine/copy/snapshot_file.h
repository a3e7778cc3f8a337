// A file of a snapshot, to be read from beginning to end.
#pragma once

#include <cstdint>
#include <optional>

#include "repo/frame_cache.h"
#include "repo/repository.h"
#include "snapshot/entry.h"
#include "snapshot/extent_cursor.h"
#include "source/source.h"

namespace backstay::engine::copying {

// Two cursors over the same extents: one looks where runs end, the other gives their bytes. The
// content covers the size of the file; repository and cache outlive this.
class SnapshotFile final : public source::FileReader {
 public:
  SnapshotFile(repo::Repository& from, repo::FrameCache& frames, snapshot::Entry entry)
      : from_(from),
        frames_(frames),
        entry_(std::move(entry)),
        ahead_(entry_.content, from),
        data_(entry_.content, from) {}

  Result<std::optional<source::FileRun>> next_run() override;
  Result<std::size_t> read(MutableByteView out) override;
  // Nobody changes it meanwhile.
  Result<snapshot::Entry> entry_now() override;

 private:
  Result<void> enter_next();
  Result<void> read_chunk(const chunk::ChunkRef& ref);

  repo::Repository& from_;
  repo::FrameCache& frames_;
  const snapshot::Entry entry_;
  snapshot::ExtentCursor ahead_;
  snapshot::ExtentCursor data_;
  std::optional<snapshot::Extent> extent_ahead_;
  bool started_ = false;
  std::uint64_t offset_ = 0;
  std::uint64_t left_in_run_ = 0;
  std::uint64_t left_in_extent_ = 0;
  Bytes chunk_;
};

}  // namespace backstay::engine::copying
