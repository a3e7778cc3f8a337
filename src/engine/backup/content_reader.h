// Reads one file, cuts it, and gives its content: the stages read, cut, id, known?, group.
#pragma once

#include <atomic>
#include <cstdint>
#include <stop_token>
#include <vector>

#include "base/slab_pool.h"
#include "chunk/content_chunker.h"
#include "crypto/hash.h"
#include "engine/activity.h"
#include "engine/backup.h"
#include "engine/backup/frame_stage.h"
#include "engine/backup/ordered_entries.h"
#include "snapshot/content.h"
#include "source/source.h"

namespace backstay::engine::backup_stages {

struct ReadTools {
  repo::Repository& repository;
  repo::StoreSession& session;
  EncoderPool& encoders;
  MetaWriter& lists;
  source::Source& source;
  const chunk::ContentChunker& chunker;
  Cutting cutting = Cutting::kAuto;
  std::atomic<std::uint64_t>& bytes_read;
  Activity& activity;
};

// One per reader thread. Bytes are read into the slab that their frame will refer to: small files
// one behind another, as a frame has them, larger ones in steps that stay in the caches while they
// are cut and hashed.
class ContentReader {
 public:
  explicit ContentReader(const ReadTools& tools);

  // Makes the entry complete: with its content, size and changed_while_read. A failure of the
  // source is about this file alone, except for cancelled: then the run is being stopped.
  Result<void> read(source::SourceItem& item);
  bool flush() { return group_.flush(); }

 private:
  struct Open;  // the file being read
  struct Span;  // of the slab: what of the run is there and not cut yet
  Result<void> read_runs(Open& open);
  Result<void> read_small(Open& open, const source::FileRun& run);
  Result<void> read_large(Open& open, const source::FileRun& run);
  Result<void> make_room(Span& span, std::size_t bytes);
  Result<std::size_t> fill(Open& open, MutableByteView out);
  Result<void> cut_by_content(Open& open, Span& span, bool at_end);
  Result<void> cut_fixed(Open& open, Span& span, bool at_end);
  Result<void> store_small(Open& open, ByteView piece);
  Result<void> store_large(Open& open, Span& span, std::size_t length, const chunk::ChunkId& id);

  ReadTools tools_;
  FrameGroup group_;
  Slab slab_;                      // of larger files
  std::size_t slab_used_ = 0;      // by frames
  crypto::Blake3Stream chunk_id_;  // of the chunk that is being read
  std::vector<std::uint32_t> lengths_;
};

// True for database files and disk images, whose pages do not move: told by their first bytes.
[[nodiscard]] bool has_fixed_pages(ByteView start, std::string_view name, std::uint64_t size_bytes);

}  // namespace backstay::engine::backup_stages
