// Points in time, and where they come from.
#pragma once

#include <chrono>
#include <compare>
#include <cstdint>
#include <string>
#include <string_view>

#include "base/error.h"

namespace backstay {

// Seconds since 1970-01-01 UTC and nanoseconds within the second (0 to 999,999,999). Covers years
// before 1970 and after 2262.
struct Timestamp {
  std::int64_t seconds = 0;
  std::uint32_t nanos = 0;
  friend auto operator<=>(const Timestamp&, const Timestamp&) = default;
};

// The world's time, behind an interface so that tests can turn it. Implementations are thread-safe.
class Clock {
 public:
  virtual ~Clock() = default;
  [[nodiscard]] virtual Timestamp now() const = 0;
  [[nodiscard]] virtual std::chrono::steady_clock::time_point monotonic() const = 0;
};

class SystemClock final : public Clock {
 public:
  [[nodiscard]] Timestamp now() const override;
  [[nodiscard]] std::chrono::steady_clock::time_point monotonic() const override;
};

// "2026-11-21T10:30:00.123456789Z": RFC 3339 in UTC, for JSON.
[[nodiscard]] std::string format_rfc3339(Timestamp time);
// "2026-11-21 10:30:00" in the local zone, for people.
[[nodiscard]] std::string format_local(Timestamp time);

// Seconds east of UTC that clocks of the local zone (TZ, else /etc/localtime) show at a moment; 0
// for moments that no calendar knows.
[[nodiscard]] std::int64_t local_utc_offset(std::int64_t utc_seconds);

// RFC 3339, "2026-11-21 10:30[:00]" and "2026-11-21" in the local zone, "2h ago" (s, m, h, d, w),
// "now". `now` is what relative times count from.
Result<Timestamp> parse_time(std::string_view text, Timestamp now);

}  // namespace backstay
