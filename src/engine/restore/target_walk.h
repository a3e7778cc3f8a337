// The selected part of a snapshot beside what stands in the target: the common path of planning,
// restoring and verifying, which are its visitors.
#pragma once

#include <optional>
#include <string>

#include "engine/restore/folder_node.h"
#include "engine/restore/overwrite.h"

namespace backstay::engine::restoring {

// An entry that is no folder, with its place in the target.
struct FileVisit {
  FolderNodePtr folder;
  std::string name;
  snapshot::Entry entry;
  Action action = Action::kWrite;
  std::uint64_t existing_bytes = 0;   // size of a regular file that stands there
  bool name_is_free = false;          // when the walk looked
  bool attributes_are_right = false;  // of what stands there
};

class Visitor {
 public:
  virtual ~Visitor() = default;

  struct FolderVisit {
    FolderNodePtr parent;
    std::string name;
    std::optional<snapshot::Entry> entry;  // absent when the snapshot lost it
    std::optional<snapshot::EntryType> existing;
  };
  // The target folder itself stands for a folder of the snapshot, which has this entry.
  virtual void target(FolderNode& node, const snapshot::Entry& entry) = 0;
  // There is such a folder, also where its entry is not for the target: the root of a snapshot.
  virtual void count_target() = 0;
  // The node for a folder that is entered. A failure is reported and leaves out what is inside.
  virtual Result<FolderNodePtr> folder(FolderVisit visit) = 0;
  // A failure ends the walk; trouble with the file itself goes to the outcome.
  virtual Result<void> file(FileVisit visit) = 0;
  // Whether the walk is to look for what the snapshot does not have; only with delete_extra.
  [[nodiscard]] virtual bool wants_extras() const = 0;
  // A name that stands in the target and is not in the snapshot: a folder is empty by now. False
  // when it stays.
  virtual bool extra(const FolderNodePtr& folder, const std::string& name,
                     snapshot::EntryType type) = 0;
  // The node for a folder that is not in the snapshot; null when there is none any more.
  virtual Result<FolderNodePtr> enter_extra(const FolderNodePtr& parent, const std::string& name,
                                            const snapshot::Entry& existing) = 0;
  // An empty folder of the target that has to go for the file to be made.
  virtual Result<void> clear_folder(const FolderNodePtr& folder, const std::string& name) = 0;
};

// `damage` gets what of the tree cannot be read, or nothing (when it was reported before).
enum class TreeDamage : std::uint8_t { kReport, kIgnore };
Result<void> walk_target(Site& site, Visitor& visitor, TreeDamage damage);

}  // namespace backstay::engine::restoring
