// The entries of the parent snapshot, decoded and looked up in the index by a thread of their own,
// a little ahead of the walk that is compared with them: the walk is what an unchanged tree costs.
#pragma once

#include <cstddef>
#include <optional>
#include <thread>
#include <vector>

#include "base/bounded_queue.h"
#include "base/error.h"
#include "repo/repository.h"
#include "snapshot/tree.h"

namespace backstay::engine::backup_stages {

struct ParentEntry {
  snapshot::TreeItem item;
  bool content_is_stored = true;  // a regular file: the index knows all of its chunks
};

// One thread calls next().
class ParentEntries {
 public:
  // The repository must outlive it.
  ParentEntries(repo::Repository& repository, const snapshot::TreeRoot& parent);
  ~ParentEntries();

  // In the order of keys; null at the end. What it points to lives until the next call. After a
  // failure, which is damage of the tree, there is nothing more.
  Result<ParentEntry*> next();

 private:
  struct Batch {
    std::vector<ParentEntry> entries;
    std::optional<Error> failure;  // after the entries
  };
  void decode_all();
  [[nodiscard]] bool content_is_stored(const snapshot::Entry& entry) const;

  repo::Repository& repository_;
  const snapshot::TreeRoot parent_;
  BoundedQueue<Batch> ahead_;
  Batch current_;
  std::size_t used_ = 0;  // of current_
  std::jthread decoder_;
};

}  // namespace backstay::engine::backup_stages
