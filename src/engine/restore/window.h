// The part of the tree that is being gathered before anything of it is read.
#pragma once

#include <memory>
#include <variant>
#include <vector>

#include "engine/restore/frame_task.h"
#include "engine/restore/workers.h"

namespace backstay::engine::restoring {

// What needs no frame: files without bytes, special files, attributes alone, links.
struct LooseJob {
  FileJobPtr file;     // null for a link
  LinkGroupPtr group;  // of a link
  LinkMember member;
};

struct ZeroJob {
  FileJobPtr file;
  ZeroRange range;
};

// Sorts by place in the repository, so that every frame is read once a window and packs are read
// from front to back; packs go in the order in which the walk first met them. Used by the walk's
// thread alone.
class Window {
 public:
  Window(Site& site, FileWorker& worker, Workers& workers)
      : site_(site), worker_(worker), workers_(workers) {}

  void add(const repo::FrameLocation& frame, Piece piece);
  void add(ZeroJob zeros);
  void add(LooseJob job);
  // Counts what the entry of a file takes until the window is handed over.
  void count(const snapshot::Entry& entry);

  [[nodiscard]] bool is_full() const;
  // Hands everything to the workers; waits while they have much to do still.
  void hand_over();

 private:
  struct Placed {
    repo::FrameLocation frame;
    Piece piece;
    std::uint64_t pack_order = 0;  // number of the first job that needs the pack
  };
  void hand_over_frames();
  void sort_by_place();
  void hand_over_zeros();
  void hand_over_loose();

  Site& site_;
  FileWorker& worker_;
  Workers& workers_;
  std::vector<Placed> placed_;
  std::vector<ZeroJob> zeros_;
  std::vector<LooseJob> loose_;
  std::size_t files_ = 0;
  std::size_t entry_bytes_ = 0;
};

}  // namespace backstay::engine::restoring
