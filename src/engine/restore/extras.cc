#include "engine/restore/extras.h"

#include <algorithm>
#include <utility>

#include "snapshot/tree_key.h"

namespace backstay::engine::restoring {
namespace {

// The clocks of the machine that made the backup and of the target's file system.
constexpr std::int64_t kClocksDifferSeconds = 3600;

// A path that is too long is recorded without its middle (docs/format.md section 7).
bool is_path_whole(const snapshot::SourceError& error) {
  return error.path.starts_with('/') && !snapshot::may_be_shortened(error.path);
}

}  // namespace

DeletionRule::DeletionRule(const Site& site)
    : options_(site.options), snapshot_(site.snapshot), enabled_(site.options.delete_extra) {
  if (!enabled_) return;
  if (!snapshot_.origin.empty() && !snapshot_.origin.starts_with("backstay:")) {
    site.outcome.note(
        "nothing is deleted: the snapshot was imported, and all that its backup left out is not "
        "known");
    enabled_ = false;
  }
  if (snapshot_.stats.errors > snapshot_.errors.size()) {
    site.outcome.note(
        "nothing is deleted: the backup could not read some files, and which ones is not known");
    enabled_ = false;
  }
  if (!std::ranges::all_of(snapshot_.errors, is_path_whole)) {
    site.outcome.note(
        "nothing is deleted: the backup could not read something whose path is not known in full");
    enabled_ = false;
  }
  if (auto left_out = LeftOut::of(snapshot_)) {
    left_out_ = *std::move(left_out);
  } else {
    site.outcome.note("nothing is deleted: the snapshot names a pattern that makes no sense");
    enabled_ = false;
  }
}

bool DeletionRule::is_selected(const std::string& path) const {
  if (all_) return true;
  if (!options_.includes.empty() && !options_.includes.matches(path)) return false;
  return !options_.excludes.matches(path) && was_backed_up(path);
}

bool DeletionRule::may_delete(const std::string& path, const snapshot::Entry& existing) const {
  if (all_) return true;
  return left_out_ && !left_out_->has(path, existing) && !left_out_->was_unreadable(path);
}

// A file that did not change since the backup began had the size that it has now.
bool DeletionRule::may_have_been_too_large(const snapshot::Entry& existing) const {
  if (all_ || snapshot_.larger_left_out == 0 || existing.type != snapshot::EntryType::kFile)
    return false;
  const Timestamp sure{snapshot_.started.seconds - kClocksDifferSeconds, 0};
  return existing.changed >= sure || existing.modified >= sure;
}

bool DeletionRule::was_backed_up(const std::string& path) const {
  return std::ranges::any_of(snapshot_.paths,
                             [&](const std::string& root) { return is_below(path, root); });
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
