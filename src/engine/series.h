// Snapshots of one source: the same host and paths.
#pragma once

#include <string>
#include <utility>
#include <vector>

#include "base/clock.h"
#include "snapshot/snapshot.h"

namespace backstay::engine {

using Series = std::pair<std::string, std::vector<std::string>>;

[[nodiscard]] inline Series series_of(const snapshot::Snapshot& snapshot) {
  return {snapshot.host, snapshot.paths};
}

// Clocks differ by less than a day: what began later than that was dated by a clock that was wrong,
// and else nothing would ever be newer.
[[nodiscard]] inline bool is_of_the_future(const snapshot::Snapshot& snapshot, Timestamp now) {
  constexpr std::int64_t kClocksDifferBySeconds = 24 * 60 * 60;
  return snapshot.started.seconds > now.seconds + kClocksDifferBySeconds;
}

}  // namespace backstay::engine
