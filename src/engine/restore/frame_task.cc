#include "engine/restore/frame_task.h"

#include <algorithm>
#include <utility>

#include "base/try.h"

namespace backstay::engine::restoring {
namespace {

using PieceSpan = std::span<const Piece>;

class FrameRun {
 public:
  FrameRun(Site& site, FileWorker& worker) : site_(site), worker_(worker) {}

  void run(const FrameTask& task) {
    std::vector<PieceSpan> needed = drop_what_is_there(task.pieces);
    if (needed.empty()) return;
    const Result<repo::FrameData> frame = site_.repository.read_frame(task.frame);
    const From from{.location = task.frame, .frame = frame};
    for (std::span<const PieceSpan> rest = needed; !rest.empty();) {
      FileJob& job = *rest.front().front().job;
      if (job.is_whole) {
        write_whole(rest.front(), from);
        rest = rest.subspan(1);
        continue;
      }
      const std::size_t written = write_together(rest, from);
      for (std::size_t i = 0; i < written; ++i) worker_.finish_piece(job);
      rest = rest.subspan(written);
    }
  }

 private:
  struct From {
    const repo::FrameLocation& location;
    const Result<repo::FrameData>& frame;
  };

  // As Repository::chunk_of().
  Result<ByteView> bytes_of(const Piece& piece, const From& from, Bytes& kept) {
    const repo::ChunkLocation at{.frame = from.location, .offset_in_frame = piece.offset_in_frame};
    return site_.repository.chunk_of(from.frame, at, piece.chunk, kept);
  }

  // The pieces that need the frame: all of a file that is written in one go, or one by one. All
  // others are finished here.
  std::vector<PieceSpan> drop_what_is_there(PieceSpan pieces) {
    std::vector<PieceSpan> needed;
    while (!pieces.empty()) {
      FileJob& job = *pieces.front().job;
      const auto end =
          std::ranges::find_if(pieces, [&](const Piece& piece) { return piece.job.get() != &job; });
      const PieceSpan of_job = pieces.first(static_cast<std::size_t>(end - pieces.begin()));
      pieces = pieces.subspan(of_job.size());
      if (job.is_whole) {
        if (needs_writing(of_job)) needed.push_back(of_job);
        continue;
      }
      for (const Piece& piece : of_job) {
        if (is_needed(piece)) {
          needed.emplace_back(&piece, 1U);
        } else {
          worker_.finish_piece(job);
        }
      }
    }
    return needed;
  }

  // Of a file that is written in one go.
  bool needs_writing(PieceSpan pieces) {
    FileJob& job = *pieces.front().job;
    if (site_.outcome.ending()) {
      worker_.abandon(job);
      return false;
    }
    if (!worker_.is_right(job)) return true;
    worker_.keep(job);
    return false;
  }

  // Of a file that is written in pieces.
  bool is_needed(const Piece& piece) {
    FileJob& job = *piece.job;
    if (job.failed || site_.outcome.ending()) return false;
    const Result<bool> has = worker_.reuse(job, piece.file_offset, piece.chunk);
    if (!has) job.fail(has.error());
    return has && !*has;
  }

  void write_whole(PieceSpan pieces, const From& from) {
    FileJob& job = *pieces.front().job;
    std::vector<Segment> segments;
    segments.reserve(pieces.size());
    std::vector<Bytes> kept(pieces.size());
    for (std::size_t i = 0; i < pieces.size(); ++i) {
      const Result<ByteView> bytes = bytes_of(pieces[i], from, kept[i]);
      if (!bytes) {
        job.fail(bytes.error());
        return worker_.abandon(job);
      }
      segments.push_back({.offset = pieces[i].file_offset, .bytes = *bytes});
    }
    worker_.write_whole(job, segments);
  }

  static bool follows(const Piece& piece, const Piece& first, std::size_t bytes) {
    return piece.job == first.job && piece.file_offset == first.file_offset + bytes &&
           piece.offset_in_frame == first.offset_in_frame + bytes;
  }

  // The first of these pieces, and with it those that follow it in the file as they do in the
  // frame: a write costs much, however small it is. Returns how many that were.
  std::size_t write_together(std::span<const PieceSpan> pieces, const From& from) {
    const Piece& first = pieces.front().front();
    FileJob& job = *first.job;
    if (job.failed || site_.outcome.ending()) return 1;
    Bytes kept;
    Result<ByteView> bytes = bytes_of(first, from, kept);
    std::size_t together = 1;
    while (bytes && together < pieces.size()) {
      const Piece& next = pieces[together].front();
      if (!follows(next, first, bytes->size())) break;
      Bytes from_elsewhere;
      const Result<ByteView> more = bytes_of(next, from, from_elsewhere);
      if (!more || more->data() != bytes->data() + bytes->size()) break;
      bytes = ByteView(bytes->data(), bytes->size() + more->size());
      ++together;
    }
    const Result<void> written = bytes ? worker_.write(job, first.file_offset, *bytes)
                                       : Result<void>(std::unexpected(bytes.error().clone()));
    if (!written) job.fail(written.error());
    return together;
  }

  Site& site_;
  FileWorker& worker_;
};

}  // namespace

void run_frame_task(const FrameTask& task, Site& site, FileWorker& worker) {
  FrameRun(site, worker).run(task);
}

}  // namespace backstay::engine::restoring
