// How fast a repository grows, and when its store is full: a pure function of what each backup
// stored, and when.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "base/clock.h"

namespace backstay::policy {

struct StoredPoint {
  Timestamp time;
  std::uint64_t bytes_stored = 0;  // by this backup
  std::string id = {};
  std::string parent = {};  // the id of the backup that it was compared with; empty for none
  std::string source = {};  // what was backed up
};

struct Growth {
  std::size_t backups = 0;
  double days = 0;                      // from the first to the last of them
  std::optional<double> bytes_per_day;  // nothing where it cannot be told, and then:
  std::string unknown_because;          // a clause: "there are only 2 backups"
  // Backups between others were forgotten: what they stored is not counted, though some of it may
  // still be there.
  bool lower_bound = false;
};
inline constexpr std::size_t kGrowthPointsMin = 4;
inline constexpr double kGrowthDaysMin = 2;

// The slope through the sums of what was stored: the median of the slopes between all pairs of
// moments (H. Theil, "A rank-invariant method of linear and polynomial regression analysis", 1950;
// P. K. Sen, "Estimates of the regression coefficient based on Kendall's tau", 1968). Up to 29 % of
// the points may be anything, so that neither a first full backup of a new source nor a week of
// standstill decides. What forgetting and pruning free is not in it. Of very many backups it takes
// some hundred moments, evenly chosen.
[[nodiscard]] Growth growth_of(std::vector<StoredPoint> points);

// Nothing where it does not grow.
[[nodiscard]] std::optional<double> days_to_full(double bytes_per_day, std::uint64_t free_bytes);

}  // namespace backstay::policy
