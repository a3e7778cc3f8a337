// Which frames of the repository a plan needs, each counted once.
#pragma once

#include <cstdint>
#include <set>
#include <unordered_set>
#include <vector>

#include "repo/location.h"

namespace backstay::engine::restoring {

// Some forty bytes a frame, and a frame is about a megabyte.
class Needs {
 public:
  void add(const repo::FrameLocation& frame);
  // Sealed, as they are stored.
  [[nodiscard]] std::uint64_t bytes() const { return bytes_; }
  [[nodiscard]] const std::set<repo::ObjectId>& data_packs() const { return data_packs_; }
  [[nodiscard]] const std::set<repo::ObjectId>& meta_packs() const { return meta_packs_; }
  // A few of them, not side by side where there are many.
  [[nodiscard]] const std::vector<repo::FrameLocation>& sample() const { return sample_; }

 private:
  std::unordered_set<std::uint64_t> seen_;  // of the frames' places
  std::set<repo::ObjectId> data_packs_;
  std::set<repo::ObjectId> meta_packs_;
  std::vector<repo::FrameLocation> sample_;
  std::uint64_t sample_at_ = 1;
  std::uint64_t bytes_ = 0;
};

}  // namespace backstay::engine::restoring
