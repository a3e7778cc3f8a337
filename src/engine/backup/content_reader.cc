#include "engine/backup/content_reader.h"

#include <algorithm>
#include <cstring>
#include <limits>

#include "base/byte_size.h"
#include "base/try.h"
#include "snapshot/tree_key.h"

namespace backstay::engine::backup_stages {

namespace {

using snapshot::Entry;
using snapshot::Extent;
using snapshot::ExtentKind;

bool starts_with(ByteView bytes, std::string_view magic, std::size_t offset = 0) {
  return bytes.size() >= offset + magic.size() &&
         as_text(bytes.subspan(offset, magic.size())) == magic;
}

bool changed_since(const Entry& opened, const Entry& now, std::uint64_t bytes_seen) {
  return opened.size_bytes != now.size_bytes || opened.modified != now.modified ||
         opened.changed != now.changed || bytes_seen != now.size_bytes;
}

Error stopped() {
  return Error(ErrorCode::kCancelled, "the run is being stopped");
}

}  // namespace

bool has_fixed_pages(ByteView start, std::string_view name, std::uint64_t size_bytes) {
  if (size_bytes < kMiB) return false;
  using namespace std::string_view_literals;
  if (starts_with(start, "SQLite format 3\0"sv)) return true;
  if (starts_with(start, "QFI\xfb"sv) || starts_with(start, "KDMV"sv) ||
      starts_with(start, "vhdxfile"sv) || starts_with(start, "<<< Oracle VM VirtualBox"sv)) {
    return true;
  }
  if (name.ends_with(".ibd") || name.starts_with("ibdata")) return true;
  if (starts_with(start, "\x53\xef"sv, 1080)) return true;  // ext2/3/4 superblock at 1024
  return starts_with(start, "\x55\xaa"sv, 510) &&
         size_bytes % 512 == 0;  // partition table or boot sector
}

struct ContentReader::Open {
  source::FileReader& file;
  snapshot::ContentBuilder content;
  std::uint64_t size_hint = 0;
  std::string_view name;
  bool first_bytes = true;
  bool fixed = false;
  bool stream = false;         // nobody knew its size and times before it ended
  std::uint64_t position = 0;  // in the file, of the buffer's start
  std::size_t filled = 0;      // bytes in the buffer
  std::size_t covered = 0;     // of them, by lengths_
};

ContentReader::ContentReader(const ReadTools& tools)
    : tools_(tools),
      group_(tools.encoders, repo::PackKind::kData, tools.repository.config().frame_bytes) {}

Result<void> ContentReader::read(source::SourceItem& item) {
  const auto file = TRY(tools_.source.open(item));
  if (buffer_.size() == 0) buffer_ = PageBuffer(tools_.buffer_bytes);
  Open open{.file = *file,
            .content = snapshot::ContentBuilder(tools_.lists),
            .size_hint = item.entry.size_bytes,
            .name = snapshot::name_of_key(item.key),
            .fixed = tools_.cutting == Cutting::kFixed};
  TRY(read_runs(open));
  item.entry.content = TRY(open.content.finish());
  const Entry now = TRY(file->entry_now());
  const std::uint64_t seen = open.content.length();
  if (changed_since(item.entry, now, seen)) {
    // The newest attributes with the bytes that were read, and a mark that both may not belong
    // together. A stream has no older attributes that could differ.
    snapshot::ContentRoot content = std::move(item.entry.content);
    item.entry = now;
    item.entry.content = std::move(content);
    item.entry.changed_while_read = !open.stream;
  }
  item.entry.size_bytes = seen;
  return {};
}

Result<void> ContentReader::read_runs(Open& open) {
  while (true) {
    const auto run = TRY(open.file.next_run());
    if (!run) return {};
    if (run->length == UINT64_MAX) open.stream = true;
    if (run->hole) {
      TRY(open.content.add({.kind = ExtentKind::kHole, .length = run->length, .id = {}}));
    } else {
      TRY(read_run(open, *run));
    }
  }
}

Result<void> ContentReader::read_run(Open& open, const source::FileRun& run) {
  open.position = run.offset;
  open.filled = 0;
  while (true) {
    const bool at_end = TRY(fill(open));
    if (open.first_bytes && open.filled > 0) {
      open.first_bytes = false;
      const ByteView start = buffer_.bytes().first(open.filled);
      if (tools_.cutting == Cutting::kAuto)
        open.fixed = has_fixed_pages(start, open.name, open.size_hint);
    }
    cut(open, at_end);
    TRY(store_pieces(open));
    if (at_end) return {};
    // What may still grow goes before the next bytes.
    std::memmove(buffer_.data(), buffer_.data() + open.covered, open.filled - open.covered);
    open.filled -= open.covered;
    open.position += open.covered;
  }
}

// Fills the buffer; true at the end of the run.
Result<bool> ContentReader::fill(Open& open) {
  while (open.filled < buffer_.size()) {
    if (tools_.activity.stop.stop_requested()) return std::unexpected(stopped());
    const std::size_t got = TRY(open.file.read(buffer_.bytes().subspan(open.filled)));
    if (got == 0) return true;
    open.filled += got;
    tools_.bytes_read += got;
    tools_.activity.progress.bytes_done += got;
  }
  return false;
}

void ContentReader::cut(Open& open, bool at_end) {
  lengths_.clear();
  const ByteView data = buffer_.bytes().first(open.filled);
  if (!open.fixed) {
    open.covered = tools_.chunker.cut(data, at_end, lengths_);
    return;
  }
  // Pieces count from the file's start: a run that begins between two borders first goes to the
  // next.
  const std::uint32_t piece = tools_.repository.config().fixed_piece_bytes;
  const auto skew = static_cast<std::uint32_t>(open.position % piece);
  std::size_t lead = 0;
  if (skew != 0 && (at_end || data.size() >= piece - skew)) {
    lead = std::min<std::size_t>(piece - skew, data.size());
    if (lead > 0) lengths_.push_back(static_cast<std::uint32_t>(lead));
  }
  open.covered = lead + chunk::cut_fixed(data.subspan(lead), piece, at_end, lengths_);
}

Result<void> ContentReader::store_pieces(Open& open) {
  std::size_t at = 0;
  for (const std::uint32_t length : lengths_) {
    TRY(store_piece(open, buffer_.bytes().subspan(at, length)));
    at += length;
  }
  return {};
}

Result<void> ContentReader::store_piece(Open& open, ByteView piece) {
  if (all_zero(piece)) {
    return open.content.add({.kind = ExtentKind::kZeros, .length = piece.size(), .id = {}});
  }
  const chunk::ChunkRef ref{.id = tools_.repository.chunk_id(piece),
                            .length = static_cast<std::uint32_t>(piece.size())};
  if (tools_.session.claim(ref.id) && !group_.add(ref, piece)) return std::unexpected(stopped());
  return open.content.add({.kind = ExtentKind::kChunk, .length = piece.size(), .id = ref.id});
}

}  // namespace backstay::engine::backup_stages
