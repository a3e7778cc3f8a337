// What stands in the target and is not in the snapshot, looked at one by one before it goes.
//
// A folder goes last, and only when everything in it went: what is kept by a rule somewhere inside
// keeps the folders above it. Dry runs walk the same way.
#pragma once

#include <string>
#include <vector>

#include "engine/restore/extras.h"
#include "engine/restore/kept_places.h"
#include "engine/restore/target_walk.h"

namespace backstay::engine::restoring {

class ExtraWalk {
 public:
  ExtraWalk(Site& site, const DeletionRule& rule, const KeptPlaces& kept, Visitor& visitor)
      : site_(site), rule_(rule), kept_(kept), visitor_(visitor) {}

  // True when nothing is left under this name.
  bool run(const FolderNodePtr& folder, const std::string& name);

 private:
  struct Level {
    FolderNodePtr parent;
    std::string name;
    FolderNodePtr node;
    std::vector<std::string> names;  // still to be looked at
    bool empty = true;
  };

  // Looks at a name: deletes it, keeps it, or enters it when it is a folder. True when it is gone.
  bool visit(const FolderNodePtr& folder, const std::string& name);
  Result<bool> try_visit(const FolderNodePtr& folder, const std::string& name);
  bool is_leftover_to_keep(const FolderNodePtr& folder, const std::string& name);
  bool is_kept(const std::string& path, const source::ExistingEntry& existing);
  Result<bool> enter(const FolderNodePtr& folder, const std::string& name,
                     const source::ExistingEntry& existing);

  Site& site_;
  const DeletionRule& rule_;
  const KeptPlaces& kept_;
  Visitor& visitor_;
  std::vector<Level> levels_;
};

// True for a folder of the target on which another file system begins.
Result<bool> is_mounted_in(const Site& site, const FolderNode& above, const FolderNode& folder);

}  // namespace backstay::engine::restoring
