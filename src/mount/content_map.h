// Where in a file which extent lies, for reading at any place.
#pragma once

#include <cstdint>
#include <memory>
#include <vector>

#include "base/mutex.h"
#include "chunk/chunk.h"
#include "snapshot/entry.h"

namespace backstay::mount {

struct PlacedExtent {
  std::uint64_t offset = 0;  // in the file
  snapshot::Extent extent;   // no list
};

// A part of the file: extents one after another.
struct ContentStretch {
  std::uint64_t from = 0;
  std::uint64_t until = 0;
  std::vector<PlacedExtent> extents;
  // The extent that covers `offset`, which lies in the stretch.
  [[nodiscard]] std::size_t at(std::uint64_t offset) const;
};
using StretchPtr = std::shared_ptr<const ContentStretch>;

// Holds one stretch at a time: what the entry itself says, or one list chunk. Thread-safe.
class ContentMap {
 public:
  // The reader must outlive it. corruption when the content does not cover the size of the file.
  static Result<std::unique_ptr<ContentMap>> open(std::shared_ptr<const snapshot::Entry> file,
                                                  chunk::ChunkReader& lists);

  // The stretch in which `offset` lies, which is less than the size of the file. Reads the lists on
  // the way there, and no others. corruption as for_each_extent() says.
  Result<StretchPtr> stretch_at(std::uint64_t offset) EXCLUDES(mutex_);
  [[nodiscard]] std::uint64_t size_bytes() const { return file_->size_bytes; }

 private:
  ContentMap(std::shared_ptr<const snapshot::Entry> file, chunk::ChunkReader& lists)
      : file_(std::move(file)), lists_(lists) {}

  const std::shared_ptr<const snapshot::Entry> file_;
  chunk::ChunkReader& lists_;
  Mutex mutex_;
  StretchPtr last_ GUARDED_BY(mutex_);
};

}  // namespace backstay::mount
