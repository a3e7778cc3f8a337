// What differs between two trees: one line each, and a summary.
#pragma once

#include <array>
#include <cstdint>
#include <cstdio>
#include <optional>
#include <set>
#include <string>
#include <string_view>

#include "base/mutex.h"

namespace backstay::compare {

enum class What : std::uint8_t {
  kExistence,
  kType,
  kMode,
  kOwner,
  kGroup,
  kModified,
  kSize,
  kHoleMap,
  kContent,
  kTarget,
  kDevice,
  kHardLinks,
  kXattrs,
  kFlags,
  kProject,
  kReadability,  // it could not be compared; cannot be ignored
};
inline constexpr std::size_t kWhatCount = 16;

[[nodiscard]] std::string_view to_string(What what);
[[nodiscard]] std::optional<What> what_from_string(std::string_view name);

struct Totals {
  std::uint64_t entries = 0;
  std::uint64_t files = 0;
  std::uint64_t bytes = 0;  // sizes of the left files
  std::uint64_t differences = 0;
};

// Thread-safe.
class Report {
 public:
  Report(std::FILE* out, std::set<What> ignored) : out_(out), ignored_(std::move(ignored)) {}

  // Prints "path: what: left right".
  void difference(const std::string& path, What what, std::string_view left, std::string_view right)
      EXCLUDES(mutex_);
  void unreadable(const std::string& path, std::string_view why);
  void compared(std::uint64_t files, std::uint64_t bytes) EXCLUDES(mutex_);
  [[nodiscard]] bool ignores(What what) const { return ignored_.contains(what); }

  // Prints the summary.
  Totals finish() EXCLUDES(mutex_);

 private:
  std::FILE* const out_;
  const std::set<What> ignored_;
  Mutex mutex_;
  Totals totals_ GUARDED_BY(mutex_);
  std::array<std::uint64_t, kWhatCount> counts_ GUARDED_BY(mutex_){};
};

}  // namespace backstay::compare
