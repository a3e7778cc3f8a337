#include "engine/restore/extra_walk.h"

#include <fmt/format.h>

#include <utility>

#include "base/try.h"
#include "engine/restore/leftovers.h"

namespace backstay::engine::restoring {

using snapshot::EntryType;

bool ExtraWalk::run(const FolderNodePtr& folder, const std::string& name) {
  bool gone = visit(folder, name);
  while (!levels_.empty()) {
    Level& level = levels_.back();
    if (!level.names.empty() && !site_.outcome.ending()) {
      const std::string next = std::move(level.names.back());
      level.names.pop_back();
      const std::size_t depth = levels_.size();
      const FolderNodePtr node = level.node;
      const bool next_gone = visit(node, next);
      // A folder that was entered tells when it is left.
      if (levels_.size() == depth && !next_gone) levels_.back().empty = false;
      continue;
    }
    const Level done = std::move(level);
    levels_.pop_back();
    gone = done.empty && !site_.outcome.ending();
    if (gone) {
      done.node->keep_attributes();
      gone = visitor_.extra(done.parent, done.name, EntryType::kDirectory);
    }
    if (!gone && !levels_.empty()) levels_.back().empty = false;
  }
  return gone;
}

bool ExtraWalk::visit(const FolderNodePtr& folder, const std::string& name) {
  const Result<bool> gone = try_visit(folder, name);
  if (gone) return *gone;
  site_.outcome.trouble(folder->path_of(name), gone.error().clone().with_context("deleting it"));
  return false;
}

Result<bool> ExtraWalk::try_visit(const FolderNodePtr& folder, const std::string& name) {
  const std::string path = folder->path_of(name);
  if (!rule_.is_selected(path)) return false;
  const auto existing = TRY(site_.target->look(folder->folder(), name));
  if (!existing) return true;
  if (is_kept(path, *existing) || !rule_.may_delete(path, existing->entry)) return false;
  if (is_leftover_to_keep(folder, name)) return false;
  if (rule_.may_have_been_too_large(existing->entry)) {
    site_.outcome.note(path +
                       " is not deleted: it changed since the backup, which left out large files, "
                       "and may have been one");
    return false;
  }
  if (existing->entry.type == EntryType::kDirectory) return enter(folder, name, *existing);
  return visitor_.extra(folder, name, existing->entry.type);
}

bool ExtraWalk::is_kept(const std::string& path, const source::ExistingEntry& existing) {
  switch (kept_.part_of(existing.device, existing.entry.inode)) {
    case KeptPlaces::Part::kNone:
      return false;
    case KeptPlaces::Part::kItself:
      site_.outcome.note(path + " is not deleted: it is the repository or the cache");
      return true;
    case KeptPlaces::Part::kOnTheWay:
      site_.outcome.note(path + " is not deleted: it leads to the repository or to the cache");
      return true;
  }
  return true;
}

// Files that another restore is writing, and the only copies of what killed ones were changing. Of
// those in the folders of the snapshot the restore has told already.
bool ExtraWalk::is_leftover_to_keep(const FolderNodePtr& folder, const std::string& name) {
  const std::optional<Leftover> leftover = find_leftover(site_, folder->folder(), name);
  if (!leftover || leftover->fate == Leftover::Fate::kGoes) return false;
  if (!levels_.empty()) {
    site_.outcome.note(fmt::format(
        "{} is not deleted: {}", folder->path_of(name),
        leftover->why.empty() ? "it is a file that a killed restore was changing" : leftover->why));
  }
  return true;
}

Result<bool> ExtraWalk::enter(const FolderNodePtr& folder, const std::string& name,
                              const source::ExistingEntry& existing) {
  Result<FolderNodePtr> entered = visitor_.enter_extra(folder, name, existing.entry);
  // Where even its owner is not let in, the removal itself tells why.
  if (!entered && entered.error().code() == ErrorCode::kPermissionDenied)
    return visitor_.extra(folder, name, EntryType::kDirectory);
  FolderNodePtr node = TRY(std::move(entered));
  if (node == nullptr) return true;
  if (TRY(is_mounted_in(site_, *folder, *node))) {
    node->keep_attributes();
    site_.outcome.note(node->path() + " is not deleted: it is another file system");
    return false;
  }
  levels_.push_back({.parent = folder,
                     .name = name,
                     .node = node,
                     .names = TRY(site_.target->names(node->folder())),
                     .empty = true});
  return false;
}

Result<bool> is_mounted_in(const Site& site, const FolderNode& above, const FolderNode& folder) {
  const source::FolderPlace outer = TRY(site.target->place_of(above.folder()));
  const source::FolderPlace inner = TRY(site.target->place_of(folder.folder()));
  return inner.is_mount_root || inner.device != outer.device;
}

}  // namespace backstay::engine::restoring
