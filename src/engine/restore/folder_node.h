// A folder of the target while a restore works inside it.
//
// Whoever still has something to do in a folder holds its node: the walk while it is inside, each
// file that is not finished, each folder below. When the last holder lets go, everything inside is
// done, and only then the folder gets its attributes (a file made later would change its times, and
// its mode may forbid it). This needs no barrier between windows and no list of folders.
#pragma once

#include <memory>
#include <optional>
#include <string>

#include "engine/restore/site.h"
#include "snapshot/entry.h"

namespace backstay::engine::restoring {

class FolderNode;
using FolderNodePtr = std::shared_ptr<FolderNode>;

class FolderNode {
 public:
  // The target folder itself. `path` is what the snapshot calls it: "" for the root, else "/etc".
  FolderNode(Site& site, source::TargetFolderPtr folder, std::string path);
  FolderNode(FolderNodePtr parent, std::string name, source::TargetFolderPtr folder);
  ~FolderNode();
  FolderNode(const FolderNode&) = delete;
  FolderNode& operator=(const FolderNode&) = delete;

  // What the folder gets at the end; without it, it keeps what it has.
  void set_attributes_at_end(snapshot::Entry entry) { attributes_ = std::move(entry); }
  void keep_attributes() { attributes_.reset(); }
  // True when nothing was there before, so that nothing needs to be looked for inside.
  void mark_new() { is_new_ = true; }
  [[nodiscard]] bool is_new() const { return is_new_; }
  [[nodiscard]] bool is_target() const { return parent_ == nullptr; }

  // Null when there is no such folder in the target (plans only).
  [[nodiscard]] const source::TargetFolderPtr& folder() const { return folder_; }
  [[nodiscard]] Site& site() const { return site_; }
  // What stands in it is called this in the snapshot: "/etc/passwd".
  [[nodiscard]] std::string path_of(std::string_view name) const;
  [[nodiscard]] std::string path() const;
  // The same below the target: "/passwd" when /etc goes straight into it.
  [[nodiscard]] std::string place_of(std::string_view name) const;

 private:
  void finish();

  Site& site_;
  FolderNodePtr parent_;  // null for the target folder itself
  std::string name_;      // of the target folder itself: its path in the snapshot
  source::TargetFolderPtr folder_;
  std::optional<snapshot::Entry> attributes_;
  bool is_new_ = false;
};

}  // namespace backstay::engine::restoring
