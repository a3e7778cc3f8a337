// All chunks that a snapshot refers to.
#pragma once

#include <functional>

#include "chunk/chunk.h"
#include "repo/repository.h"
#include "snapshot/tree.h"

namespace backstay::engine::staging {

// Reads pages and lists by `metadata`, in the order of the tree, and calls `each` for the chunks of
// files as they are met, with the key of the file.
Result<void> for_each_data_chunk(
    chunk::ChunkReader& metadata, const snapshot::TreeRoot& tree,
    const std::function<Result<void>(const std::string& key, const chunk::ChunkRef& ref)>& each);

// Calls `seen` with each page and list that is asked for, before it is read by `read`.
class WatchedReader final : public chunk::ChunkReader {
 public:
  using Seen = std::function<Result<void>(const chunk::ChunkRef& ref)>;
  using Read = std::function<Result<Bytes>(const chunk::ChunkRef& ref)>;
  WatchedReader(Seen seen, Read read) : seen_(std::move(seen)), read_(std::move(read)) {}
  Result<Bytes> read(const chunk::ChunkRef& ref) override;

 private:
  const Seen seen_;
  const Read read_;
};

}  // namespace backstay::engine::staging
