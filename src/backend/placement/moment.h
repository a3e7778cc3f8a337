// How long what a client has seen may be acted upon.
#pragma once

#include <chrono>
#include <cstdlib>

#include "base/clock.h"

namespace backstay::backend::placement {

// Copies are taken away for reasons that were seen in the stores. A client that stands still
// between seeing and taking (a laptop that sleeps) must look anew: others may have gone on.
inline constexpr std::chrono::seconds kActsFor{30};

class Moment {
 public:
  // `clock` outlives it.
  explicit Moment(const Clock& clock)
      : clock_(&clock), wall_(clock.now()), monotonic_(clock.monotonic()) {}
  // By both clocks: one may stand still while the machine sleeps, the other may be set.
  [[nodiscard]] bool is_fresh() const {
    const std::int64_t passed = clock_->now().seconds - wall_.seconds;
    return std::abs(passed) <= kActsFor.count() && clock_->monotonic() - monotonic_ <= kActsFor;
  }

 private:
  const Clock* clock_;
  Timestamp wall_;
  std::chrono::steady_clock::time_point monotonic_;
};

}  // namespace backstay::backend::placement
