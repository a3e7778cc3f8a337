#include "engine/restore/extras.h"

#include <algorithm>
#include <utility>

#include "snapshot/tree_key.h"

namespace backstay::engine::restoring {
namespace {

bool is_below(std::string_view path, std::string_view folder) {
  if (folder == "/") return path.size() > 1;
  return path.size() > folder.size() && path.starts_with(folder) && path[folder.size()] == '/';
}

}  // namespace

DeletionRule::DeletionRule(const Site& site)
    : options_(site.options), snapshot_(site.snapshot), enabled_(site.options.delete_extra) {
  if (!enabled_) return;
  if (snapshot_.stats.errors > snapshot_.errors.size()) {
    site.outcome.note(
        "nothing is deleted: the backup could not read some files, and which ones is not known");
    enabled_ = false;
  }
  for (const std::string& pattern : snapshot_.excludes) {
    if (left_out_.add(pattern, snapshot::Case::kInsensitive)) continue;
    site.outcome.note("nothing is deleted: the snapshot names a pattern that makes no sense");
    enabled_ = false;
  }
}

bool DeletionRule::is_selected(const std::string& path) const {
  if (!options_.includes.empty() && !options_.includes.matches(path)) return false;
  return !options_.excludes.matches(path) && was_backed_up(path);
}

bool DeletionRule::may_delete(const std::string& path, const snapshot::Entry& existing) const {
  return !was_left_out(path, existing) && !was_unreadable(path);
}

bool DeletionRule::was_left_out(const std::string& path, const snapshot::Entry& existing) const {
  const std::uint64_t limit = snapshot_.larger_left_out;
  if (limit > 0 && existing.type == snapshot::EntryType::kFile && existing.size_bytes > limit)
    return true;
  if (left_out_.matches(path)) return true;
  return std::ranges::any_of(snapshot_.places_left_out, [&](const std::string& place) {
    return place == path || is_below(path, place);
  });
}

bool DeletionRule::was_backed_up(const std::string& path) const {
  return std::ranges::any_of(snapshot_.paths,
                             [&](const std::string& root) { return is_below(path, root); });
}

bool DeletionRule::was_unreadable(const std::string& path) const {
  return std::ranges::any_of(snapshot_.errors, [&](const snapshot::SourceError& error) {
    return error.path == path || is_below(path, error.path) || is_below(error.path, path);
  });
}

ExtraNames::ExtraNames(std::vector<std::string> names) : names_(std::move(names)) {
  std::ranges::sort(names_);
}

std::vector<std::string> ExtraNames::up_to(std::string_view name) {
  std::vector<std::string> before;
  while (next_ < names_.size() && names_[next_] < name)
    before.push_back(std::move(names_[next_++]));
  if (next_ < names_.size() && names_[next_] == name) ++next_;
  return before;
}

std::vector<std::string> ExtraNames::rest() {
  std::vector<std::string> rest(
      std::make_move_iterator(names_.begin() + static_cast<std::ptrdiff_t>(next_)),
      std::make_move_iterator(names_.end()));
  names_.clear();
  next_ = 0;
  return rest;
}

}  // namespace backstay::engine::restoring
