// The extents of a file one after another, for who asks for them instead of being called.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <vector>

#include "base/bytes.h"
#include "base/error.h"
#include "chunk/chunk.h"
#include "snapshot/content.h"
#include "snapshot/content_item.h"

namespace backstay::snapshot {

class ExtentCursor {
 public:
  // Both must outlive it. Whether the content covers the size of the file is for the caller to see:
  // covered_bytes().
  ExtentCursor(const ContentRoot& content, chunk::ChunkReader& lists)
      : content_(content), lists_(lists) {}

  // In file order; nothing at the end. List chunks are read as they are met. corruption when they
  // are nested too deep or cover a different length than they say.
  Result<std::optional<Extent>> next();

 private:
  struct List {
    Bytes encoded;
    ExtentReader reader;
    std::uint64_t length = 0;
  };
  Result<void> enter(const Extent& list, std::uint8_t level);

  const ContentRoot& content_;
  chunk::ChunkReader& lists_;
  std::size_t next_ = 0;
  std::vector<List> open_;  // from the outermost; at most kContentLevelMax
};

}  // namespace backstay::snapshot
