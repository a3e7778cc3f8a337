#include "watch/change_set.h"

#include <utility>

namespace backstay::watch {

void ChangeSet::add_entry(std::string path) {
  if (anything()) return;
  entries_.insert(std::move(path));
  stay_bounded();
}

void ChangeSet::add_tree(std::string path) {
  if (anything()) return;
  trees_.insert(std::move(path));
  stay_bounded();
}

void ChangeSet::lose_track(std::string why) {
  if (anything()) return;
  why_ = std::move(why);
  entries_.clear();
  trees_.clear();
}

void ChangeSet::merge(ChangeSet&& other) {
  if (other.anything()) lose_track(std::move(other.why_));
  if (anything()) return;
  entries_.merge(other.entries_);
  trees_.merge(other.trees_);
  stay_bounded();
}

bool ChangeSet::covers(const std::string& path) const {
  if (anything() || entries_.contains(path)) return true;
  for (std::string above = path;; above = folder_of(above)) {
    if (trees_.contains(above)) return true;
    if (above == "/") return false;
  }
}

void ChangeSet::stay_bounded() {
  if (entries_.size() + trees_.size() > kNamesMax) lose_track("more changed than is worth listing");
}

bool is_within(const std::string& path, const std::string& folder) {
  if (folder == "/") return true;
  return path.starts_with(folder) && (path.size() == folder.size() || path[folder.size()] == '/');
}

std::string folder_of(const std::string& path) {
  const std::size_t slash = path.rfind('/');
  return slash == 0 || slash == std::string::npos ? "/" : path.substr(0, slash);
}

std::string path_in(const std::string& folder, const std::string& name) {
  return folder == "/" ? "/" + name : folder + "/" + name;
}

}  // namespace backstay::watch
