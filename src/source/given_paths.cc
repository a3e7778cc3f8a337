#include "source/given_paths.h"

#include <algorithm>

#include "snapshot/tree_key.h"

namespace backstay::source {

GivenPaths::GivenPaths(const std::vector<std::string>& paths) {
  keys_.reserve(paths.size());
  for (const std::string& path : paths) {
    keys_.push_back(snapshot::key_from_path(path));
    longest_ = std::max(longest_, keys_.back().size());
  }
  std::sort(keys_.begin(), keys_.end());
  keys_.erase(std::unique(keys_.begin(), keys_.end()), keys_.end());
}

GivenPaths::Range GivenPaths::within(Range range, std::string_view key) const {
  if (range.empty() || key.empty()) return range;
  const auto at = [&](std::size_t index) {
    return keys_.begin() + static_cast<std::ptrdiff_t>(index);
  };
  const auto first = std::lower_bound(at(range.begin), at(range.end), key);
  const auto last = std::lower_bound(first, at(range.end), snapshot::key_after_subtree(key));
  return {static_cast<std::size_t>(first - keys_.begin()),
          static_cast<std::size_t>(last - keys_.begin())};
}

bool GivenPaths::contains(Range range, std::string_view key) const {
  const Range inside = within(range, key);
  return !inside.empty() && keys_[inside.begin] == key;
}

GivenPaths::Range GivenPaths::below(Range range, std::string_view key) const {
  Range inside = within(range, key);
  if (!inside.empty() && keys_[inside.begin] == key) ++inside.begin;
  return inside;
}

std::vector<std::string_view> GivenPaths::names_below(Range range, std::string_view key) const {
  std::vector<std::string_view> names;
  const std::size_t skip = key.empty() ? 0 : key.size() + 1;
  for (std::size_t index = range.begin; index < range.end; ++index) {
    const std::string_view rest = std::string_view(keys_[index]).substr(skip);
    const std::string_view name = rest.substr(0, rest.find('\0'));
    if (names.empty() || names.back() != name) names.push_back(name);
  }
  return names;
}

bool GivenPaths::is_only_above(std::string_view key) const {
  if (key.size() >= longest_ || below(all(), key).empty()) return false;
  for (std::string_view part = key;; part = snapshot::parent_of_key(part)) {
    if (std::binary_search(keys_.begin(), keys_.end(), part)) return false;
    if (part.empty()) return true;
  }
}

}  // namespace backstay::source
