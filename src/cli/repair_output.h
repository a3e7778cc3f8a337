// What repairs show.
#pragma once

#include <string>

#include "engine/repair.h"
#include "json/json_fwd.h"

namespace backstay::cli {

[[nodiscard]] std::string index_repair_text(const engine::IndexRepairReport& report, bool dry_run);
[[nodiscard]] json::Json index_object_line(const engine::ObjectTrouble& trouble,
                                           std::string_view state);
[[nodiscard]] json::Json index_repair_summary(const engine::IndexRepairReport& report,
                                              bool dry_run);
[[nodiscard]] std::string generation_repair_text(const engine::GenerationRepairReport& report,
                                                 bool dry_run);
[[nodiscard]] json::Json generation_repair_summary(const engine::GenerationRepairReport& report,
                                                   bool dry_run);

[[nodiscard]] std::string repaired_pack_text(const engine::RepairedPack& pack, bool dry_run);
[[nodiscard]] json::Json repaired_pack_line(const engine::RepairedPack& pack);
[[nodiscard]] std::string pack_repair_text(const engine::PackRepairReport& report, bool dry_run);
[[nodiscard]] json::Json pack_repair_summary(const engine::PackRepairReport& report, bool dry_run);

[[nodiscard]] json::Json lost_line(const engine::LostEntry& lost);
[[nodiscard]] std::string repaired_snapshot_text(const engine::RepairedSnapshot& one, bool dry_run);
[[nodiscard]] json::Json repaired_snapshot_line(const engine::RepairedSnapshot& one, bool dry_run);
[[nodiscard]] std::string snapshot_repair_text(const engine::SnapshotRepairReport& report,
                                               bool dry_run);
[[nodiscard]] json::Json snapshot_repair_summary(const engine::SnapshotRepairReport& report,
                                                 bool dry_run);

}  // namespace backstay::cli
