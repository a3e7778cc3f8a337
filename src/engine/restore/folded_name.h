// Names as file systems compare them that do not tell capital letters from small ones.
#pragma once

#include <string>
#include <string_view>

namespace backstay::engine::restoring {

// Equal for two names that such a file system takes for one: letters of Latin, Greek and Cyrillic
// script count, as vfat, exfat, SMB and ext4 have it. Others stay as they are, and so do bytes that
// are no UTF-8; what is missed here, the file system itself refuses or replaces.
[[nodiscard]] std::string folded_name(std::string_view name);

}  // namespace backstay::engine::restoring
