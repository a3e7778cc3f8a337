#include "snapshot/clean_paths.h"

#include <algorithm>

#include "snapshot/tree_key.h"

namespace backstay::snapshot {

std::vector<std::string> clean_paths(std::vector<std::string> paths,
                                     std::string_view current_directory) {
  for (std::string& path : paths) path = clean_path(path, current_directory);
  std::ranges::sort(paths);
  const auto repeated = std::ranges::unique(paths);
  paths.erase(repeated.begin(), repeated.end());
  return paths;
}

}  // namespace backstay::snapshot
