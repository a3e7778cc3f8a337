// What is written for systemd and for cron, as text.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "config/schedule.h"

namespace backstay::config {

struct PlannedJob {
  std::string name;
  std::string description;  // one line, may be empty
  Schedule schedule;
  std::uint64_t random_delay_seconds = 0;
};
struct UnitWorld {
  std::string program;                                              // absolute
  std::string config_path;                                          // absolute
  std::vector<std::pair<std::string, std::string>> variables = {};  // of the service's environment
};

// What the first line of a unit says that is ours and of this file.
[[nodiscard]] std::string unit_mark(std::string_view config_path);
[[nodiscard]] std::string unit_name(std::string_view job);  // without .service and .timer
[[nodiscard]] std::string service_unit(const PlannedJob& job, const UnitWorld& world);
[[nodiscard]] std::string timer_unit(const PlannedJob& job, const UnitWorld& world);

// The crontab with the lines of these jobs between marks of this configuration file; all else stays
// as it is. Without jobs the marks go, too. conflict where a mark has no end.
Result<std::string> crontab_with(std::string_view crontab, const std::vector<PlannedJob>& jobs,
                                 const UnitWorld& world);

}  // namespace backstay::config
