// Which names of the target go with --delete.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "engine/left_out.h"
#include "engine/restore/site.h"

namespace backstay::engine::restoring {

// Deleting is for what the snapshot is known not to have. So these stay: what is not selected, or
// lies outside of the paths that were backed up; what the backup was told to leave out, or left out
// for its size; what it could not read.
class DeletionRule {
 public:
  explicit DeletionRule(const Site& site);
  // For what goes whatever the snapshot has.
  static DeletionRule everything(const Site& site) { return DeletionRule(site, All{}); }
  // For every name, or for none.
  [[nodiscard]] bool enabled() const { return enabled_; }
  // Whether the path is among those that the restore is about.
  [[nodiscard]] bool is_selected(const std::string& path) const;
  // Of a selected path.
  [[nodiscard]] bool may_delete(const std::string& path, const snapshot::Entry& existing) const;
  // Whether this may be a file that the backup left out for its size, which it does not have now.
  [[nodiscard]] bool may_have_been_too_large(const snapshot::Entry& existing) const;

 private:
  struct All {};
  DeletionRule(const Site& site, All)
      : options_(site.options), snapshot_(site.snapshot), enabled_(true), all_(true) {}

  [[nodiscard]] bool was_backed_up(const std::string& path) const;

  const RestoreOptions& options_;
  const snapshot::Snapshot& snapshot_;
  std::optional<LeftOut> left_out_;  // nothing: nothing is deleted, or everything is
  bool enabled_ = false;
  bool all_ = false;
};

// The names in one folder of the target, passed in the order in which the walk meets the names
// of the snapshot, which is the same.
class ExtraNames {
 public:
  ExtraNames() = default;
  explicit ExtraNames(std::vector<std::string> names);
  // The names before `name`, which the snapshot therefore does not have; `name` itself is passed.
  std::vector<std::string> up_to(std::string_view name);
  // All that are left.
  std::vector<std::string> rest();

 private:
  std::vector<std::string> names_;
  std::size_t next_ = 0;
};

}  // namespace backstay::engine::restoring
