// Paths as people give them, as what a snapshot is of.
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace backstay::snapshot {

// Each as clean_path() makes it; sorted, and each once.
[[nodiscard]] std::vector<std::string> clean_paths(std::vector<std::string> paths,
                                                   std::string_view current_directory);

}  // namespace backstay::snapshot
