#include "engine/restore/changes.h"

#include <algorithm>

#include "base/bytes.h"
#include "crypto/hash.h"

namespace backstay::engine::restoring {
namespace {

std::uint64_t short_digest(std::string_view place) {
  return load_le<std::uint64_t>(crypto::blake3(as_bytes(place)).bytes.data());
}

}  // namespace

void TargetChanges::touch(const std::string& place, Kind kind) {
  touched_.push_back(short_digest(place));
  if (kind == Kind::kOther) ++others_;
  std::string above = place.substr(0, place.rfind('/'));
  if (above == last_above_) return;
  last_above_ = above;
  while (!above.empty()) {
    touched_.push_back(short_digest(above));
    above.resize(above.rfind('/'));
  }
}

void TargetChanges::settle() {
  std::ranges::sort(touched_);
  const auto repeated = std::ranges::unique(touched_);
  touched_.erase(repeated.begin(), repeated.end());
}

bool TargetChanges::touches(std::string_view place) const {
  return std::ranges::binary_search(touched_, short_digest(place));
}

}  // namespace backstay::engine::restoring
