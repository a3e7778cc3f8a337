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
    for (const PieceSpan pieces : needed) {
      FileJob& job = *pieces.front().job;
      if (job.is_whole) {
        write_whole(pieces, from);
        continue;
      }
      for (const Piece& piece : pieces) {
        write(piece, from);
        worker_.finish_piece(job);
      }
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

  void write(const Piece& piece, const From& from) {
    FileJob& job = *piece.job;
    if (job.failed || site_.outcome.ending()) return;
    Bytes kept;
    const Result<ByteView> bytes = bytes_of(piece, from, kept);
    const Result<void> written = bytes ? worker_.write(job, piece.file_offset, *bytes)
                                       : Result<void>(std::unexpected(bytes.error().clone()));
    if (!written) job.fail(written.error());
  }

  Site& site_;
  FileWorker& worker_;
};

}  // namespace

void run_frame_task(const FrameTask& task, Site& site, FileWorker& worker) {
  FrameRun(site, worker).run(task);
}

}  // namespace backstay::engine::restoring
