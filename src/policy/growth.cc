#include "policy/growth.h"

#include <fmt/format.h>

#include <algorithm>
#include <set>
#include <string_view>

namespace backstay::policy {
namespace {

constexpr double kSecondsPerDay = 86'400;
constexpr std::size_t kMomentsMax = 400;  // 80,000 slopes

struct SumAt {
  double days = 0;
  double bytes = 0;  // stored until then
};

// The sum until each moment at which something was stored.
std::vector<SumAt> sums_of(const std::vector<StoredPoint>& points) {
  std::vector<SumAt> sums;
  const std::int64_t start = points.front().time.seconds;
  double sum = 0;
  for (const StoredPoint& point : points) {
    sum += static_cast<double>(point.bytes_stored);
    const double since_start = static_cast<double>(point.time.seconds - start) / kSecondsPerDay;
    if (!sums.empty() && sums.back().days == since_start) sums.pop_back();
    sums.push_back({.days = since_start, .bytes = sum});
  }
  return sums;
}

std::vector<SumAt> some_of(const std::vector<SumAt>& all) {
  if (all.size() <= kMomentsMax) return all;
  std::vector<SumAt> some;
  for (std::size_t i = 0; i < kMomentsMax; ++i)
    some.push_back(all[i * (all.size() - 1) / (kMomentsMax - 1)]);
  return some;
}

double median(std::vector<double>& values) {
  const auto middle = values.begin() + static_cast<std::ptrdiff_t>(values.size() / 2);
  std::ranges::nth_element(values, middle);
  if (values.size() % 2 == 1) return *middle;
  return (*middle + *std::max_element(values.begin(), middle)) / 2;
}

double median_slope(const std::vector<SumAt>& moments) {
  std::vector<double> slopes;
  slopes.reserve(moments.size() * (moments.size() - 1) / 2);
  for (auto one = moments.begin(); one != moments.end(); ++one) {
    for (auto other = one + 1; other != moments.end(); ++other)
      slopes.push_back((other->bytes - one->bytes) / (other->days - one->days));
  }
  return median(slopes);
}

// Whether any but the oldest of a source was compared with one that is not there any more. `points`
// are in the order of time.
bool lacks_some(const std::vector<StoredPoint>& points) {
  std::set<std::string_view> ids;
  for (const StoredPoint& point : points) ids.insert(point.id);
  std::set<std::string_view> sources;
  return std::ranges::any_of(points, [&](const StoredPoint& point) {
    const bool oldest = sources.insert(point.source).second;
    return !oldest && !point.parent.empty() && !ids.contains(point.parent);
  });
}

}  // namespace

Growth growth_of(std::vector<StoredPoint> points) {
  Growth growth;
  growth.backups = points.size();
  std::ranges::sort(points, {}, &StoredPoint::time);
  growth.lower_bound = lacks_some(points);
  if (!points.empty()) {
    growth.days = static_cast<double>(points.back().time.seconds - points.front().time.seconds) /
                  kSecondsPerDay;
  }
  if (points.size() < kGrowthPointsMin) {
    growth.unknown_because = fmt::format("it takes {} backups to tell, and there are {}",
                                         kGrowthPointsMin, points.size());
    return growth;
  }
  if (growth.days < kGrowthDaysMin) {
    growth.unknown_because =
        fmt::format("it takes {:.0f} days of backups to tell, and there are {:.1f}", kGrowthDaysMin,
                    growth.days);
    return growth;
  }
  growth.bytes_per_day = median_slope(some_of(sums_of(points)));
  return growth;
}

std::optional<double> days_to_full(double bytes_per_day, std::uint64_t free_bytes) {
  if (bytes_per_day <= 0) return std::nullopt;
  return static_cast<double>(free_bytes) / bytes_per_day;
}

}  // namespace backstay::policy
