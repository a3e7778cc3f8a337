#include "watch/settling.h"

#include <algorithm>

namespace backstay::watch {

void Settling::changed(Moment now) {
  if (!first_) first_ = now;
  last_ = now;
}

Settling::Moment Settling::due() const {
  if (!first_) return Moment::max();
  const Moment rested = std::min(last_ + rest_.settle, *first_ + rest_.interval_max);
  return std::max(rested, not_before_);
}

}  // namespace backstay::watch
