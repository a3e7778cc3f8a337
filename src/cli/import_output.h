// What 'backstay import' says.
#pragma once

#include <string>

#include "engine/import.h"
#include "json/json_fwd.h"

namespace backstay::cli {

[[nodiscard]] json::Json imported_line(const engine::ImportedSnapshot& one);
[[nodiscard]] json::Json import_summary(const engine::ImportReport& report, double seconds);
[[nodiscard]] std::string imported_text(const engine::ImportedSnapshot& one);
[[nodiscard]] std::string import_text(const engine::ImportReport& report, bool dry_run,
                                      double seconds);

}  // namespace backstay::cli
