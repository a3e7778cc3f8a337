// What a safety snapshot has, so that a restore changes nothing else.
//
// A file counts as saved while it has the inode, size, times and type that the snapshot recorded
// when it was read, and its inode was not changed so late that the clock of the file system could
// not tell. Sixteen bytes of each are in memory.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "base/clock.h"
#include "chunk/chunk.h"
#include "engine/restore/folder_node.h"
#include "snapshot/entry.h"
#include "snapshot/tree.h"

namespace backstay::engine::restoring {

class SavedStates {
 public:
  struct Source {
    snapshot::TreeRoot tree;
    std::string target;  // as the snapshot calls it
    Timestamp began;     // nothing that changed from then on is saved
    Timestamp ended;
  };
  static Result<SavedStates> read(chunk::ChunkReader& pages, const Source& source);

  [[nodiscard]] bool has(const std::string& place, const snapshot::Entry& existing) const;

 private:
  using State = std::pair<std::uint64_t, std::uint64_t>;
  void add(const std::string& place, const snapshot::Entry& entry, const Source& source);

  std::vector<State> states_;  // sorted
};

// Where a restore keeps what it changes: whether a name may be taken, replaced or deleted now.
// kFree and kSaved let it go on; conflict says that what stands there is not in the safety
// snapshot. kUnchecked: this restore keeps nothing.
enum class Stands : std::uint8_t { kUnchecked, kFree, kSaved };
Result<Stands> require_saved(const FolderNode& folder, const std::string& name);

}  // namespace backstay::engine::restoring
