// Where file systems are mounted.
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace backstay::watch {

// Of the lines of /proc/self/mountinfo (proc(5)), in their order.
[[nodiscard]] std::vector<std::string> mounted_folders(std::string_view mountinfo);

}  // namespace backstay::watch
