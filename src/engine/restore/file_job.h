// A file on its way into the target, from the moment the walk meets it until it stands under its
// name, or has failed.
//
// New files are written under a temporary name and renamed when they are whole, so a name of the
// snapshot never shows half a file, whatever happens. Only large files that exist already are
// written to in place; those are reported by name when they end up between two states.
#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "chunk/chunk.h"
#include "engine/restore/file_bytes.h"
#include "engine/restore/folder_node.h"
#include "engine/restore/link_groups.h"
#include "engine/restore/open_files.h"
#include "engine/restore/overwrite.h"

namespace backstay::engine::restoring {

struct FileJob {
  FolderNodePtr folder;
  std::string name;
  snapshot::Entry entry;
  Action action = Action::kWrite;
  LinkGroupPtr group;                // whose holder this file is; null for a file with one name
  std::string temporary;             // what it is called until it is whole; empty: its own name
  std::uint64_t number = 0;          // in walk order
  std::uint64_t existing_bytes = 0;  // kUpdate: the size of the file that is there

  // A file whose chunks are all in one frame is written in one go by whoever decodes the frame.
  bool is_whole = false;
  std::vector<ZeroRange> zeros;  // of such a file
  // Any other is written in pieces by many; the last one to finish a piece finishes the file. One
  // more is counted while the walk still lists pieces.
  std::atomic<std::uint64_t> pieces_left{1};
  std::atomic<bool> failed{false};
  std::atomic<bool> changed{false};  // in place: other than it was

  [[nodiscard]] bool in_place() const { return action == Action::kUpdate && !is_whole; }
  [[nodiscard]] const std::string& name_now() const { return temporary.empty() ? name : temporary; }
  [[nodiscard]] std::string path() const { return folder->path_of(name); }

  // Reports the first failure; pieces that come later are skipped.
  void fail(const Error& error);
};
using FileJobPtr = std::shared_ptr<FileJob>;

// A run of a file and its bytes.
struct Segment {
  std::uint64_t offset = 0;
  ByteView bytes;
};

// What is done with jobs, on any thread. Failures go to the outcome.
class FileWorker {
 public:
  explicit FileWorker(Site& site) : site_(site), files_(site.limits.open_files) {}

  // ---- files written in one go
  void write_whole(FileJob& job, std::span<const Segment> segments);
  // Sets the attributes of a file whose bytes are right already.
  void keep(FileJob& job);
  // Symbolic links, FIFOs, sockets and devices.
  void make_special(FileJob& job);
  // Makes the link, or leaves that to whoever finishes the holder.
  void link(LinkGroup& group, LinkMember member);

  // ---- files written in pieces
  // Makes or opens the file.
  Result<void> begin(FileJob& job);
  Result<void> write(FileJob& job, std::uint64_t offset, ByteView bytes);
  Result<void> write_zeros(FileJob& job, const ZeroRange& range);
  // True when the file that is updated has these bytes already.
  Result<bool> has_chunk(FileJob& job, std::uint64_t offset, const chunk::ChunkRef& chunk);
  void finish_piece(FileJob& job);

  // ---- any job that ended
  void complete(FileJob& job, bool was_written);
  void abandon(FileJob& job);

 private:
  Result<void> fill(FileJob& job, int fd, std::span<const Segment> segments);
  void finish_pieces(FileJob& job);
  Result<void> put_in_place(FileJob& job, int fd);
  Result<void> rename(FileJob& job);
  void set_attributes(FileJob& job, int fd);
  void make_link(LinkGroup& group, LinkGroup::State state, const LinkMember& member);
  void settle(FileJob& job, LinkGroup::State state);

  Site& site_;
  OpenFiles files_;
};

}  // namespace backstay::engine::restoring
