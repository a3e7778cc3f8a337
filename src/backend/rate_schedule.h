// How fast a store may be used, by the time of day.
#pragma once

#include <cstdint>
#include <string_view>
#include <vector>

#include "base/clock.h"
#include "base/error.h"

namespace backstay::backend {

struct RateSchedule {
  // Of every day, by the clocks of the local zone. One that ends before it begins goes over
  // midnight; one that ends when it begins is the whole day.
  struct Window {
    int from_minute = 0;  // since midnight; the first that belongs to it
    int to_minute = 0;    // the first that does not
    std::uint64_t rate = 0;
  };

  RateSchedule() = default;
  // One rate for the whole day.
  // NOLINTNEXTLINE(google-explicit-constructor): a schedule is a rate in most cases
  RateSchedule(std::uint64_t rate) : otherwise(rate) {}

  // Bytes a second; 0: no limit. The first window that the time is in decides.
  [[nodiscard]] std::uint64_t at(Timestamp time) const;
  [[nodiscard]] bool never_limits() const;

  std::uint64_t otherwise = 0;  // outside all windows
  std::vector<Window> windows;
};

// "10M", "10M,08:00-18:00=1M", "08:00-18:00=1M,22:00-06:00=off": a rate for the whole day, which
// may be left out, and windows that have their own; "off" is no limit. invalid_argument.
Result<RateSchedule> parse_rate_schedule(std::string_view text);

}  // namespace backstay::backend
