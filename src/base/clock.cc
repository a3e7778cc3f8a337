#include "base/clock.h"

#include <fmt/format.h>

#include <charconv>
#include <ctime>
#include <optional>

namespace backstay {

Timestamp SystemClock::now() const {
  timespec ts{};
  clock_gettime(CLOCK_REALTIME, &ts);
  return {ts.tv_sec, static_cast<std::uint32_t>(ts.tv_nsec)};
}

std::chrono::steady_clock::time_point SystemClock::monotonic() const {
  return std::chrono::steady_clock::now();
}

std::string format_rfc3339(Timestamp time) {
  const std::time_t seconds = time.seconds;
  std::tm parts{};
  gmtime_r(&seconds, &parts);
  return fmt::format("{:04}-{:02}-{:02}T{:02}:{:02}:{:02}.{:09}Z", parts.tm_year + 1900,
                     parts.tm_mon + 1, parts.tm_mday, parts.tm_hour, parts.tm_min, parts.tm_sec,
                     time.nanos);
}

std::string format_local(Timestamp time) {
  const std::time_t seconds = time.seconds;
  std::tm parts{};
  localtime_r(&seconds, &parts);
  return fmt::format("{:04}-{:02}-{:02} {:02}:{:02}:{:02}", parts.tm_year + 1900, parts.tm_mon + 1,
                     parts.tm_mday, parts.tm_hour, parts.tm_min, parts.tm_sec);
}

std::int64_t local_utc_offset(std::int64_t utc_seconds) {
  const std::time_t seconds = utc_seconds;
  std::tm parts{};
  if (localtime_r(&seconds, &parts) == nullptr) return 0;
  return parts.tm_gmtoff;
}

namespace {

// Reads a time from left to right; every step says whether it matched.
class TimeReader {
 public:
  explicit TimeReader(std::string_view text) : rest_(text) {}

  bool number(std::size_t digits, int& out) {
    if (rest_.size() < digits) return false;
    const auto [end, error] = std::from_chars(rest_.data(), rest_.data() + digits, out);
    if (error != std::errc{} || end != rest_.data() + digits || out < 0) return false;
    rest_.remove_prefix(digits);
    return true;
  }
  bool one_of(std::string_view choices) {
    if (rest_.empty() || choices.find(rest_[0]) == std::string_view::npos) return false;
    rest_.remove_prefix(1);
    return true;
  }
  std::uint32_t fraction() {
    std::uint32_t nanos = 0;
    std::uint32_t place = 100'000'000;
    while (!rest_.empty() && rest_[0] >= '0' && rest_[0] <= '9') {
      nanos += place * static_cast<std::uint32_t>(rest_[0] - '0');
      place /= 10;
      rest_.remove_prefix(1);
    }
    return nanos;
  }
  [[nodiscard]] std::string_view rest() const { return rest_; }

 private:
  std::string_view rest_;
};

std::optional<Timestamp> parse_relative(std::string_view text, Timestamp now) {
  std::int64_t count = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), count);
  if (error != std::errc{} || count < 0) return std::nullopt;
  std::string_view unit = text.substr(static_cast<std::size_t>(end - text.data()));
  while (unit.starts_with(' ')) unit.remove_prefix(1);
  if (!unit.ends_with("ago")) return std::nullopt;
  unit.remove_suffix(3);
  while (unit.ends_with(' ')) unit.remove_suffix(1);
  std::int64_t seconds = 0;
  if (unit == "s")
    seconds = 1;
  else if (unit == "m" || unit == "min")
    seconds = 60;
  else if (unit == "h")
    seconds = 3600;
  else if (unit == "d")
    seconds = 86400;
  else if (unit == "w")
    seconds = 7 * 86400;
  if (seconds == 0 || count > 1'000'000'000) return std::nullopt;
  return Timestamp{now.seconds - count * seconds, now.nanos};
}

std::optional<std::int64_t> parse_offset(TimeReader& reader, bool positive) {
  int hours = 0;
  int minutes = 0;
  if (!reader.number(2, hours)) return std::nullopt;
  reader.one_of(":");
  if (!reader.number(2, minutes)) return std::nullopt;
  const std::int64_t seconds = hours * 3600 + minutes * 60;
  return positive ? seconds : -seconds;
}

std::optional<Timestamp> parse_calendar(std::string_view text) {
  TimeReader reader(text);
  std::tm parts{};
  if (!reader.number(4, parts.tm_year) || !reader.one_of("-") || !reader.number(2, parts.tm_mon) ||
      !reader.one_of("-") || !reader.number(2, parts.tm_mday)) {
    return std::nullopt;
  }
  if (parts.tm_mon < 1 || parts.tm_mon > 12 || parts.tm_mday < 1 || parts.tm_mday > 31) {
    return std::nullopt;
  }
  parts.tm_year -= 1900;
  parts.tm_mon -= 1;
  parts.tm_isdst = -1;
  std::uint32_t nanos = 0;
  if (reader.one_of("T t")) {
    if (!reader.number(2, parts.tm_hour) || !reader.one_of(":") ||
        !reader.number(2, parts.tm_min)) {
      return std::nullopt;
    }
    if (reader.one_of(":") && !reader.number(2, parts.tm_sec)) return std::nullopt;
    if (reader.one_of(".")) nanos = reader.fraction();
    if (parts.tm_hour > 23 || parts.tm_min > 59 || parts.tm_sec > 60) return std::nullopt;
  }
  if (reader.rest().empty()) return Timestamp{std::mktime(&parts), nanos};
  std::optional<std::int64_t> offset;
  if (reader.one_of("Zz"))
    offset = 0;
  else if (reader.one_of("+"))
    offset = parse_offset(reader, true);
  else if (reader.one_of("-"))
    offset = parse_offset(reader, false);
  if (!offset || !reader.rest().empty()) return std::nullopt;
  return Timestamp{timegm(&parts) - *offset, nanos};
}

}  // namespace

Result<Timestamp> parse_time(std::string_view text, Timestamp now) {
  if (text == "now") return now;
  if (const auto relative = parse_relative(text, now)) return *relative;
  if (const auto calendar = parse_calendar(text)) return *calendar;
  return std::unexpected(
      Error(ErrorCode::kInvalidArgument, fmt::format("'{}' is not a time", text))
          .with_hint("Write 2026-11-21T10:30:00Z, 2026-11-21 10:30 (local zone) or 2h ago."));
}

}  // namespace backstay
