// The selected part of a snapshot's tree, in order.
#pragma once

#include <functional>
#include <optional>
#include <string>

#include "base/error.h"
#include "engine/restore.h"
#include "snapshot/tree.h"

namespace backstay::engine::restoring {

enum class Choice : std::uint8_t {
  kTake,   // restored
  kPass,   // a folder that is not selected itself, but something below it may be
  kLeave,  // not restored, nor is anything below it; given all the same, because --delete must know
           // which names the snapshot has
};

struct WalkItem {
  std::string key;
  snapshot::Entry entry;
  Choice choice = Choice::kTake;
};

// Pages that cannot be read are reported and stepped over; so is what a tree never holds, such as
// something below a file. Folders above an item may be missing when their page was damaged.
class SelectedWalk {
 public:
  using Report = std::function<void(const std::string& path, const Error& error)>;

  // not_found when the snapshot has nothing under the subpath.
  static Result<SelectedWalk> open(chunk::ChunkReader& pages, const snapshot::Snapshot& snapshot,
                                   const RestoreOptions& options, Report report);

  // The entry under the subpath; nothing for the whole snapshot. It is not given by next() when it
  // is a folder, and is the only thing given when it is none.
  [[nodiscard]] const std::optional<snapshot::Entry>& root_entry() const { return root_entry_; }
  // What is inside this folder goes straight into the target.
  [[nodiscard]] const std::string& base_key() const { return base_key_; }
  [[nodiscard]] Choice root_choice() const { return root_choice_; }

  Result<std::optional<WalkItem>> next();
  // Leaves out what is below `key`.
  Result<void> skip_below(std::string_view key);
  // True when pages could not be read: names may be missing that the snapshot has.
  [[nodiscard]] bool damaged() const { return damaged_; }
  // True once the folder was met whose content goes straight into the target, if it is selected.
  [[nodiscard]] bool met_root() const { return met_root_; }

 private:
  SelectedWalk(chunk::ChunkReader& pages, const snapshot::TreeRoot& root,
               const RestoreOptions& options, Report report)
      : cursor_(pages, root), options_(options), report_(std::move(report)) {}
  Result<std::optional<snapshot::TreeItem>> next_readable();
  Result<void> go_to(std::string_view key);
  [[nodiscard]] Choice choose(const std::string& path, bool is_folder) const;
  [[nodiscard]] bool is_left_out(const std::string& path, bool is_folder) const;

  snapshot::TreeCursor cursor_;
  const RestoreOptions& options_;
  Report report_;
  std::string root_key_;
  std::string base_key_;
  std::optional<snapshot::Entry> root_entry_;
  Choice root_choice_ = Choice::kTake;
  std::optional<std::string> last_file_key_;  // nothing can be below it
  bool damaged_ = false;
  bool met_root_ = false;
  bool finished_ = false;
};

}  // namespace backstay::engine::restoring
