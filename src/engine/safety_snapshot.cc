#include "engine/safety_snapshot.h"

#include <algorithm>

namespace backstay::engine {
namespace {

constexpr std::string_view kDescribed = "before restore ";

}  // namespace

std::string safety_description(std::string_view restore_id) {
  return std::string(kDescribed).append(restore_id);
}

bool is_safety_snapshot(const snapshot::Snapshot& snapshot) {
  return snapshot.description.starts_with(kDescribed) &&
         std::ranges::find(snapshot.tags, kSafetyTag) != snapshot.tags.end();
}

}  // namespace backstay::engine
