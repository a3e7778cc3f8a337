// What find, history and diff print.
#pragma once

#include <string>
#include <vector>

#include "engine/diff.h"
#include "engine/find.h"
#include "engine/history.h"
#include "json/json_fwd.h"
#include "repo/repository.h"

namespace backstay::cli {

// `snapshots` are those that were searched.
[[nodiscard]] std::string found_text(const engine::FoundEntry& found,
                                     const std::vector<repo::StoredSnapshot>& snapshots,
                                     bool for_terminal);
[[nodiscard]] json::Json found_line(const engine::FoundEntry& found,
                                    const std::vector<repo::StoredSnapshot>& snapshots);

[[nodiscard]] std::string versions_text(const std::vector<engine::PathVersion>& versions,
                                        const std::vector<repo::StoredSnapshot>& snapshots);
[[nodiscard]] json::Json version_line(const engine::PathVersion& version, const std::string& path,
                                      const std::vector<repo::StoredSnapshot>& snapshots);

// "M  /etc/hosts": + added, - removed, M other bytes, T another type, U other attributes.
[[nodiscard]] std::string change_text(const engine::Change& change, bool for_terminal);
[[nodiscard]] json::Json change_line(const engine::Change& change);
[[nodiscard]] std::string diff_text(const engine::DiffReport& report);
[[nodiscard]] json::Json diff_summary(const engine::DiffReport& report, double seconds);

}  // namespace backstay::cli
