// Reads one file, cuts it, and gives its content: the stages read, cut, id, known?, group.
#pragma once

#include <atomic>
#include <cstdint>
#include <stop_token>
#include <vector>

#include "base/page_buffer.h"
#include "chunk/content_chunker.h"
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
  std::size_t buffer_bytes = 0;
  std::atomic<std::uint64_t>& bytes_read;
  Activity& activity;
};

// One per reader thread: buffer and frame group are reused from file to file.
class ContentReader {
 public:
  explicit ContentReader(const ReadTools& tools);

  // Makes the entry complete: with its content, size and changed_while_read. A failure of the
  // source is about this file alone, except for cancelled: then the run is being stopped.
  Result<void> read(source::SourceItem& item);
  bool flush() { return group_.flush(); }

 private:
  struct Open;  // the file being read
  Result<void> read_runs(Open& open);
  Result<void> read_run(Open& open, const source::FileRun& run);
  Result<bool> fill(Open& open);
  void cut(Open& open, bool at_end);
  Result<void> store_pieces(Open& open);
  Result<void> store_piece(Open& open, ByteView piece);

  ReadTools tools_;
  FrameGroup group_;
  PageBuffer buffer_;
  std::vector<std::uint32_t> lengths_;
};

// True for database files and disk images, whose pages do not move: told by their first bytes.
[[nodiscard]] bool has_fixed_pages(ByteView start, std::string_view name, std::uint64_t size_bytes);

}  // namespace backstay::engine::backup_stages
