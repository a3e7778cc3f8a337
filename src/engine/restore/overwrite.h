// What becomes of an entry when something stands in its place already.
#pragma once

#include <optional>

#include "engine/restore.h"
#include "source/target_tree.h"

namespace backstay::engine::restoring {

enum class Action : std::uint8_t {
  kWrite,   // make it anew, in place of whatever is there
  kUpdate,  // a regular file that is there: compare its bytes, write what differs
  kKeep,    // what is there counts as equal: only its attributes are set
  kSame,    // what is there is equal, and shared with other names: not touched at all
  kLeave,   // what is there stays as it is, by the overwrite rule
  kFolderInTheWay,
};

// `entry` is no folder. Existing files with several hard links are never written to: a name of
// theirs may stand outside of the target.
[[nodiscard]] Action choose_action(const snapshot::Entry& entry,
                                   const std::optional<source::ExistingEntry>& existing,
                                   const RestoreOptions& options);

}  // namespace backstay::engine::restoring
