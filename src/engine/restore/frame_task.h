// One frame of the repository and everything in the window that is made from it.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "engine/restore/file_job.h"
#include "repo/location.h"

namespace backstay::engine::restoring {

// A chunk of a file that is in the frame.
struct Piece {
  FileJobPtr job;
  std::uint64_t file_offset = 0;
  chunk::ChunkRef chunk;
  std::uint32_t offset_in_frame = 0;
};

struct FrameTask {
  repo::FrameLocation frame;
  std::vector<Piece> pieces;  // by job, then by file offset
};

// Compares what exists, then fetches the frame if anything is still needed, and writes. Every piece
// is finished afterwards, written or not.
void run_frame_task(const FrameTask& task, Site& site, FileWorker& worker);

}  // namespace backstay::engine::restoring
