// A file on its way into the target, from the moment the walk meets it until it stands under its
// name, or has failed.
//
// Files are written without a name or under a temporary one and get theirs when they are whole, so
// a name of the snapshot never shows half a file, whatever happens, and what stood there before
// stays until then. Without a name is the cheaper way (36 instead of 62 microseconds of a small
// file on ext4) and leaves nothing behind, but cannot replace anything.
//
// Of a file that exists already, chunks that it has are taken from it and not from the repository;
// where the file system can share bytes between files, the new one begins as a clone of it.
//
// Only where there is no room for a second copy, the file that exists is changed itself, and for
// that it gets a temporary name that says what it was, so that no later run takes the mixture for
// either state. Should it not become whole, it gets its name back, with a modification time that no
// rule trusts, and is reported.
#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "base/clock.h"
#include "base/slab_pool.h"
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
  bool name_is_free = false;         // when the walk came by

  // A file whose chunks are all in one frame is written in one go by whoever decodes the frame.
  bool is_whole = false;
  std::vector<ZeroRange> zeros;  // of such a file
  // Any other is written in pieces by many; the last one to finish a piece finishes the file. One
  // more is counted while the walk still lists pieces.
  std::atomic<std::uint64_t> pieces_left{1};
  std::atomic<bool> failed{false};
  std::atomic<bool> changed{false};  // moved: other than it was

  // Of a file written in pieces, from begin() on.
  bool moved = false;                 // what has the temporary name is the file that was there
  bool has_old_bytes = false;         // ... or a clone of it: only what differs is written
  std::uint64_t allocated_bytes = 0;  // kUpdate: what it takes to write it anew
  std::uint64_t reserved_bytes = 0;   // of the free space, while it is written
  Timestamp existing_modified;        // moved: what it gets back if it was not changed

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
  // `spare_bytes` is what files may take for a time beside those that they replace.
  FileWorker(Site& site, std::uint64_t spare_bytes)
      : site_(site),
        spare_bytes_(spare_bytes),
        files_(site.limits.open_files),
        stages_(io::DirectFile::kStageBytes, site.limits.threads) {}

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
  // Of a file that begin() made: these bytes will be written.
  Result<void> reserve(FileJob& job, std::uint64_t offset, std::uint64_t length);
  Result<void> write(FileJob& job, std::uint64_t offset, ByteView bytes);
  Result<void> write_zeros(FileJob& job, const ZeroRange& range);
  // True when these bytes need not come from the repository: the file that was there has them.
  Result<bool> reuse(FileJob& job, std::uint64_t offset, const chunk::ChunkRef& chunk);
  // True when the file that is there is as it should be, attributes aside.
  [[nodiscard]] bool is_right(const FileJob& job);
  void finish_piece(FileJob& job);

  // ---- any job that ended
  void complete(FileJob& job, bool was_written);
  void abandon(FileJob& job);

 private:
  // False when it cannot be done in this way here and now.
  Result<bool> write_unnamed(FileJob& job, std::span<const Segment> segments);
  Result<void> write_beside(FileJob& job, std::span<const Segment> segments);
  Result<void> fill(FileJob& job, int fd, std::span<const Segment> segments);
  void count_written(const FileJob& job, std::span<const Segment> segments);
  Result<void> write_at(const OpenFile& file, ByteView bytes, std::uint64_t offset);
  void finish_pieces(FileJob& job);
  Result<void> put_in_place(FileJob& job, int fd);
  // A new file under a temporary name, held against other restores.
  Result<io::Fd> create_temporary(FileJob& job, std::uint64_t size_bytes);
  Result<void> begin_update(FileJob& job);
  Result<void> move_aside(FileJob& job);
  Result<bool> has_room(int fd, FileJob& job);
  void put_back(FileJob& job);
  Result<void> rename(FileJob& job);
  using AttributesDone = Result<source::AttributeReport>;
  AttributesDone try_attributes(FileJob& job, int fd);
  void report(const FileJob& job, const AttributesDone& done);
  void set_attributes(FileJob& job, int fd) { report(job, try_attributes(job, fd)); }
  Result<bool> may_set_attributes(const FileJob& job);
  Result<bool> is_linked(const LinkGroup& group, const LinkMember& member);
  void make_link(LinkGroup& group, LinkGroup::State state, const LinkMember& member);
  void settle(FileJob& job, LinkGroup::State state);

  Site& site_;
  const std::uint64_t spare_bytes_;
  OpenFiles files_;
  std::atomic<std::uint64_t> reserved_bytes_{0};
  std::atomic<bool> unnamed_works_{true};
  SlabPool stages_;  // for writing past the page cache
};

}  // namespace backstay::engine::restoring
