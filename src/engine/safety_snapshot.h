// Snapshots of what a restore was going to change.
#pragma once

#include <string>
#include <string_view>

#include "snapshot/snapshot.h"

namespace backstay::engine {

inline constexpr std::string_view kSafetyTag = "safety";
// "before restore 0123456789abcdef"
[[nodiscard]] std::string safety_description(std::string_view restore_id);

// They hold a part of what was there, so they never stand for a source: `latest` and times do not
// mean them, nothing is compared with them, and rules of retention do not count them. Known by tag
// and description, which copies keep; who takes the tag away makes it a snapshot like others.
[[nodiscard]] bool is_safety_snapshot(const snapshot::Snapshot& snapshot);

}  // namespace backstay::engine
