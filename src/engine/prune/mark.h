// Everything that a snapshot needs, marked.
#pragma once

#include <cstdint>
#include <stop_token>

#include "repo/liveness.h"
#include "repo/repository.h"

namespace backstay::engine::prune_stages {

class Marker {
 public:
  Marker(repo::Repository& repository, repo::Liveness& liveness, std::stop_token stop)
      : repository_(repository), liveness_(liveness), stop_(std::move(stop)) {}

  // Pages that another snapshot shares are not read again. Fails when a page or a content list
  // cannot be read, because what it refers to is not known. What files consist of is marked by
  // Liveness::mark_rest() at last.
  Result<void> mark(const snapshot::TreeRoot& root);

 private:
  Result<void> mark_leaf(const chunk::ChunkRef& page);
  Result<void> mark_content(const snapshot::Entry& entry);

  repo::Repository& repository_;
  repo::Liveness& liveness_;
  const std::stop_token stop_;
};

}  // namespace backstay::engine::prune_stages
