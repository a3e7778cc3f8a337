#include "engine/backup/content_reader.h"

#include <algorithm>
#include <cstring>
#include <limits>

#include "base/byte_size.h"
#include "base/try.h"
#include "snapshot/tree_key.h"

namespace backstay::engine::backup_stages {

namespace {

constexpr std::uint64_t kMayHavePages = kMiB;  // smaller files are cut by content
// A step is read, cut and hashed before the next: a part of the second-level cache.
constexpr std::size_t kStepBytes = 256 * 1024;

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
  if (size_bytes < kMayHavePages) return false;
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
  std::uint64_t size_bytes = 0;
  std::string_view name;
  bool first_bytes = true;
  bool fixed = false;
  bool stream = false;         // nobody knew its size and times before it ended
  std::uint64_t position = 0;  // in the file, of what is not cut yet
};

struct ContentReader::Span {
  std::size_t begin = 0;     // where the chunk begins that is being read
  std::size_t end = 0;       // of the bytes that were read
  std::size_t hashed = 0;    // bytes up to there went into chunk_id_
  std::size_t searched = 0;  // as ContentChunker::find_end() wants it
};

ContentReader::ContentReader(const ReadTools& tools)
    : tools_(tools),
      group_(tools.encoders, repo::PackKind::kData, tools.repository.config().frame_bytes),
      chunk_id_(tools.repository.chunk_id_stream()) {}

Result<void> ContentReader::read(source::SourceItem& item) {
  const auto file = TRY(tools_.source.open(item));
  Open open{.file = *file,
            .content = snapshot::ContentBuilder(tools_.lists),
            .size_bytes = item.entry.size_bytes,
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
  distrust_if_incomplete(item);
  return {};
}

Result<void> ContentReader::read_runs(Open& open) {
  while (true) {
    const auto run = TRY(open.file.next_run());
    if (!run) return {};
    if (run->length == 0) continue;
    if (run->length == UINT64_MAX) open.stream = true;
    const bool small = !open.fixed && open.size_bytes < group_.large_bytes() &&
                       run->length <= open.size_bytes && open.size_bytes < kMayHavePages;
    if (run->hole) {
      TRY(open.content.add({.kind = ExtentKind::kHole, .length = run->length, .id = {}}));
    } else {
      TRY(small ? read_small(open, *run) : read_large(open, *run));
    }
  }
}

// Bytes until `out` is full or the run ends.
Result<std::size_t> ContentReader::fill(Open& open, MutableByteView out) {
  std::size_t filled = 0;
  while (filled < out.size()) {
    if (tools_.activity.stop.stop_requested()) return std::unexpected(stopped());
    const std::size_t got = TRY(open.file.read(out.subspan(filled)));
    if (got == 0) break;
    filled += got;
  }
  tools_.bytes_read += filled;
  tools_.activity.progress.bytes_done += filled;
  return filled;
}

// ---- small files

Result<void> ContentReader::read_small(Open& open, const source::FileRun& run) {
  const MutableByteView room = group_.room(static_cast<std::size_t>(run.length));
  if (room.empty()) return std::unexpected(stopped());
  const ByteView data = room.first(TRY(fill(open, room)));
  lengths_.clear();
  tools_.chunker.cut(data, true, lengths_);
  std::size_t at = 0;
  for (const std::uint32_t length : lengths_) {
    TRY(store_small(open, data.subspan(at, length)));
    at += length;
  }
  return {};
}

Result<void> ContentReader::store_small(Open& open, ByteView piece) {
  if (all_zero(piece)) {
    return open.content.add({.kind = ExtentKind::kZeros, .length = piece.size(), .id = {}});
  }
  const chunk::ChunkRef ref{.id = tools_.repository.chunk_id(piece),
                            .length = static_cast<std::uint32_t>(piece.size())};
  if (tools_.session.claim(ref.id)) group_.keep(ref, piece);
  return open.content.add({.kind = ExtentKind::kChunk, .length = piece.size(), .id = ref.id});
}

// ---- others

Result<void> ContentReader::read_large(Open& open, const source::FileRun& run) {
  open.position = run.offset;
  chunk_id_.restart();  // a file before may have ended in the middle of a chunk
  Span span{.begin = slab_used_, .end = slab_used_, .hashed = slab_used_};
  while (true) {
    TRY(make_room(span, static_cast<std::size_t>(std::min<std::uint64_t>(run.length, kStepBytes))));
    const MutableByteView room =
        slab_->bytes().subspan(span.end, std::min(kStepBytes, slab_->size() - span.end));
    const std::size_t got = TRY(fill(open, room));
    if (open.first_bytes && got > 0) {
      open.first_bytes = false;
      if (tools_.cutting == Cutting::kAuto)
        open.fixed = has_fixed_pages(room.first(got), open.name, open.size_bytes);
    }
    span.end += got;
    const bool at_end = got < room.size();
    TRY(open.fixed ? cut_fixed(open, span, at_end) : cut_by_content(open, span, at_end));
    if (at_end) return {};
  }
}

// What is not cut yet must stay in one piece: it goes to the front of another slab when this one
// ends. The front of a slab that no frame is in is as good as another slab's.
Result<void> ContentReader::make_room(Span& span, std::size_t bytes) {
  if (slab_ != nullptr && slab_->size() - span.end >= bytes) return {};
  Slab fresh = slab_used_ == 0 ? slab_ : nullptr;
  if (fresh == nullptr || fresh->size() - (span.end - span.begin) < bytes)
    fresh = tools_.encoders.take_slab(repo::PackKind::kData, span.end - span.begin + bytes);
  if (fresh == nullptr) return std::unexpected(stopped());
  if (slab_ != nullptr)
    std::memmove(fresh->data(), slab_->data() + span.begin, span.end - span.begin);
  slab_ = std::move(fresh);
  slab_used_ = 0;
  span.end -= span.begin;
  span.hashed -= span.begin;
  span.begin = 0;
  return {};
}

Result<void> ContentReader::cut_by_content(Open& open, Span& span, bool at_end) {
  while (span.begin < span.end) {
    const ByteView chunk = slab_->bytes().subspan(span.begin, span.end - span.begin);
    const std::size_t length = tools_.chunker.find_end(chunk, at_end, span.searched);
    const std::size_t to_hash = length == 0 ? span.end : span.begin + length;
    chunk_id_.update(slab_->bytes().subspan(span.hashed, to_hash - span.hashed));
    span.hashed = to_hash;
    if (length == 0) return {};
    const chunk::ChunkId id{chunk_id_.finish().bytes};
    chunk_id_.restart();
    TRY(store_large(open, span, length, id));
  }
  return {};
}

// Pieces count from the file's start: a run that begins between two borders first goes to the next.
Result<void> ContentReader::cut_fixed(Open& open, Span& span, bool at_end) {
  const std::uint32_t piece_bytes = tools_.repository.config().fixed_piece_bytes;
  const ByteView data = slab_->bytes().subspan(span.begin, span.end - span.begin);
  const std::size_t to_border = (piece_bytes - open.position % piece_bytes) % piece_bytes;
  if (data.size() < to_border && !at_end) return {};
  const std::size_t lead = std::min(data.size(), to_border);
  lengths_.clear();
  chunk::cut_fixed(data.first(lead), piece_bytes, true, lengths_);
  chunk::cut_fixed(data.subspan(lead), piece_bytes, at_end, lengths_);
  std::size_t at = 0;
  for (const std::uint32_t length : lengths_) {
    const chunk::ChunkId id = tools_.repository.chunk_id(data.subspan(at, length));
    TRY(store_large(open, span, length, id));
    at += length;
  }
  return {};
}

Result<void> ContentReader::store_large(Open& open, Span& span, std::size_t length,
                                        const chunk::ChunkId& id) {
  const ByteView piece = slab_->bytes().subspan(span.begin, length);
  span.begin += length;
  span.searched = 0;
  span.hashed = span.begin;
  open.position += length;
  if (all_zero(piece))
    return open.content.add({.kind = ExtentKind::kZeros, .length = length, .id = {}});
  const chunk::ChunkRef ref{.id = id, .length = static_cast<std::uint32_t>(length)};
  if (tools_.session.claim(id)) {
    const bool large = length >= group_.large_bytes();
    if (large) slab_used_ = span.begin;
    const bool pushed = large ? tools_.encoders.push(repo::PackKind::kData, slab_, piece, {ref})
                              : group_.add(ref, piece);
    if (!pushed) return std::unexpected(stopped());
  }
  return open.content.add({.kind = ExtentKind::kChunk, .length = length, .id = id});
}

}  // namespace backstay::engine::backup_stages
