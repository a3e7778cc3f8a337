// Units of systemd and lines of cron, as they lie on this machine.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "base/error.h"
#include "cli/command.h"
#include "config/units.h"

namespace backstay::cli {

struct UnitFile {
  std::string path;
  std::string text;  // empty: it is to go
};

enum class Writing : std::uint8_t { kDo, kOnlySay };
enum class UnitAction : std::uint8_t { kWritten, kUnchanged, kRemoved };
struct UnitChange {
  UnitFile file;
  UnitAction action;
};

// The units of these jobs below `folder`, and those of the same configuration file that are there
// and belong to no job any more, to be removed.
Result<std::vector<UnitFile>> planned_units(const std::string& folder,
                                            const std::vector<config::PlannedJob>& jobs,
                                            const config::UnitWorld& world);
// Writes and removes what differs. conflict for a file of that name that is not ours.
Result<std::vector<UnitChange>> apply_units(const std::vector<UnitFile>& files,
                                            const config::UnitWorld& world, Writing writing);

// What `crontab -l` prints; empty where the user has none.
Result<std::string> read_crontab(const Context& context);
Result<void> write_crontab(const Context& context, const std::string& text);

// Runs systemctl with these words. not_found where it is not installed.
Result<void> run_systemctl(const Context& context, const std::vector<std::string>& words);

}  // namespace backstay::cli
