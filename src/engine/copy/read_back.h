// A copy, compared with its original byte for byte, as both repositories give it back.
#pragma once

#include <cstdint>
#include <optional>
#include <stop_token>

#include "engine/activity.h"
#include "repo/frame_cache.h"
#include "repo/repository.h"
#include "snapshot/snapshot.h"

namespace backstay::engine::copying {

// What two snapshots that follow each other have in common, on both sides, is read once. Both
// repositories have their indexes loaded.
class ReadBack {
 public:
  ReadBack(repo::Repository& from, repo::Repository& to, Activity& activity);

  // corruption, with the path, when they differ or a part of one cannot be read. Both are as their
  // stores have them, but for tags.
  Result<void> compare(const snapshot::Snapshot& original, const snapshot::Snapshot& copy);
  [[nodiscard]] std::uint64_t bytes_compared() const { return bytes_compared_; }

 private:
  struct Trees {
    snapshot::TreeRoot original;
    snapshot::TreeRoot copy;
  };
  Result<void> compare_trees(const Trees& trees);
  Result<void> compare_bytes(const snapshot::Entry& original, const snapshot::Entry& copy);

  repo::Repository& from_;
  repo::Repository& to_;
  Activity& activity_;
  repo::FrameCache frames_of_original_;
  repo::FrameCache frames_of_copy_;
  std::optional<Trees> before_;  // of the last pair that was found to be the same
  std::uint64_t bytes_compared_ = 0;
};

}  // namespace backstay::engine::copying
