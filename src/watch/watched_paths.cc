#include "watch/watched_paths.h"

#include <algorithm>
#include <utility>

namespace backstay::watch {

WatchedPaths::WatchedPaths(std::vector<std::string> given, LeavesOut leaves_out)
    : given_(std::move(given)), leaves_out_(std::move(leaves_out)) {}

bool WatchedPaths::counts(const std::string& path) const {
  const bool inside =
      std::ranges::any_of(given_, [&](const std::string& one) { return is_within(path, one); });
  if (!inside || !leaves_out_) return inside;
  for (std::string above = path; above != "/"; above = folder_of(above)) {
    const bool below_given =
        std::ranges::any_of(given_, [&](const std::string& one) { return is_within(above, one); });
    if (!below_given) return true;
    if (leaves_out_(above)) return false;
  }
  return true;
}

}  // namespace backstay::watch
