// Folders that stand above the paths of a snapshot and that the other program kept nothing of.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "base/clock.h"
#include "source/source.h"

namespace backstay::foreign {

// Folders of root's that anybody may enter, as old as the snapshot, for all keys from the root (not
// included) down to the parent of `key` that are not within `last`, the key that was given before
// in ascending order.
[[nodiscard]] std::vector<source::SourceItem> folders_between(std::string_view last,
                                                              std::string_view key, Timestamp when);

}  // namespace backstay::foreign
