// What the command parity shows.
#pragma once

#include <string>

#include "engine/parity.h"
#include "json/json_fwd.h"

namespace backstay::cli {

[[nodiscard]] std::string percent_text(std::uint32_t hundredths);

[[nodiscard]] std::string parity_added_text(const engine::ParityReport& report,
                                            const repo::ParityWish& wish, double seconds);
[[nodiscard]] json::Json parity_added_line(const engine::ParityReport& report,
                                           const repo::ParityWish& wish, double seconds);
[[nodiscard]] std::string parity_status_text(const engine::ParityStatus& status);
[[nodiscard]] json::Json parity_status_line(const engine::ParityStatus& status);
[[nodiscard]] json::Json damaged_parity_line(const engine::ObjectTrouble& damaged);
[[nodiscard]] std::string parity_repaired_text(const engine::ParityRepaired& one, bool dry_run);
[[nodiscard]] json::Json parity_repaired_line(const engine::ParityRepaired& one);
[[nodiscard]] std::string parity_repair_text(const engine::ParityRepairReport& report,
                                             bool dry_run);
[[nodiscard]] json::Json parity_repair_line(const engine::ParityRepairReport& report, bool dry_run,
                                            double seconds);
[[nodiscard]] std::string parity_removed_text(const engine::ParityRemoval& removal);
[[nodiscard]] json::Json parity_removed_line(const engine::ParityRemoval& removal);

}  // namespace backstay::cli
